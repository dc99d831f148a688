"""The pretend people of the simulated WeCom platform: what they say, click and see."""

from __future__ import annotations

import json
import secrets
import time
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Union

from . import aibot_wire as wire
from .aibot_desk import FrameDesk
from .aibot_errors import SimError, SimTimeout
from .aibot_media import BytesContent, Content, FileContent, SimMedia
from .aibot_state import Bubble, visible_text

Sendable = Union[bytes, str, Path, Content]
Feedback = {"good": 1, "bad": 2, "cancel": 3}  # protocol-aibot, 3
_IMAGES = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp")
_VIDEOS = (".mp4", ".mov", ".avi", ".mkv")
_IMAGE_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8")
SUBSCRIBER_SECONDS = 5.0  # how long a user waits by default for a bot to be there


class SimMessage:
    """One thing the bot has said, as one viewer's app shows it now. Reading it always gives the newest state."""

    def __init__(self, desk: FrameDesk, bubble: Bubble, viewer: str) -> None:
        self._desk, self._bubble, self._viewer = desk, bubble, viewer

    kind = property(
        lambda self: self._bubble.kind,
        doc="stream, markdown, text (a welcome), card, image, file, video or voice.",
    )
    via = property(lambda self: self._bubble.via, doc="reply, welcome or push.")
    text = property(
        lambda self: self._bubble.text,
        doc="The content exactly as it came; of a stream, the newest snapshot.",
    )
    visible_text = property(
        lambda self: visible_text(self._bubble.text), doc="The text without think block and zero-width signs."
    )
    finished = property(lambda self: self._bubble.finished, doc="False while a stream still turns.")
    updates = property(
        lambda self: self._bubble.updates, doc="How many snapshots, or states of the card, were taken."
    )
    req_id = property(lambda self: self._bubble.req_id, doc="The req_id it answers; None for a push.")
    stream_id = property(lambda self: self._bubble.stream_id, doc="The bot's name for the stream.")
    feedback_id = property(
        lambda self: self._bubble.feedback_id, doc="What a feedback event will carry; None: cannot be rated."
    )
    images = property(
        lambda self: list(self._bubble.images), doc="The bytes of each picture at the end of a stream."
    )
    data = property(lambda self: self._bubble.data, doc="The bytes of a file, image, video or voice.")
    name = property(lambda self: self._bubble.name, doc="The file name given at the upload.")
    media_id = property(lambda self: self._bubble.media_id, doc="The media_id that was sent.")
    title = property(lambda self: self._bubble.title, doc="Title of a video.")
    description = property(lambda self: self._bubble.description, doc="Description of a video.")
    chat = property(lambda self: self._bubble.chat, doc="The userid or the group's chatid it stands in.")
    bot_id = property(lambda self: self._bubble.bot_id, doc="Who said it.")
    raw = property(
        lambda self: list(self._bubble.raw), doc="The bodies it came from, dropped frames included."
    )
    dropped_final = property(
        lambda self: self._bubble.dropped_final, doc="True: its last frame was equal and thrown away."
    )

    @property
    def card(self) -> Optional[Dict[str, Any]]:
        """The card as this viewer sees it now."""
        return self._bubble.cards.get(self._viewer, self._bubble.card)

    @property
    def snapshots(self) -> List[str]:
        """Every content a stream has had, oldest first, dropped frames included."""
        return [body["stream"].get("content", "") for body in self._bubble.raw if "stream" in body]

    @property
    def thinking(self) -> bool:
        """True while the app shows nothing but the thinking animation."""
        return not self._bubble.finished and not visible_text(self._bubble.text)

    @property
    def expired(self) -> bool:
        """True for a stream that the platform has given up (846608)."""
        return not self._bubble.finished and self._bubble.stale(self._desk.clock())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SimMessage) and other._bubble is self._bubble

    def __hash__(self) -> int:
        return id(self._bubble)

    def __repr__(self) -> str:
        state = "" if self.finished else ", not finished"
        return f"SimMessage({self.kind} by {self.via} in {self.chat}: {self.text[:40]!r}, {self.updates} updates{state})"


