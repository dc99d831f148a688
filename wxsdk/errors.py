"""Every error that wxsdk raises.

One root, branched by what the caller should do about it::

    WxError
     ├── ConfigError (also ValueError)  a bad setting, argument or message content: change the call
     ├── TransportError                 the network or a broken answer: .kind, .may_have_been_sent
     │    ├── ConnectionLost            the connection went while, or before, the call was made
     │    └── AckTimeout                written, but no acknowledgement in time
     ├── ApiError                       the platform refused: .errcode, .errmsg, .remedy
     │    ├── TokenStale                iLink -14
     │    ├── SendRejected              iLink -2
     │    ├── RateLimited               45009, 45033
     │    ├── StreamExpired             846608, 846604
     │    ├── InvalidReqId              846605
     │    └── NotSubscribed             846609
     ├── AuthFailed                     the platform refused the credentials on every allowed try
     ├── ReconnectExhausted             every allowed reconnect failed
     ├── Kicked                         another program connected as the same bot
     ├── LimitExceeded                  refused before sending: .limit, .actual
     ├── MediaError
     │    ├── DecryptError
     │    ├── UploadFailed
     │    └── DownloadFailed
     ├── ReplyQueueFull                 too many answers wait behind one request id
     ├── LoginError                     the QR login cannot go on
     ├── AlreadyRunning                 another client on this machine owns the bot: .pid
     ├── Overloaded                     a message was dropped past max_queued_messages
     ├── NoAnswer                       no answer to a question of a conversation in time
     ├── Cancelled                      the handler was ended by message.cancel_running()
     ├── LeaseLost                      another process may own the bot or lane by now: .name
     ├── StoreError (also OSError)      the store could not read or write: .errno, .path
     └── Unsupported                    the platform cannot do it at all

Facts are in fields; the sentence is built from them and says what happened, whether the message may have gone out and
what to do.
"""

from __future__ import annotations

from typing import Any, ClassVar, Optional, Tuple, Type


