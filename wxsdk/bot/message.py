"""Message: what a handler gets, the same on every platform."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ContextManager, Dict, List, Mapping, Optional, Sequence, Union

from ..errors import ConfigError
from ..ilink.frames_out import SendResult
from ..runtime.receiver import Received
from .adapter import Adapter, AnswerStream, FileInfo, Progress
from .address import Address
from .facts import Choice, Facts
from .results import dump_result, load_result

if TYPE_CHECKING:
    from .call import Call
    from .workshop import Workshop

ASK_TIMEOUT = 600.0  # seconds that a question waits by default (api-bot)


class Attachment:
    """A file that a user sent. kind: "image", "video", "file" or "voice". name, size: as announced, None if unknown."""

    __slots__ = ("_adapter", "_file", "_origin")

    def __init__(self, adapter: Adapter, origin: Any, file: FileInfo) -> None:
        self._adapter = adapter
        self._origin = origin
        self._file = file

    def __repr__(self) -> str:
        return f"<Attachment {self.kind} {self.name or ''}>"

    @property
    def kind(self) -> str:
        return self._file.kind

    @property
    def name(self) -> Optional[str]:
        return self._file.name

    @property
    def size(self) -> Optional[int]:
        return self._file.size

    def save(self, dest: Union[str, Path], *, progress: Optional[Progress] = None) -> Path:
        """Fetch it into *dest* and return its path.

        dest: a file, or a folder (an existing one, or with a slash at the end, which is made), where it gets its own
        name, made harmless and unique. Memory use is constant. Raises DownloadFailed, DecryptError, LimitExceeded or
        ConfigError; then nothing is left at *dest*.
        """
        folder = str(dest).endswith(("/", "\\"))
        path = Path(dest)
        if folder:
            path.mkdir(parents=True, exist_ok=True)
        return self._adapter.save(self._origin, self._file, path, progress)

    def read(self) -> bytes:
        """Fetch it into memory. Raises as ``save``."""
        return self._adapter.read(self._origin, self._file)


class Quote:
    """What a message quotes. text: "" for none. message_id: of the quoted message, None if unknown."""

    __slots__ = ("attachments", "message_id", "text")

    def __init__(self, text: str, attachments: List[Attachment], message_id: Optional[str]) -> None:
        self.text = text
        self.attachments = attachments
        self.message_id = message_id

    def __repr__(self) -> str:
        return f"<Quote {self.message_id or ''}: {len(self.text)} characters, {len(self.attachments)} file(s)>"


class Message:
    """A message of a user, with everything needed to answer it.

    Every method may be called from any thread, but for ``ask`` and ``choose``, which belong to the handler's own. What
    the platform cannot do raises Unsupported before anything is sent. After ``cancel_running()`` of another handler
    they raise Cancelled. args: of a command, what stands behind its name, stripped; "" otherwise.
    """

    __slots__ = ("_merged", "_workshop", "adapter", "args", "call", "facts", "handler", "lane", "received", "thread")

    def __init__(self, adapter: Adapter, received: Received, facts: Facts, merged: Sequence[Message] = ()) -> None:
        self.adapter = adapter
        self.received = received
        self.facts = facts
        self.lane = (adapter.name, facts.lane)
        self._merged = merged
        self._workshop: Optional[Workshop] = None
        self.call: Optional[Call] = None
        self.args = ""

    def __repr__(self) -> str:
        again = ", redelivered" if self.redelivered else ""
        return f"<Message {self.id} from {self.user_id} ({self.bot}): {self.kind}{again}>"

    # what it says

    @property
    def id(self) -> str:
        """The platform's id of the message, "" when it has none."""
        return self.facts.id

    @property
    def bot(self) -> str:
        """The name of the bot that received it."""
        return self.adapter.name

    @property
    def platform(self) -> str:
        """ "ilink" (personal WeChat), "aibot" (WeCom over WebSocket) or "callback" (WeCom in callback mode)."""
        return self.adapter.platform

    @property
    def kind(self) -> str:
        """ "text", "image", "mixed", "voice", "video", "file", "event" or "choice"."""
        return self.facts.kind

    @property
    def user_id(self) -> str:
        return self.facts.user_id

    @property
    def chat_id(self) -> str:
        """The group, else the user."""
        return self.facts.chat_id

    @property
    def is_group(self) -> bool:
        return self.facts.is_group

    @property
    def text(self) -> str:
        """The words, without the mention of the bot; a voice's transcript; "" for none."""
        return self.facts.text

    @property
    def event(self) -> str:
        """The name of an event, "" for everything else."""
        return self.facts.event

    @property
    def choice(self) -> Optional[Choice]:
        """What was pressed on a card, the button's key or chosen options: a str with ``task_id``, ``answers``."""
        return self.facts.choice

    @property
    def attachments(self) -> List[Attachment]:
        """Its files, those of merged messages included."""
        own = [Attachment(self.adapter, self.raw, file) for file in self.adapter.files(self.raw)]
        return [attachment for each in self._merged for attachment in each.attachments] + own

    @property
    def quote(self) -> Optional[Quote]:
        """What it quotes."""
        found = self.adapter.quote(self.raw)
        if found is None:
            return next((each.quote for each in self._merged if each.quote is not None), None)
        files = [Attachment(self.adapter, self.raw, file) for file in found.files]
        return Quote(found.text, files, found.message_id)

    @property
    def created_at(self) -> Optional[datetime]:
        """When it was written (aware, UTC); None when the platform does not say."""
        return self.adapter.created_at(self.raw)

    @property
    def redelivered(self) -> bool:
        """Whether an earlier run may have begun to handle it."""
        return self.received.redelivered

    @property
    def address(self) -> str:
        """Where ``bot.send`` reaches this chat, over restarts, too."""
        return str(Address(self.platform, self.bot, self.chat_id))

    @property
    def raw(self) -> Any:
        """The MessageContext or WsFrame."""
        return self.received.origin

    @property
    def client(self) -> Any:
        """The WeixinClient or WSClient that received it."""
        return self.adapter.client

    @property
    def state(self) -> Dict[str, Any]:
        """What the bot remembers of this chat (in groups: of this chat and user): a dict of JSON values.

        It is written when the handler has returned, together with the mark that the message is handled: never half of
        it, never twice, and not at all when the handler raises.
        """
        return self._active().state.get()

    # answering

    def reply(self, text: str) -> SendResult:
        """Answer with *text* (Markdown where the platform shows it), in several messages when it is long.

        confirmed: whether the platform said so; False, too, when the same answer may have gone out before a restart.
        Raises what the client's calls raise.
        """
        if not isinstance(text, str):
            raise ConfigError(f"reply needs a str, not {type(text).__name__}.")
        call = self._active()
        return call.step("reply", lambda target: self.adapter.send_text(target, text), dump_result, load_result)

    def reply_file(
        self,
        file: Union[str, Path, bytes],
        name: Optional[str] = None,
        caption: Optional[str] = None,
        progress: Optional[Progress] = None,
    ) -> SendResult:
        """Answer with a picture, video or file: a path, or bytes with a *name*. caption: a text before it."""
        if not isinstance(file, (str, Path, bytes)):
            raise ConfigError(f"reply_file needs a path or bytes, not {type(file).__name__}.")
        source = file if isinstance(file, bytes) else Path(file)
        if isinstance(source, bytes) and not name:
            raise ConfigError("Bytes need a name.", remedy='Give reply_file(data, name="chart.png").')
        label = name or (source.name if isinstance(source, Path) else "")
        return self._active().step(
            "reply_file",
            lambda target: self.adapter.send_file(target, source, label, caption, progress),
            dump_result,
            load_result,
        )

    def reply_card(self, card: Any) -> SendResult:
        """Answer with a card; the answer to a click updates the clicked card within 5 s. iLink: Unsupported."""
        call = self._active()
        return call.step("reply_card", lambda target: self.adapter.send_card(target, card), dump_result, load_result)

    def stream(self, progressive: bool = True) -> AnswerStream:
        """Return an answer that grows while it is written; use it in a with-block.

        progressive: on personal WeChat, whole paragraphs are sent as they are complete; False sends all at the end.
        """
        return self._active().open_stream(progressive)

    def typing(self) -> ContextManager[None]:
        """Return a block during which the user sees that the bot is at work (the typing sign of personal WeChat)."""
        call = self._active()
        call.check()
        return self.adapter.typing(call.peek_target())

    # conversations

    def ask(self, text: str, *, timeout: float = ASK_TIMEOUT) -> Message:
        """Ask the user, and return the user's next message of this chat, which then reaches no other handler.

        Commands are handled meanwhile, and the question stays open. Raises NoAnswer after *timeout* seconds, Overloaded
        when max_conversations wait already (then nothing was asked). With a durable store the conversation outlives the
        process: the handler is run again, and what it asked and answered before returns at once. So it must do the same
        again between its questions.
        """
        answer: Message = self._active().ask(self, text, None, timeout)
        return answer

    def choose(
        self, text: str, options: Union[Mapping[str, str], Sequence[str]], *, timeout: float = ASK_TIMEOUT
    ) -> str:
        """Let the user choose one of *options* (key -> label), and return its key.

        WeCom shows a card of buttons (up to 6 options) or a vote (up to 20), which is updated to show what was chosen;
        personal WeChat a numbered list that takes the number, the key or the label. Raises as ``ask``.
        """
        key: str = self._active().ask(self, text, options, timeout)
        return key

    # being stopped

    @property
    def cancelled(self) -> bool:
        """Whether this handler is to stop; what it sends raises Cancelled then."""
        return self.call is not None and self.call.stop_reason is not None

    def cancel_running(self) -> bool:
        """Stop the other handlers of this user and chat; False when none runs or waits.

        Their ``reply``, ``ask``, ``stream.write`` and generators raise Cancelled at the next step.
        """
        return self._active().cancel_others()

    # inside: for the Bot, not for handlers

    @property
    def also(self) -> List[Received]:
        """Where the messages that were merged into it are in their inbox."""
        return [each.received for each in self._merged] if self._merged else []

    def begin(self, workshop: Workshop, handler: str, thread: int) -> None:
        """*handler* gets it now, on *thread*."""
        self._workshop, self.handler, self.thread = workshop, handler, thread

    def join(self, call: Call) -> Message:
        """It is part of the conversation *call*."""
        self.call = call
        return self

    def _active(self) -> Call:
        if self.call is not None:
            return self.call
        if self._workshop is None:
            raise ConfigError("This message is not being handled.", remedy="Use it in its handler.")
        return self._workshop.call_of(self)