class SimSent:
    """One callback that was pushed to the bot."""

    def __init__(
        self, desk: FrameDesk, frame: Dict[str, Any], media: Sequence[SimMedia], bot: Optional[str]
    ) -> None:
        self._desk, self._bot, self.frame, self.media = desk, bot, frame, list(media)
        self.delivered = False
        """False when it was said with wait=0 and no bot was there."""

    @property
    def req_id(self) -> str:
        """What the bot answers with."""
        return str(self.frame["headers"]["req_id"])

    @property
    def msgid(self) -> str:
        return str(self.frame["body"].get("msgid", ""))

    def again(self) -> None:
        """Push the very same frame once more, as the platform does when it is unsure."""
        self._desk.push(self._bot, wire.as_wire(self.frame), SUBSCRIBER_SECONDS)

    def __repr__(self) -> str:
        return f"SimSent({self.frame['body'].get('msgtype')}, req_id={self.req_id!r})"


class Viewer:
    """Somebody (or some group) in front of a client app."""

    def __init__(self, desk: FrameDesk, name: str) -> None:
        self._desk, self.id = desk, name
        self._next = 0

    @property
    def sees(self) -> List[SimMessage]:
        """Every bubble of the bot that the app shows, oldest first, unfinished streams included."""
        with self._desk.changed:
            bubbles = [
                one for one in self._desk.world.bubbles if self.id in one.viewers or self.id == one.chat
            ]
        return [SimMessage(self._desk, bubble, self.id) for bubble in bubbles]

    def expects(self, timeout: float = 5.0) -> SimMessage:
        """The next thing that is finally there: a finished stream, a card, a text, a media. Each comes once,
        in the order of finishing.

        Raises SimTimeout after *timeout* seconds; the text says what is there instead.
        """
        with self._desk.changed:
            try:
                self._desk.wait_for(lambda: self._waiting() > 0, timeout, f"nothing new for {self.id}")
            except SimTimeout as error:
                unfinished = [message for message in self.sees if not message.finished]
                raise SimTimeout(f"{error} Unfinished: {unfinished}" if unfinished else str(error)) from None
            bubble = self._desk.world.shown[self.id][self._next]
            self._next += 1
        return SimMessage(self._desk, bubble, self.id)

    def _waiting(self) -> int:
        return len(self._desk.world.shown.get(self.id, ())) - self._next

    @property
    def unread(self) -> int:
        """How many finished messages expects() has not returned yet."""
        with self._desk.changed:
            return self._waiting()


class SimGroup(Viewer):
    """A group chat. Its expects() and sees show what the bot says in it."""

    @property
    def members(self) -> List[str]:
        with self._desk.changed:
            return list(self._desk.world.groups[self.id])

    def add(self, *userids: str) -> SimGroup:
        """Let them join; they see what is said from now on."""
        with self._desk.changed:
            members = self._desk.world.groups[self.id]
            for userid in userids:
                self._desk.world.users.add(userid)
                if userid not in members:
                    members.append(userid)
        return self


