"""Plays the users of the simulated iLink platform, and keeps what they get from the bot."""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Protocol, Union

from .cdn import Cdn, Stored, read_key
from .faults import DEFAULT_WAIT
from .records import Hub, Recorder
from .rules import FILE, IMAGE, KINDS, TEXT, VIDEO, VOICE, item_name
from .state import Conversation, Mailbox

SILK = 6  # VoiceItem.encode_type; docs/protocol/ilink, 3
VOICE_RATE = 24_000  # Hz, what phones record
VOICE_BITS = 16
SNIFFED = (
    (b"\x89PNG\r\n\x1a\n", "image.png"),
    (b"\xff\xd8\xff", "image.jpg"),
    (b"GIF8", "image.gif"),
    (b"#!AMR", "voice.amr"),
    (b"\x02#!SILK", "voice.silk"),
)


@dataclass
class SimMessage:
    """One message that the bot sent to a pretend user."""

    raw: Dict[str, Any] = field(repr=False)  # the `msg` as it came
    at: float  # the simulator's clock
    message_id: str
    stored: Optional[Stored] = field(default=None, repr=False)

    @property
    def item(self) -> Dict[str, Any]:
        """The one item."""
        item: Dict[str, Any] = self.raw["item_list"][0]
        return item

    @property
    def kind(self) -> str:
        """ "text", "image", "video", "file", "voice", "tool_call_start" or "tool_call_result"."""
        return KINDS[self.item["type"]]

    @property
    def content(self) -> Dict[str, Any]:
        """The item's inner part, such as its ``file_item``."""
        content: Dict[str, Any] = self.item[item_name(self.item["type"])]
        return content

    @property
    def to(self) -> str:
        """The user it was sent to."""
        return str(self.raw["to_user_id"])

    @property
    def text(self) -> str:
        """The text of a text message, empty for others."""
        return str(self.content.get("text", ""))

    @property
    def file_name(self) -> Optional[str]:
        """The name a file was sent under."""
        return self.content.get("file_name")

    @property
    def size(self) -> int:
        """Bytes of the decrypted file."""
        return self.stored.size if self.stored else 0

    @property
    def data(self) -> bytes:
        """The file as the user's phone shows it: fetched from the CDN and decrypted with the key of the
        message.

        ValueError when the key does not fit; LookupError when the simulator stopped and the file was large.
        """
        if self.stored is None:
            raise ValueError(f"a {self.kind} message has no file")
        return b"".join(self.stored.blob.plain_blocks(read_key(self.content["media"]["aes_key"])))

    @property
    def client_id(self) -> str:
        """The id the bot gave it."""
        return str(self.raw["client_id"])

    @property
    def context_token(self) -> Optional[str]:
        """The context token the bot echoed."""
        return self.raw.get("context_token")

    @property
    def run_id(self) -> Optional[str]:
        """The run it belongs to."""
        return self.raw.get("run_id")

    def __str__(self) -> str:
        return f"{self.kind} {self.text or self.file_name or ''!r}"


Quotable = Union[SimMessage, str]


class Platform(Protocol):
    """What a user asks of the platform; `World` is one."""

    hub: Hub
    recorder: Recorder
    mailbox: Mailbox
    cdn: Cdn
    settings: Any
    clock: Callable[[], float]
    violations: List[str]
    refusals: List[str]
    dropped: List[SimMessage]

    def conversation(self, user_id: str) -> Conversation: ...

    def queue(self, user_id: str, item: Dict[str, Any], fields: Dict[str, Any]) -> str: ...

    def post(self, message: Dict[str, Any]) -> None: ...


