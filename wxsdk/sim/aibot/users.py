"""Plays the people of the simulated WeCom platform, who say, send, click and rate."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Union

from . import wire
from .callbacks import callback_body
from .content import BytesContent, Content, FileContent
from .errors import SimError
from .media import SimMedia
from .views import SUBSCRIBER_SECONDS, SimGroup, SimMessage, SimSent, Viewer

Sendable = Union[bytes, str, Path, Content]
Feedback = {"good": 1, "bad": 2, "cancel": 3}  # docs/protocol/aibot, 3
_IMAGES = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp")
_VIDEOS = (".mp4", ".mov", ".avi", ".mkv")
_IMAGE_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8")


class SimUser(Viewer):
    """A person. Every action pushes one callback and returns what was pushed.

    *chat* is a group's chatid (or SimGroup); None is the single chat with the bot. *bot* is a bot_id; None is
    the first one. *wait* is how many seconds to wait for the bot to be subscribed, after which SimTimeout is
    raised; with 0 the message is lost when none is.
    """

    def says(
        self,
        text: str,
        *,
        chat: Union[str, SimGroup, None] = None,
        quote: Any = None,
        bot: Optional[str] = None,
        wait: float = SUBSCRIBER_SECONDS,
        raw_controls: bool = False,
    ) -> SimSent:
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
        self,
        what: Sendable,
        kind: Optional[str] = None,
        name: Optional[str] = None,
        chat: Union[str, SimGroup, None] = None,
        *,
        bot: Optional[str] = None,
        wait: float = SUBSCRIBER_SECONDS,
        disposition: str = "both",
        encrypt: bool = True,
        padded_key: bool = True,
    ) -> SimSent:
        """An image, file or video: bytes, a path, or a Content such as `Generated(200 * 2**20)`; encrypted
        with a key of its own.

        *kind*: guessed from name and bytes when None. *disposition*: how the download names itself: ``both``,
        ``star``, ``quoted``, ``bare``, ``percent``, ``none``, or a whole Content-Disposition. *encrypt*
        False: no aeskey, the bytes as they are. *padded_key* False: the aeskey without its ``=``. The
        result's ``media[0]`` knows url, aeskey, data and the number of downloads.
        """
        content, name = _content(what, name)
        kind = kind or _kind(content, name)
        media = self._desk.media.offer(content, name, disposition=disposition, encrypt=encrypt, padded_key=padded_key)
        return self._message({"msgtype": kind, kind: _reference(media)}, chat, bot, wait, media=[media])

    def mixed(
        self,
        items: Iterable[Union[Sendable, Dict[str, Any]]],
        *,
        chat: Any = None,
        bot: Optional[str] = None,
        wait: float = SUBSCRIBER_SECONDS,
    ) -> SimSent:
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
        return self._message({"msgtype": "mixed", "mixed": {"msg_item": parts}}, chat, bot, wait, media=offered)

    def enters_chat(self, *, bot: Optional[str] = None, wait: float = SUBSCRIBER_SECONDS) -> SimSent:
        """Opens the single chat for the first time today; the bot has 5 s to welcome."""
        return self.event("enter_chat", bot=bot, wait=wait)

    def clicks(
        self,
        card: Union[SimMessage, str],
        event_key: str,
        *,
        selected: Optional[Mapping[str, Sequence[str]]] = None,
        card_type: str = "button_interaction",
        chat: Any = None,
        bot: Optional[str] = None,
        wait: float = SUBSCRIBER_SECONDS,
    ) -> SimSent:
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
        return self.clicks(card, (shown or {}).get("submit_button", {}).get("key", ""), selected=selected, wait=wait)

    def feedback(
        self,
        message: Union[SimMessage, str],
        type: Union[int, str] = "good",
        content: str = "",
        reasons: Sequence[int] = (),
        *,
        bot: Optional[str] = None,
        wait: float = SUBSCRIBER_SECONDS,
    ) -> SimSent:
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
        self,
        eventtype: str,
        payload: Optional[Dict[str, Any]] = None,
        *,
        chat: Union[str, SimGroup, None] = None,
        bot: Optional[str] = None,
        wait: float = SUBSCRIBER_SECONDS,
        task_id: Optional[str] = None,
    ) -> SimSent:
        """Any event, known or not; *payload* is nested under the event's own name (docs/protocol/aibot, 3)."""
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

    def raw(
        self,
        body: Dict[str, Any],
        *,
        cmd: str = "aibot_msg_callback",
        bot: Optional[str] = None,
        wait: float = SUBSCRIBER_SECONDS,
    ) -> SimSent:
        """Pushes *body* exactly as it is, in a frame with a fresh req_id that can be answered like a
        message's.
        """
        kind = "message" if cmd != "aibot_event_callback" else str((body.get("event") or {}).get("eventtype", ""))
        return self._deliver(cmd, kind, body, self.id, bot, wait)

    # -- building ----------------------------------------

    def _message(
        self,
        part: Dict[str, Any],
        chat: Any,
        bot: Optional[str],
        wait: float,
        *,
        media: Sequence[SimMedia] = (),
        raw_controls: bool = False,
    ) -> SimSent:
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
        self,
        cmd: str,
        kind: str,
        body: Dict[str, Any],
        chat: str,
        bot: Optional[str],
        wait: float,
        *,
        media: Sequence[SimMedia] = (),
        task_id: Optional[str] = None,
        raw_controls: bool = False,
    ) -> SimSent:
        webhook = self._desk.webhook
        with self._desk.changed:
            bot_id = bot or next(iter(self._desk.world.bots))
            if webhook is None:
                self._desk.await_subscriber(bot, wait)
            request = self._desk.world.open_request(bot_id, kind, chat, self.id, self._desk.clock(), task_id)
        frame = {"cmd": cmd, "headers": {"req_id": request.req_id}, "body": body}
        sent = SimSent(self._desk, frame, media, bot, chat)
        if webhook is not None:
            webhook.deliver(request, body)
            sent.delivered = True
            self._desk.changed.tell("said", sent)
            return sent
        data = wire.frame(wire.dumps_raw_controls(frame)) if raw_controls else wire.as_wire(frame)
        sent.delivered = self._desk.push(bot, data, 0)
        self._desk.changed.tell("said", sent)
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


def _reference(media: SimMedia) -> Dict[str, Any]:
    return {"url": media.url} if media.aeskey is None or media.shared else {"url": media.url, "aeskey": media.aeskey}


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
