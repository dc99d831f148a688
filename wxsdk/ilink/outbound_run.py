"""OutboundRun: messages and tool calls that belong together, under one run_id."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Optional

from ..errors import ConfigError
from ..runtime.files import FileLike, ProgressCallback
from .frames_out import SendResult, check_context_token, check_recipient
from .jsontext import check_whole_characters

if TYPE_CHECKING:
    from .sending import Sender


class OutboundRun:
    """What a bot sends to one user in the course of one task. Each call raises as ``WeixinClient.send_text`` does."""

    def __init__(
        self, sender: Sender, to: str, context_token: Optional[str] = None, run_id: Optional[str] = None
    ) -> None:
        if run_id is not None and (not isinstance(run_id, str) or not run_id.strip()):
            raise ConfigError("The run_id is not a text.", remedy="Leave it out to get a new one.")
        if run_id is not None:
            check_whole_characters(run_id, "run_id")
        self._sender = sender
        self._to = check_recipient(to)
        self._context_token = check_context_token(context_token)
        self.run_id = run_id or str(uuid.uuid4())  # of the form that the official client draws

    def __repr__(self) -> str:
        return f"<OutboundRun {self.run_id} to {self._to}>"

    def send_text(self, text: str) -> SendResult:
        """Send *text* as a part of the run."""
        return self._sender.send_text(self._to, text, self._context_token, run_id=self.run_id)

    def send_media(
        self,
        path: FileLike,
        *,
        filename: Optional[str] = None,
        kind: Optional[str] = None,
        caption: Optional[str] = None,
        progress: Optional[ProgressCallback] = None,
    ) -> SendResult:
        """Send a file as a part of the run; see ``WeixinClient.send_media``."""
        return self._sender.send_media(
            self._to,
            path,
            self._context_token,
            filename=filename,
            kind=kind,
            caption=caption,
            progress=progress,
            run_id=self.run_id,
        )

    def tool_call_start(self, name: str, call_id: Optional[str] = None) -> SendResult:
        """Show that the tool *name* is being called. call_id: tells several calls of one tool apart."""
        return self._sender.tool_call_start(self._to, name, call_id, self._context_token, self.run_id)

    def tool_call_result(self, name: str, call_id: Optional[str] = None, status: str = "completed") -> SendResult:
        """Show that the call is over. status: "completed", "failed", "blocked" or "unknown"."""
        return self._sender.tool_call_result(self._to, name, call_id, status, self._context_token, self.run_id)