class SimUser(Viewer):
    """A person. Every action pushes one callback and returns what was pushed.

    *chat* is a group's chatid (or SimGroup); None is the single chat with the bot. *bot* is a bot_id; None is
    the first one. *wait* is how many seconds to wait for the bot to be subscribed, after which SimTimeout is
    raised; with 0 the message is lost when nobody is.
    """

    def says(
        self, text: str, *, chat: Union[str, SimGroup, None] = None, quote: Any = None, bot: Optional[str] = None,
        wait: float = SUBSCRIBER_SECONDS, raw_controls: bool = False,
    ) -> SimSent:  # fmt: skip
        """A text. *quote*: a SimMessage, a text, or a whole quote dict. *raw_controls*: control characters
        stand raw in the JSON.
        """
        part: Dict[str, Any] = {"msgtype": "text", "text": {"content": text}}
        if quote is not None:
            part["quote"] = _quote(quote)
        return self._message(part, chat, bot, wait, raw_controls=raw_controls)

    def speaks(
        self,
        transcript: str,
        *,
        chat: Any = None,
        bot: Optional[str] = None,
        wait: float = SUBSCRIBER_SECONDS,
    ) -> SimSent:
        """A voice message, which reaches the bot as its transcript."""
        return self._message({"msgtype": "voice", "voice": {"content": transcript}}, chat, bot, wait)

    def sends(
        self, what: Sendable, kind: Optional[str] = None, name: Optional[str] = None, chat: Union[str, SimGroup, None] = None, *,
        bot: Optional[str] = None, wait: float = SUBSCRIBER_SECONDS, disposition: str = "both", encrypt: bool = True,
        padded_key: bool = True,
    ) -> SimSent:  # fmt: skip
        """An image, file or video: bytes, a path, or a Content such as `Generated(200 * 2**20)`; encrypted
        with a key of its own.

        *kind*: guessed from name and bytes when None. *disposition*: how the download names itself: ``both``,
        ``star``, ``quoted``, ``bare``, ``percent``, ``none``, or a whole Content-Disposition. *encrypt*
        False: no aeskey, the bytes as they are. *padded_key* False: the aeskey without its ``=``. The
        result's ``media[0]`` knows url, aeskey, data and the number of downloads.
        """
        content, name = _content(what, name)
        kind = kind or _kind(content, name)
        media = self._desk.media.offer(
            content, name, disposition=disposition, encrypt=encrypt, padded_key=padded_key
        )
        return self._message({"msgtype": kind, kind: _reference(media)}, chat, bot, wait, media=[media])

    def mixed(
        self, items: Iterable[Union[Sendable, Dict[str, Any]]], *, chat: Any = None, bot: Optional[str] = None,
        wait: float = SUBSCRIBER_SECONDS,
    ) -> SimSent:  # fmt: skip
        """Text and pictures in one message: str is text; bytes, Path and Content are images; a dict goes as
        it is.
        """
        parts: List[Dict[str, Any]] = []
        offered: List[SimMedia] = []
        for item in items:
            if isinstance(item, dict):
                parts.append(item)
            elif isinstance(item, str):
                parts.append({"msgtype": "text", "text": {"content": item}})
            else:
                offered.append(self._desk.media.offer(*_content(item, None)))
                parts.append({"msgtype": "image", "image": _reference(offered[-1])})
        return self._message(
            {"msgtype": "mixed", "mixed": {"msg_item": parts}}, chat, bot, wait, media=offered
        )

    def enters_chat(self, *, bot: Optional[str] = None, wait: float = SUBSCRIBER_SECONDS) -> SimSent:
        """Opens the single chat for the first time today; the bot has 5 s to welcome."""
        return self.event("enter_chat", bot=bot, wait=wait)

    def clicks(
        self, card: Union[SimMessage, str], event_key: str, *, selected: Optional[Mapping[str, Sequence[str]]] = None,
        card_type: str = "button_interaction", chat: Any = None, bot: Optional[str] = None, wait: float = SUBSCRIBER_SECONDS,
    ) -> SimSent:  # fmt: skip
        """Presses a button (or an entry of the action menu) of *card*: a SimMessage, or a task_id that no
        card need have.

        *selected*: what is chosen in the card's selectors, by question_key. Raises SimError when the card
        shows no such button.
        """
        shown, task_id, chat, bot = self._card(card, chat, bot)
        if shown is not None:
            card_type = shown["card_type"]
            keys = _keys(shown)
            if event_key not in keys:
                raise SimError(f"the card has no button {event_key!r}; it has {keys}")
        payload: Dict[str, Any] = {"card_type": card_type, "event_key": event_key, "task_id": task_id}
        if selected is not None or (shown is not None and "button_selection" in shown):
            payload["selected_items"] = _selected(selected or {})
        return self.event("template_card_event", payload, chat=chat, bot=bot, wait=wait, task_id=task_id)

    def votes(
        self, card: SimMessage, selected: Mapping[str, Sequence[str]], *, wait: float = SUBSCRIBER_SECONDS
    ) -> SimSent:
        """Chooses options of a vote or of selectors (option ids by question_key) and submits. Raises SimError
        for what is not there.
        """
        shown, _, _, _ = self._card(card, None, None)
        questions = {one["question_key"]: one for one in _questions(shown or {})}
        for question_key, ids in selected.items():
            if question_key not in questions:
                raise SimError(f"the card has no question {question_key!r}; it has {list(questions)}")
            known = [option["id"] for option in questions[question_key]["option_list"]]
            if not set(ids) <= set(known):
                raise SimError(f"question {question_key!r} has the options {known}, not {list(ids)}")
        return self.clicks(
            card, (shown or {}).get("submit_button", {}).get("key", ""), selected=selected, wait=wait
        )

    def feedback(
        self, message: Union[SimMessage, str], type: Union[int, str] = "good", content: str = "", reasons: Sequence[int] = (), *,
        bot: Optional[str] = None, wait: float = SUBSCRIBER_SECONDS,
    ) -> SimSent:  # fmt: skip
        """Rates a message that has a feedback id (or that id itself): good, bad or cancel; *reasons* 1 to 4
        say what was inaccurate.
        """
        feedback_id = message if isinstance(message, str) else message.feedback_id
        if not feedback_id:
            raise SimError("this message cannot be rated: it has no feedback id")
        payload: Dict[str, Any] = {"id": feedback_id, "type": Feedback.get(str(type), type)}
        if content:
            payload["content"] = content
        if reasons:
            payload["inaccurate_reason_list"] = list(reasons)
        chat = None if isinstance(message, str) else self._group(message.chat)
        if not isinstance(message, str):
            bot = bot or message.bot_id
        return self.event("feedback_event", payload, chat=chat, bot=bot, wait=wait)

    def event(
        self, eventtype: str, payload: Optional[Dict[str, Any]] = None, *, chat: Union[str, SimGroup, None] = None,
        bot: Optional[str] = None, wait: float = SUBSCRIBER_SECONDS, task_id: Optional[str] = None,
    ) -> SimSent:  # fmt: skip
        """Any event, known or not; *payload* is nested under the event's own name (protocol-aibot, 3)."""
        event: Dict[str, Any] = {"eventtype": eventtype}
        if payload is not None:
            event[eventtype] = payload
        return self._push(
            "aibot_event_callback",
            eventtype,
            {"msgtype": "event", "event": event},
            chat,
            bot,
            wait,
            task_id=task_id,
        )

    def raw(self, body: Dict[str, Any], *, cmd: str = "aibot_msg_callback", bot: Optional[str] = None,
            wait: float = SUBSCRIBER_SECONDS) -> SimSent:  # fmt: skip
        """Pushes *body* exactly as it is, in a frame with a fresh req_id that can be answered like a
        message's.
        """
        kind = (
            "message"
            if cmd != "aibot_event_callback"
            else str((body.get("event") or {}).get("eventtype", ""))
        )
        return self._deliver(cmd, kind, body, self.id, bot, wait)

    # -- building --------------------------------------------------------------------------------------------------------

    def _message(
        self, part: Dict[str, Any], chat: Any, bot: Optional[str], wait: float, *, media: Sequence[SimMedia] = (),
        raw_controls: bool = False,
    ) -> SimSent:  # fmt: skip
        return self._push(
            "aibot_msg_callback", "message", part, chat, bot, wait, media=media, raw_controls=raw_controls
        )

    def _push(
        self,
        cmd: str,
        kind: str,
        part: Dict[str, Any],
        chat: Any,
        bot: Optional[str],
        wait: float,
        **more: Any,
    ) -> SimSent:
        chatid = chat.id if isinstance(chat, SimGroup) else chat
        with self._desk.changed:
            bot_id = bot or next(iter(self._desk.world.bots))
            if chatid is not None:
                members = self._desk.world.groups.setdefault(chatid, [])
                if self.id not in members:
                    members.append(self.id)
            body = callback_body(self._desk, bot_id, self.id, chatid)
        body.update(part)
        return self._deliver(cmd, kind, body, chatid or self.id, bot, wait, **more)

    def _deliver(
        self, cmd: str, kind: str, body: Dict[str, Any], chat: str, bot: Optional[str], wait: float, *,
        media: Sequence[SimMedia] = (), task_id: Optional[str] = None, raw_controls: bool = False,
    ) -> SimSent:  # fmt: skip
        with self._desk.changed:
            bot_id = bot or next(iter(self._desk.world.bots))
            self._desk.await_subscriber(bot, wait)
            request = self._desk.world.open_request(bot_id, kind, chat, self.id, self._desk.clock(), task_id)
        frame = {"cmd": cmd, "headers": {"req_id": request.req_id}, "body": body}
        sent = SimSent(self._desk, frame, media, bot)
        data = wire.frame(wire.dumps_raw_controls(frame)) if raw_controls else wire.as_wire(frame)
        sent.delivered = self._desk.push(bot, data, 0)
        return sent

    def _card(self, card: Union[SimMessage, str], chat: Any, bot: Optional[str]) -> Any:
        """The card as shown (None: unknown), its task_id, its group and its bot."""
        with self._desk.changed:
            if isinstance(card, str):
                bot_id = bot or next(iter(self._desk.world.bots))
                bubble = self._desk.world.cards.get((bot_id, card))
                if bubble is None:
                    return None, card, chat, bot
                card = SimMessage(self._desk, bubble, self.id)
            shown = SimMessage(self._desk, card._bubble, self.id).card
            if shown is None:
                raise SimError("this message has no card")
            return shown, shown.get("task_id", ""), chat or self._group(card.chat), bot or card.bot_id

    def _group(self, chat: str) -> Optional[str]:
        return chat if chat in self._desk.world.groups else None


