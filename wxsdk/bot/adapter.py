"""What a Bot asks of a platform. One adapter stands between the Bot and one client.

A further platform plugs in with a subclass of ``Adapter`` and a row in ``adapters.ADAPTERS`` (the name of its config
class, and the module and class of its adapter): ``bot.add(config)`` makes the adapter, and everything else goes through
the methods below. Its client needs

* ``set_receiver(receiver)``: what it receives goes to ``receiver.received([Received, …])`` (``runtime/receiver``) on
  the thread that receives; each ``Received`` has the key of its inbox row, the origin (the platform's own object,
  which users see as ``message.raw``), the store of the inbox, and ``finish(changes, also)``, which marks it as handled
  and writes *changes* in one write;
* ``start``, ``stop`` and ``health`` as the adapter calls them.

Where the platform cannot do a thing, its method raises Unsupported before anything is sent.
"""

from __future__ import annotations

import abc
import contextlib
from datetime import datetime
from pathlib import Path
from typing import Any, Callable, ContextManager, List, NamedTuple, Optional, Tuple, Union

from ..aibot.stream_rules import StreamOutcome
from ..errors import ConfigError, Unsupported
from ..health import Health
from ..ilink.frames_out import SendResult
from ..runtime.receiver import Receiver
from .facts import Facts

Progress = Callable[[int, int], Any]
OnFailure = Callable[[BaseException], None]


class FileInfo(NamedTuple):
    """A file that came with a message. token: the platform's own description, from which ``save`` and ``read`` work."""

    kind: str
    name: Optional[str]
    size: Optional[int]
    token: Any


class QuoteInfo(NamedTuple):
    """What a message quotes."""

    text: str
    files: List[FileInfo]
    message_id: Optional[str]


class Target(NamedTuple):
    """Where an answer goes: the message to answer, and a name for this send that is the same when it is repeated.

    may_repeat: the same send may have gone out before the process died, so its result must not claim to be confirmed.
    """

    origin: Any
    facts: Facts
    send_id: str = ""
    may_repeat: bool = False


class AnswerStream(abc.ABC):
    """An answer that grows while it is written; made by ``message.stream()``. Any thread may use it.

    Leaving the with-block finishes it; when the block raises, it ends with what was written and a notice. Every method
    raises Cancelled once the handler was cancelled. is_animated: something turns on the user's screen until it ends.
    """

    is_animated = False

    @abc.abstractmethod
    def write(self, delta: str) -> None:
        """Append *delta*."""

    @abc.abstractmethod
    def replace(self, text: str) -> None:
        """Make *text* the whole answer; what was sent for good stays (personal WeChat shows paragraphs at once)."""

    @abc.abstractmethod
    def thinking(self) -> None:
        """Show that an answer is being made: the animation, or the typing sign."""

    @abc.abstractmethod
    def finish(self, text: Optional[str] = None) -> StreamOutcome:
        """End the answer (*text* replaces it), wait for its fate, and return it; twice is once."""

    @property
    @abc.abstractmethod
    def outcome(self) -> Optional[StreamOutcome]:
        """What became of the answer; None as long as it is not finished."""

    @property
    @abc.abstractmethod
    def is_blank(self) -> bool:
        """Whether nothing was written yet."""

    @abc.abstractmethod
    def break_off(self, notice: str) -> None:
        """End it with what was written and *notice* ("" for none); never raises."""

    def __enter__(self) -> AnswerStream:
        return self

    def __exit__(self, kind: Optional[type], error: Optional[BaseException], trace: object) -> None:
        if kind is None:
            self.finish()
        else:
            self.break_off("" if getattr(error, "is_silent", False) else BROKEN)


BROKEN = "（回复中断了，请再试一次。）"  # what the clients' own streams say (aibot/stream_notices)