class SimUser:
    """A pretend WeChat user talking with the bot. Get one from `ILinkSim.user`; any thread may use it."""

    def __init__(self, world: Platform, user_id: str) -> None:
        self._world = world
        self.id = user_id
        self._received: List[SimMessage] = []
        self._expected = 0
        self._said: Dict[str, Dict[str, Any]] = {}

    def __repr__(self) -> str:
        return f"<SimUser {self.id} received={len(self._received)}>"

    # what the user does

    def says(self, text: str, *, quote: Optional[Quotable] = None, **fields: Any) -> str:
        """Send a text; the message's id comes back. *fields* are laid over the message, such as
        ``message_state=1``.
        """
        if quote is not None:
            return self.quotes(quote, text, **fields)
        return self._send({"type": TEXT, "text_item": {"text": text}}, fields)

    def sends(
        self,
        source: Union[str, Path, bytes],
        *,
        kind: Optional[str] = None,
        name: Optional[str] = None,
        key: Optional[str] = "hex",
        address: str = "both",
        **fields: Any,
    ) -> str:
        """Put a file on the CDN and send it; the message's id comes back.

        *kind* is "image", "video", "file" or "voice", guessed when missing. *key* says where the AES key is:
        "hex" (``aes_key`` = base64 of its hex), "raw" (base64 of its 16 bytes), "aeskey" (the image's own hex
        field only), None (an image in plain). *address* is "both", "full_url" or "param".
        """
        content = source if isinstance(source, bytes) else Path(source)
        label = name or (content.name if isinstance(content, Path) else _sniff(content))
        kind = kind or _guess_kind(label)
        if kind != "image" and key not in ("hex", "raw"):
            raise ValueError(f"only an image can have key={key!r}")
        stored = self._world.cdn.put(content, encrypted=key is not None)
        media = stored.media(key=None if key == "aeskey" else key, address=address)
        return self._send(_media_item(kind, media, stored, label, key), fields)

    def speaks(
        self,
        audio: Union[str, Path, bytes],
        transcript: Optional[str] = None,
        *,
        playtime: int = 2000,
        **fields: Any,
    ) -> str:
        """Send a voice message of *playtime* milliseconds, with the platform's transcript if given; its id
        comes back.
        """
        stored = self._world.cdn.put(audio if isinstance(audio, bytes) else Path(audio))
        voice: Dict[str, Any] = {"media": stored.media(), "encode_type": SILK, "sample_rate": VOICE_RATE}
        voice.update(bits_per_sample=VOICE_BITS, playtime=playtime)
        if transcript is not None:
            voice["text"] = transcript
        return self._send({"type": VOICE, "voice_item": voice}, fields)

    def quotes(
        self,
        message: Quotable,
        text: str,
        *,
        partial: Optional[str] = None,
        by_id: bool = False,
        title: Optional[str] = None,
        **fields: Any,
    ) -> str:
        """Answer *message* (one received from the bot, or the id of one of the user's own) with *text*,
        quoting it.

        With *by_id* the quote carries only the id, as newer phones send it. *partial* is the part that was
        marked.
        """
        message_id = message.message_id if isinstance(message, SimMessage) else message
        item = self._item_of(message)
        ref: Dict[str, Any] = {"svr_id": message_id}
        if not by_id:
            ref["message_item"] = {**item, "msg_id": message_id}
        if title is not None:
            ref["title"] = title
        if partial is not None:
            ref["partial_text"] = partial_text(item.get("text_item", {}).get("text", ""), partial)
        return self._send({"type": TEXT, "text_item": {"text": text}, "ref_msg": ref}, fields)

    def raw(self, message: Mapping[str, Any]) -> None:
        """Send an arbitrary WeixinMessage: exactly this goes out, however odd. Nothing else changes, no
        window opens.
        """
        self._world.post(dict(message))

    def repeats(self, message_id: str, /, **changes: Any) -> None:
        """Deliver an earlier message again, with *changes* such as ``context_token="another"``."""
        again = {**self._said[message_id], **changes}
        if again.get("context_token"):
            with self._world.hub.lock:
                talk = self._world.conversation(self.id)
                talk.tokens = [token for token in talk.tokens if token != again["context_token"]] + [
                    again["context_token"]
                ]
        self._world.post(again)

    def leaves(self) -> None:
        """Let the 24 hours pass: until the user writes again, sends are refused."""
        with self._world.hub.lock:
            self._world.conversation(self.id).last_inbound = float("-inf")

    # what the user gets

    @property
    def received(self) -> List[SimMessage]:
        """All that the bot delivered to this user, in order."""
        with self._world.hub.lock:
            return list(self._received)

    def expects(self, timeout: float = DEFAULT_WAIT) -> SimMessage:
        """The next message from the bot, each one once, in the order of delivery. AssertionError after
        *timeout* seconds.
        """

        def take() -> Optional[SimMessage]:
            if self._expected >= len(self._received):
                return None
            self._expected += 1
            return self._received[self._expected - 1]

        message = self._world.hub.wait_for(take, timeout)
        if message is None:
            raise AssertionError(f"{self.id} got no further message within {timeout:g} s\n{self._story()}")
        return message

    def waits_for(self, predicate: Callable[[SimMessage], bool], timeout: float = DEFAULT_WAIT) -> SimMessage:
        """The first message, delivered already or yet to come, for which *predicate* is true. Leaves
        `expects` alone.
        """
        message = self._world.hub.wait_for(lambda: next(filter(predicate, self._received), None), timeout)
        if message is None:
            raise AssertionError(f"{self.id} got no such message within {timeout:g} s\n{self._story()}")
        return message

    @property
    def is_typing(self) -> bool:
        """Whether the user sees the bot typing."""
        with self._world.hub.lock:
            return self._world.conversation(self.id).is_typing(self._world.clock(), self._world.settings.typing_ttl)

    @property
    def context_token(self) -> Optional[str]:
        """The newest context token given out for this user."""
        with self._world.hub.lock:
            return self._world.conversation(self.id).context_token

    def deliver(self, message: SimMessage) -> None:
        """Called by the simulator: a message of the bot arrives."""
        with self._world.hub.lock:
            self._received.append(message)
            self._world.hub.tell("delivered", message)
            self._world.hub.notify()

    def restore(self, received: List[SimMessage], said: List[Dict[str, Any]]) -> None:
        """Called by the simulator: what this user had got and said before a restart."""
        with self._world.hub.lock:
            self._received = list(received)
            self._expected = len(received)
            self._said = {str(message.get("message_id")): message for message in said}

    def _send(self, item: Dict[str, Any], fields: Dict[str, Any]) -> str:
        with self._world.hub.lock:
            message_id = self._world.queue(self.id, item, fields)
            self._said[message_id] = self._world.mailbox.last
        return message_id

    def _item_of(self, message: Quotable) -> Dict[str, Any]:
        if isinstance(message, SimMessage):
            return message.item
        if message not in self._said:
            raise ValueError(f"{self.id} has sent no message {message}")
        item: Dict[str, Any] = self._said[message]["item_list"][0]
        return item

    def _story(self) -> str:
        with self._world.hub.lock:
            lines = [f"  {'seen' if n < self._expected else 'new '} {one}" for n, one in enumerate(self._received)]
            lines += [f"  refused: {reason}" for reason in self._world.refusals[-5:]]
            lines += [f"  dropped: {one} to {one.to}" for one in self._world.dropped[-5:]]
            lines += [f"  violation: {sentence}" for sentence in self._world.violations[-5:]]
            lines.append(f"  last requests: {self._world.recorder.requests[-5:]}")
        return "\n".join(["what did happen:", *lines])