def callback_body(desk: FrameDesk, bot_id: str, user: str, chatid: Optional[str]) -> Dict[str, Any]:
    """What every callback of protocol-aibot, 3 begins with."""
    body: Dict[str, Any] = {"msgid": secrets.token_hex(12), "aibotid": bot_id}
    if chatid is not None:
        body["chatid"] = chatid
    body["chattype"] = "single" if chatid is None else "group"
    body["from"] = {"userid": user}
    body["create_time"] = int(desk.clock())
    body["response_url"] = f"https://sim.invalid/aibot/response?response_code={secrets.token_hex(16)}"
    return body


def _reference(media: SimMedia) -> Dict[str, Any]:
    return {"url": media.url} if media.aeskey is None else {"url": media.url, "aeskey": media.aeskey}


def _quote(quote: Any) -> Dict[str, Any]:
    if isinstance(quote, dict):
        return quote
    text = quote.text if isinstance(quote, SimMessage) else str(quote)
    return {"msgtype": "text", "text": {"content": text}}


def _content(what: Sendable, name: Optional[str]) -> Any:
    """The Content and the name of what a user sends."""
    if isinstance(what, Content):
        return what, name if name is not None else "generated.bin"
    if isinstance(what, bytes):
        guess = "picture.png" if what.startswith(_IMAGE_MAGIC) else "file.bin"
        return BytesContent(what), name if name is not None else guess
    path = Path(what)
    return FileContent(path), name if name is not None else path.name


