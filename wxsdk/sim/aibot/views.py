"""Shows what the client apps of the simulated WeCom platform show: messages, chats, and what was pushed to the bot."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence

from . import wire
from .desk import FrameDesk
from .errors import SimTimeout
from .media import SimMedia
from .state import Bubble, visible_text

SUBSCRIBER_SECONDS = 5.0  # how long a user waits by default for a bot to be there


class SimMessage:
    """One thing the bot has said, as one viewer's app shows it now. Reading it always gives the newest state."""

    def __init__(self, desk: FrameDesk, bubble: Bubble, viewer: str) -> None:
        self._desk, self._bubble, self._viewer = desk, bubble, viewer

    id = property(lambda self: self._bubble.id, doc="A name of the simulator's own, which stays over a restart.")
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
    updates = property(lambda self: self._bubble.updates, doc="How many snapshots, or states of the card, were taken.")
    req_id = property(lambda self: self._bubble.req_id, doc="The req_id it answers; None for a push.")
    stream_id = property(lambda self: self._bubble.stream_id, doc="The bot's name for the stream.")
    feedback_id = property(
        lambda self: self._bubble.feedback_id, doc="What a feedback event will carry; None: cannot be rated."
    )
    images = property(lambda self: list(self._bubble.images), doc="The bytes of each picture at the end of a stream.")
    data = property(lambda self: self._bubble.data, doc="The bytes of a file, image, video or voice.")
    name = property(lambda self: self._bubble.name, doc="The file name given at the upload.")
    media_id = property(lambda self: self._bubble.media_id, doc="The media_id that was sent.")
    title = property(lambda self: self._bubble.title, doc="Title of a video.")
    description = property(lambda self: self._bubble.description, doc="Description of a video.")
    chat = property(lambda self: self._bubble.chat, doc="The userid or the group's chatid it stands in.")
    bot_id = property(lambda self: self._bubble.bot_id, doc="Who said it.")
    raw = property(lambda self: list(self._bubble.raw), doc="The bodies it came from, dropped frames included.")
    dropped_final = property(
        lambda self: self._bubble.dropped_final, doc="True: its last frame was equal and thrown away."
    )

    started_at = property(lambda self: self._bubble.started_at, doc="The simulator's time at which it began.")
    cards = property(
        lambda self: dict(self._bubble.cards), doc="The cards of those users who see another one than the rest."
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
        what = f"{self.kind} by {self.via} in {self.chat}"
        return f"SimMessage({what}: {self.text[:40]!r}, {self.updates} updates{state})"


class SimSent:
    """One callback that was pushed to the bot."""

    def __init__(
        self, desk: FrameDesk, frame: Dict[str, Any], media: Sequence[SimMedia], bot: Optional[str], chat: str
    ) -> None:
        self._desk, self._bot, self.frame, self.media = desk, bot, frame, list(media)
        self.chat = chat
        """The userid or the group's chatid in which it was said."""
        self.delivered = False
        """False when it was said with wait=0 and no bot was there."""

    @property
    def req_id(self) -> str:
        """What the bot answers with."""
        return str(self.frame["headers"]["req_id"])

    @property
    def msgid(self) -> str:
        return str(self.frame["body"].get("msgid", ""))

    def again(self, wait: float = SUBSCRIBER_SECONDS) -> bool:
        """Push the very same frame once more, as the platform does when it is unsure; False when no bot got it.

        Waits *wait* seconds for a subscribed bot, then raises SimTimeout; with 0 it does not wait.
        """
        webhook = self._desk.webhook
        if webhook is not None:
            webhook.deliver(self._desk.world.requests[self.req_id], self.frame["body"])
            return True
        self.delivered = self._desk.push(self._bot, wire.as_wire(self.frame), wait) or self.delivered
        self._desk.changed.tell("said", self)
        return self.delivered

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
            bubbles = [one for one in self._desk.world.bubbles if self.id in one.viewers or self.id == one.chat]
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
        """The number of finished messages that expects() has not returned yet."""
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