def partial_text(full: str, part: str) -> Dict[str, Any]:
    """The ``partial_text`` that marks *part* of *full*; ValueError when it is not in it. Indexes count over
    the whole text, from 0.
    """
    position = full.find(part)
    if not part or position < 0:
        raise ValueError("the marked part is not in the quoted text")
    for length in range(min(8, len(part)), 0, -1):
        start, end = part[:length], part[-length:]
        at_end = position + len(part) - length
        startindex, endindex = full.count(start, 0, position), full.count(end, 0, at_end)
        if (_occurrence(full, start, startindex), _occurrence(full, end, endindex)) == (position, at_end):
            break
    md5 = hashlib.md5(part.encode(), usedforsecurity=False).hexdigest()
    return {"start": start, "end": end, "startindex": startindex, "endindex": endindex, "quotemd5": md5}


def _occurrence(text: str, value: str, index: int) -> int:
    """Find where the *index*-th occurrence begins, the way a reader finds it: one after the other, not
    overlapping.
    """
    position = text.find(value)
    for _ in range(index):
        position = text.find(value, position + len(value))
    return position


def _sniff(data: bytes) -> str:
    for magic, name in SNIFFED:
        if data.startswith(magic):
            return name
    return "video.mp4" if data[4:8] == b"ftyp" else "file.bin"


def _guess_kind(name: str) -> str:
    kind = (mimetypes.guess_type(name)[0] or "").split("/")[0]
    return kind if kind in ("image", "video") else "file"


def _media_item(kind: str, media: Dict[str, object], stored: Stored, name: str, key: Optional[str]) -> Dict[str, Any]:
    if kind == "image":
        image: Dict[str, Any] = {"media": media, "mid_size": stored.blob.size}
        if key == "aeskey" and stored.key is not None:
            image["aeskey"] = stored.key.hex()
        return {"type": IMAGE, "image_item": image}
    if kind == "video":
        return {
            "type": VIDEO,
            "video_item": {"media": media, "video_size": stored.blob.size, "play_length": 3},
        }
    if kind == "file":
        return {"type": FILE, "file_item": {"media": media, "file_name": name, "len": str(stored.size)}}
    if kind == "voice":
        return {
            "type": VOICE,
            "voice_item": {"media": media, "encode_type": SILK, "sample_rate": VOICE_RATE, "playtime": 2000},
        }
    raise ValueError(f'kind must be "image", "video", "file" or "voice", not {kind!r}')