def _kind(content: Content, name: str) -> str:
    if name.lower().endswith(_IMAGES) or next(content.blocks(), b"").startswith(_IMAGE_MAGIC):
        return "image"
    return "video" if name.lower().endswith(_VIDEOS) else "file"


def _keys(card: Dict[str, Any]) -> List[str]:
    buttons = [*(card.get("button_list") or ()), *((card.get("action_menu") or {}).get("action_list") or ())]
    if card.get("submit_button"):
        buttons.append(card["submit_button"])
    return [button["key"] for button in buttons]


def _questions(card: Dict[str, Any]) -> List[Dict[str, Any]]:
    single = [card[name] for name in ("checkbox", "button_selection") if card.get(name)]
    return [*single, *(card.get("select_list") or ())]


def _selected(selected: Mapping[str, Sequence[str]]) -> Dict[str, Any]:
    chosen = [{"question_key": key, "option_ids": {"option_id": list(ids)}} for key, ids in selected.items()]
    return {"selected_item": chosen}


class Flood:
    """Very many texts, built beforehand. `go` writes them; made by AiBotSim.prepare_flood."""

    WRITE_BYTES = 256 * 1024

    def __init__(
        self, desk: FrameDesk, users: Sequence[SimUser], count: int, text: str, bot: Optional[str]
    ) -> None:
        self._desk, self._bot = desk, bot
        self.req_ids: List[str] = []
        self.msgids: List[str] = []
        self.started_at = self.ended_at = 0.0
        self._chunks = [b"".join(chunk) for chunk in self._built(users, count, text)]

    def _built(self, users: Sequence[SimUser], count: int, text: str) -> Iterable[List[bytes]]:
        bot_id = self._bot or next(iter(self._desk.world.bots))
        now, content = self._desk.clock(), json.dumps(text, ensure_ascii=False)
        chunk: List[bytes] = []
        size = 0
        for number in range(count):
            user = users[number % len(users)]
            with self._desk.changed:
                request = self._desk.world.open_request(bot_id, "message", user.id, user.id, now)
            body = callback_body(self._desk, bot_id, user.id, None)
            self.req_ids.append(request.req_id)
            self.msgids.append(body["msgid"])
            head = wire.dumps(
                {
                    "cmd": "aibot_msg_callback",
                    "headers": {"req_id": request.req_id},
                    "body": {**body, "msgtype": "text"},
                }
            )
            chunk.append(wire.frame(head[:-2] + f',"text":{{"content":{content}}}}}}}'.encode()))
            size += len(chunk[-1])
            if size >= self.WRITE_BYTES:
                yield chunk
                chunk, size = [], 0
        yield chunk

    def go(self, wait: float = SUBSCRIBER_SECONDS) -> Flood:
        """Write everything to the subscribed bot, in big writes; returns when the last byte is with the
        kernel.
        """
        self.started_at = time.monotonic()
        for chunk in self._chunks:
            if not self._desk.push(self._bot, chunk, wait):
                raise SimError("the connection ended during the flood")
        self.ended_at = time.monotonic()
        return self