class Adapter(abc.ABC):
    """One client as the Bot sees it. name: ``message.bot``. Every method may be called from any thread.

    streams: whether a stream is opened for a generator before its first text, to show that an answer is being made.
    """

    platform: str
    name: str
    client: Any  # narrowed by each adapter
    streams = True

    # life

    @abc.abstractmethod
    def attach(self, receiver: Receiver, on_failure: OnFailure) -> None:
        """Give what is received to *receiver*, and what fails outside of handlers to *on_failure*. Before ``start``."""

    @abc.abstractmethod
    def start(self) -> None:
        """Start the client; returns when its threads run."""

    @abc.abstractmethod
    def stop(self, timeout: float) -> bool:
        """Stop the client; True when all its threads ended within *timeout* seconds."""

    @abc.abstractmethod
    def ended(self) -> Tuple[bool, Optional[BaseException]]:
        """Return whether the client has ended, and why when it did so by itself."""

    @abc.abstractmethod
    def health(self) -> Health:
        """Return how the client is."""

    # reading

    @abc.abstractmethod
    def facts(self, origin: Any) -> Facts:
        """What *origin* says; on the thread that receives, so it must be quick and may not raise for odd content."""

    @abc.abstractmethod
    def created_at(self, origin: Any) -> Optional[datetime]:
        """When the message was written (aware, UTC)."""

    @abc.abstractmethod
    def files(self, origin: Any) -> List[FileInfo]:
        """Return the files of the message."""

    @abc.abstractmethod
    def quote(self, origin: Any) -> Optional[QuoteInfo]:
        """Return what the message quotes."""

    @abc.abstractmethod
    def save(self, origin: Any, file: FileInfo, dest: Path, progress: Optional[Progress]) -> Path:
        """Fetch *file* into the folder or file *dest*; its path."""

    @abc.abstractmethod
    def read(self, origin: Any, file: FileInfo) -> bytes:
        """Fetch *file*."""

    @abc.abstractmethod
    def dump(self, origin: Any) -> str:
        """*origin* as text that ``load`` makes an equal one from, in another process too."""

    @abc.abstractmethod
    def load(self, text: str) -> Any:
        """Return the origin that ``dump`` wrote."""

    # answering

    @abc.abstractmethod
    def send_text(self, target: Target, text: str) -> SendResult:
        """Answer with *text*."""

    @abc.abstractmethod
    def send_file(
        self, target: Target, file: Union[Path, bytes], name: str, caption: Optional[str], progress: Optional[Progress]
    ) -> SendResult:
        """Answer with a picture or file."""

    def send_card(self, target: Target, card: Any) -> SendResult:
        """Answer with a card."""
        raise Unsupported("This platform shows no cards.", remedy="Ask with message.choose(), or answer with a text.")

    @abc.abstractmethod
    def open_stream(self, target: Target, progressive: bool) -> AnswerStream:
        """Return a streamed answer."""

    def typing(self, target: Target) -> ContextManager[None]:
        """Return a block during which the user sees that the bot is at work."""
        return contextlib.nullcontext()

    # choices

    def send_choice(self, target: Target, question: Any) -> bool:
        """Ask *question* (``choice_rules.Question``) by a card; False when the platform has none, so it is a list."""
        return False

    def show_chosen(self, target: Target, question: Any, key: str) -> None:  # noqa: B027  without cards, there is none
        """Update the card of *question* to show what was chosen. *target*: the click."""

    # conversations

    def hold(self, answer: Any, asked: Any) -> None:  # noqa: B027  only where an answer belongs to one message
        """The origin *answer* answers a question that the handler of *asked* put, and the handler goes on with it.

        Called before *answer* is finished; what the handler says next may be the answer to it.
        """

    def let_go(self, origin: Any) -> None:  # noqa: B027
        """The handler says nothing more in answer to *origin*: it waits for the next message, or has ended."""

    # pushing

    @abc.abstractmethod
    def push(self, chat_id: str, thing: Any) -> Any:
        """Send a str, a Path or a card to a chat, through the outbox where the client has one that is on."""


def not_sendable(thing: Any, what: str) -> ConfigError:
    """Return the error for a *thing* that no platform can send."""
    return ConfigError(
        f"{what} gave {type(thing).__name__}, which cannot be sent.",
        remedy="Give a str, a Path, a TemplateCard, an iterator of str, or a list of these.",
    )