class WxError(Exception):
    """Root of all errors of wxsdk.

    ``what`` says what happened, ``remedy`` what to do about it (both plain sentences, never holding a secret). Where
    the place that raises knows nothing better, the remedy is the class's ``usual_remedy``.
    ``parts``: of a send of several messages, the results of those that had gone out before this one failed, in order,
    so that only the rest need be sent again; () for everything else.
    ``shown``: of a streamed answer, a sentence that says what the chat shows of it all the same; else "".
    """

    parts: Tuple[Any, ...] = ()
    shown: str = ""
    usual_remedy: ClassVar[str] = ""

    def __init__(self, what: str, *, remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy or self.usual_remedy

    def __reduce__(self) -> Tuple[Any, ...]:
        # The standard one would call the class with the sentence alone, which most of them do not accept.
        return _restored, (type(self), self.args), self.__dict__

    def _facts(self) -> str:
        """A sentence built from the fields, between what happened and the remedy; empty by default."""
        return ""

    def __str__(self) -> str:
        before = f"{len(self.parts)} message(s) of the same call had gone out before it." if self.parts else ""
        return " ".join(part for part in (self.what, self.shown, self._facts(), before, self.remedy) if part)


def _restored(cls: Type[WxError], args: Tuple[Any, ...]) -> WxError:
    made = cls.__new__(cls, *args)
    made.args = args
    return made


class ConfigError(WxError, ValueError):
    """A setting, an argument or the content of a message is not usable. Nothing was sent."""

    usual_remedy = "Change what this names; nothing was sent."


class TransportError(WxError):
    """No usable answer: the network failed, or what came back was not what the protocol promises.

    kind: "dns", "tcp", "tls", "timeout", "http" or "unknown".
    may_have_been_sent: False only when it is certain that the request did not reach the server.
    client_id: the id of the message, where the call was a send; a retry that reuses it cannot double the message.
    status: the HTTP status, where there was one.
    """

    def __init__(
        self,
        what: str,
        *,
        kind: str = "unknown",
        may_have_been_sent: bool = False,
        client_id: Optional[str] = None,
        status: Optional[int] = None,
        remedy: str = "",
    ) -> None:
        super().__init__(what, remedy=remedy)
        self.kind = kind
        self.may_have_been_sent = may_have_been_sent
        self.client_id = client_id
        self.status = status

    def _facts(self) -> str:
        if self.may_have_been_sent:
            return "The rest may have been delivered." if self.shown else "It may have been delivered."
        if self.shown:
            return "The rest was not delivered."
        return "It was not delivered." if self.parts else "Nothing was delivered."


class ConnectionLost(TransportError):
    """The connection ended, or never became ready, while the call waited."""


class AckTimeout(TransportError):
    """The frame was written, but its acknowledgement did not come in time; it may have been delivered."""

    usual_remedy = "Send it again only where a doubled message does no harm."

    def __init__(self, what: str, *, kind: str = "timeout", may_have_been_sent: bool = True, remedy: str = "") -> None:
        super().__init__(what, kind=kind, may_have_been_sent=may_have_been_sent, remedy=remedy)


class ApiError(WxError):
    """The platform answered and refused.

    errcode, errmsg: as the platform sent them (secrets taken out of errmsg).
    endpoint: the iLink path, or None. cmd: the WeCom command, or None. req_id: of a WeCom frame, or None.
    client_id: the id of the message, where the call was a send.
    """

    def __init__(
        self,
        errcode: int,
        errmsg: str = "",
        *,
        endpoint: Optional[str] = None,
        cmd: Optional[str] = None,
        req_id: Optional[str] = None,
        client_id: Optional[str] = None,
        remedy: str = "",
    ) -> None:
        where = endpoint or cmd or "the platform"
        said = f" ({errmsg})" if errmsg else ""
        super().__init__(f"{where} refused with code {errcode}{said}.", remedy=remedy)
        self.errcode = errcode
        self.errmsg = errmsg
        self.endpoint = endpoint
        self.cmd = cmd
        self.req_id = req_id
        self.client_id = client_id


class TokenStale(ApiError):
    """iLink -14: the bot token is no longer valid, usually because the person bound the bot elsewhere."""


class SendRejected(ApiError):
    """iLink -2: the platform took the request and refuses to deliver it (quota, window, burst)."""


class RateLimited(ApiError):
    """WeCom 45009 or 45033: too many calls, or too many at once."""


class StreamExpired(ApiError):
    """WeCom 846608 or 846604: the stream, or the time to answer the message, is over."""


class InvalidReqId(ApiError):
    """WeCom 846605: the request id is unknown, or does not allow this kind of answer."""


class NotSubscribed(ApiError):
    """WeCom 846609: the connection is not, or no longer, subscribed."""


class AuthFailed(WxError):
    """The platform refused the credentials on every allowed try. attempts: how many; last: the last refusal."""

    usual_remedy = "Check the bot's id and secret, or its token, and start the client again."

    def __init__(self, what: str, *, attempts: int, last: Optional[WxError] = None, remedy: str = "") -> None:
        super().__init__(what, remedy=remedy)
        self.attempts = attempts
        self.last = last


class ReconnectExhausted(WxError):
    """Every allowed reconnect failed. attempts: how many; last: the last failure."""

    usual_remedy = "Check the network and the address; max_reconnect_attempts=-1 never gives up."

    def __init__(self, what: str, *, attempts: int, last: Optional[WxError] = None, remedy: str = "") -> None:
        super().__init__(what, remedy=remedy)
        self.attempts = attempts
        self.last = last


class Kicked(WxError):
    """Another program subscribed as the same bot; the platform keeps only the newest connection."""

    usual_remedy = "Stop the other program that uses this bot, then connect again."


class LimitExceeded(WxError):
    """Refused before anything was sent, since the platform would refuse it. limit and actual are of one unit."""

    usual_remedy = "Shorten it, split it, or wait; nothing was sent."

    def __init__(self, what: str, *, limit: float, actual: float, remedy: str = "") -> None:
        super().__init__(what, remedy=remedy)
        self.limit = limit
        self.actual = actual

    def _facts(self) -> str:
        return f"The limit is {self.limit}, this is {self.actual}."


class MediaError(WxError):
    """A file cannot be read, sent, fetched or decrypted."""

    usual_remedy = "Check the file."


class DecryptError(MediaError):
    """The bytes, or the key, are not what the protocol's encryption makes."""

    usual_remedy = "It is damaged, or the key belongs to something else: ask for it again, with its key."


class UploadFailed(MediaError):
    """The file did not reach the platform; no message about it was sent."""

    usual_remedy = "Send the file again."


class DownloadFailed(MediaError):
    """The file could not be fetched; nothing was left at the destination."""

    usual_remedy = "Try again soon: files are kept for a short time only."


class ReplyQueueFull(WxError):
    """Too many answers wait behind one request id; this one was not queued."""

    usual_remedy = "Wait for the answers before this one, or send fewer of them."


class LoginError(WxError):
    """The QR login cannot go on."""

    usual_remedy = "Start the login again."


class AlreadyRunning(WxError):
    """Another client on this machine already serves this bot. pid: its process, None when unknown."""

    usual_remedy = "Stop the other client of this bot, or send through it."

    def __init__(self, what: str, *, pid: Optional[int] = None, remedy: str = "") -> None:
        super().__init__(what, remedy=remedy)
        self.pid = pid


class Overloaded(WxError):
    """A message was dropped since more than max_queued_messages were waiting."""

    usual_remedy = "Make the handlers faster, or raise max_workers or max_queued_messages."


class NoAnswer(WxError):
    """The user did not answer ``message.ask`` or ``message.choose`` in time; the question is closed."""

    usual_remedy = "Ask again, or go on without the answer."


class Cancelled(WxError):
    """The handler was ended by ``message.cancel_running()``: what it goes on doing raises this."""

    usual_remedy = "Begin anew, if it is still wanted."

    is_silent = True  # its streams end without a notice


class StoreError(WxError, OSError):
    """The store could not read or write; nothing of the failed call has taken effect.

    errno: ENOSPC for a full disk, EBUSY when another process keeps the store locked, ENOENT when its file was deleted,
    moved or replaced while it was open, EIO else. path: its file.
    """

    usual_remedy = "Check the store's file and the room on its disk; the call can be made again."

    def __init__(self, what: str, *, number: int, path: str = "", remedy: str = "") -> None:
        super().__init__(what, remedy=remedy)
        self.errno = number
        self.strerror = what
        self.path = path


class LeaseLost(WxError):
    """The lease ran out or was taken over, so another process may act in its place; what needed it was not done.

    name: the lease's.
    """

    usual_remedy = "Another process has the bot now; this one tries again by itself."

    def __init__(self, what: str, *, name: str, remedy: str = "") -> None:
        super().__init__(what, remedy=remedy)
        self.name = name


class Unsupported(WxError):
    """The platform cannot do this at all, whatever the arguments."""

    usual_remedy = "Use what the platform offers in its place; no second try helps."
