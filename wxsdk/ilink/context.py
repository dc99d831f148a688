"""MessageContext: one message as a handler gets it, with everything needed to answer it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, ContextManager, List, Optional, Union

from ..runtime.files import FileLike
from .frames_out import SendResult
from .inbound import Inbound
from .media import MediaInfo, list_media
from .outbound_run import OutboundRun
from .quotes import RefMessageInfo
from .wire import WeixinMessage

if TYPE_CHECKING:
    from .cdn import MediaDoor
    from .sending import Sender
    from .typing_indicator import TypingSigns

Progress = Callable[[int, int], None]
"""progress(done_bytes, total_bytes): counts bytes of the plain file, never goes back and ends at its size."""


_READ = (
    *("message_id", "to_user_id", "create_time_ms", "session_id", "context_token"),
    *("body", "text", "media", "ref_message", "message"),
)


class MessageContext:
    """A message of a user.

    body: the text or transcript, None when it has neither; a quoted text stands before it. text: the same without what
    it quotes, "" for none. media: its file, else that of the quoted message. own_media: every file of its own.
    ref_message: what it quotes. message: all of it, as it came. redelivered: an earlier run may have begun to handle
    it. Replies carry the user's newest context token. Every method may be called from any thread, also after on_message
    has returned.
    """

    message_id: str
    to_user_id: str
    create_time_ms: int
    session_id: str
    context_token: Optional[str]
    body: Optional[str]
    text: str
    media: Optional[MediaInfo]
    ref_message: Optional[RefMessageInfo]
    message: WeixinMessage

    def __init__(
        self,
        from_user_id: str,
        read: Callable[[], Inbound],
        *,
        redelivered: bool,
        sender: Sender,
        media_door: MediaDoor,
        typing_signs: TypingSigns,
    ) -> None:
        self.from_user_id = from_user_id
        self.redelivered = redelivered
        self._read = read
        self._sender = sender
        self._media_door = media_door
        self._typing_signs = typing_signs

    def __getattr__(self, name: str) -> Any:
        # Called for what is not there yet: the message is decoded when the handler first looks at it.
        if name not in _READ:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        inbound = self._read()
        for each in _READ:
            self.__dict__.setdefault(each, getattr(inbound, each))
        return self.__dict__[name]

    def __repr__(self) -> str:
        kind = self.media.kind if self.media else "text" if self.body else "other"
        again = ", redelivered" if self.redelivered else ""
        return f"<MessageContext {self.message_id} from {self.from_user_id}: {kind}{again}>"

    @property
    def own_media(self) -> List[MediaInfo]:
        """Every file of the message itself, in its order; those of what it quotes are not among them."""
        return list_media(self.message.item_list or [])

    def reply_text(
        self, text: str, *, client_id: Optional[str] = None, timeout: Optional[float] = None, quote: bool = False
    ) -> SendResult:
        """Send *text* to the user; see ``WeixinClient.send_text``. quote: as its reply_to, this message."""
        return self._sender.send_text(
            self.from_user_id,
            text,
            client_id=client_id,
            timeout=timeout,
            reply_to=self.message_id if quote else None,
        )

    def reply_media(
        self,
        path: FileLike,
        *,
        filename: Optional[str] = None,
        kind: Optional[str] = None,
        caption: Optional[str] = None,
        progress: Optional[Progress] = None,
        client_id: Optional[str] = None,
        timeout: Optional[float] = None,
    ) -> SendResult:
        """Send a file to the user; see ``WeixinClient.send_media``."""
        return self._sender.send_media(
            self.from_user_id,
            path,
            filename=filename,
            kind=kind,
            caption=caption,
            progress=progress,
            client_id=client_id,
            timeout=timeout,
        )

    def download_media(self, media: MediaInfo, dest: Union[str, Path], *, progress: Optional[Progress] = None) -> Path:
        """Fetch and decrypt *media*; the file's path comes back.

        dest: a file (written over if it exists), or an existing folder, in which the file gets the name from the
        message, made harmless and unique. Memory use is constant. On failure nothing is left at the destination.
        Raises DownloadFailed, DecryptError (wrong key), LimitExceeded (beyond max_download_bytes) or ConfigError.
        """
        return self._media_door.download(media, dest, progress=progress)

    def send_typing(self) -> None:
        """Show the typing sign for about 5 s. Raises TransportError or ApiError."""
        self._typing_signs.show(self.from_user_id)

    def cancel_typing(self) -> None:
        """End the typing sign. Raises TransportError or ApiError."""
        self._typing_signs.cancel(self.from_user_id)

    def typing(self) -> ContextManager[None]:
        """A block during which the typing sign shows. It never raises by itself and always ends the sign."""
        return self._typing_signs.block(self.from_user_id)

    def run(self) -> OutboundRun:
        """A run of messages that belong together, tool calls included, to the user."""
        return OutboundRun(self._sender, self.from_user_id)
