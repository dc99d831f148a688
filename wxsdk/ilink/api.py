"""ILinkApi: one method per iLink endpoint (docs/protocol/ilink, 1). Retries nothing; its state is the token."""

from __future__ import annotations

import secrets
from typing import Any, Dict, List, Mapping, Optional, Sequence, Type, TypeVar, Union

from ..core.redact import Secret, hide
from ..core.settings import check_patience, server_url
from ..errors import ConfigError, TransportError
from ..log import get_logger
from ..runtime.http import HttpDoor, HttpReply
from . import endpoints
from .config import WeixinConfig, check_token, login_server
from .endpoints import Endpoint
from .errors import decode_answer, error_for
from .jsontext import dump_json
from .wire import (
    Answer,
    ConfigReply,
    QrCodeReply,
    QrStatusReply,
    SendReply,
    TypingStatus,
    UpdatesReply,
    UploadUrlReply,
    WeixinMessage,
    decode_updates,
)

log = get_logger(__name__)

# Fields of requests whose values no error text may repeat, though a server may echo them.
_SECRET_FIELDS = frozenset(
    ("context_token", "typing_ticket", "aeskey", "aes_key", "filekey", "encrypt_query_param", "local_token_list")
)

A = TypeVar("A", bound=Answer)


class ILinkApi:
    """The calls of the API. Any thread may make them; each blocks until its answer or its whole deadline.

    Every method raises TransportError when no usable answer came (HTTP errors, HTML and bad JSON too) and a typed
    ApiError for a non-zero ``ret`` or ``errcode``; no text of either shows a secret of the request.
    """

    def __init__(self, config: WeixinConfig) -> None:
        self._config = config
        self._account = config.base_url, Secret(config.token)  # replaced as one: no server gets another one's token
        # Doors of their own: a stop or a new token ends polls alone, and a typing sign that hangs costs no send.
        self._polls = HttpDoor(proxy=config.proxy)
        self._signs = HttpDoor(proxy=config.proxy)
        self._calls = HttpDoor(proxy=config.proxy)

    def __repr__(self) -> str:
        return f"<ILinkApi {self.base_url}>"

    @property
    def token(self) -> Secret:
        """The bot token in use."""
        return self._account[1]

    @property
    def base_url(self) -> str:
        """The server in use. Logins begin elsewhere: at login_base_url of the config."""
        return self._account[0]

    def set_token(self, token: str, *, base_url: Optional[str] = None) -> None:
        """Use *token*, and the server at *base_url* (None: as before), from the next request on.

        ConfigError when one of them is unusable; then nothing has changed.
        """
        checked = check_token(token)
        server = self.base_url if base_url is None else server_url("base_url", base_url)
        self._account = server, checked

    # the endpoints

    def get_updates(self, get_updates_buf: str = "", *, timeout: Optional[float] = None) -> UpdatesReply:
        """Wait for messages after the cursor *get_updates_buf*.

        timeout: whole deadline in seconds, which has to be longer than the server's hold.
        """
        timeout = check_patience("timeout", timeout)
        deadline = self._config.long_poll_timeout + self._config.poll_grace if timeout is None else timeout
        answer = self.poll(get_updates_buf, deadline)
        reply = decode_updates(decode_answer(answer.status, answer.body, endpoint=endpoints.GET_UPDATES.path))
        self._check(reply, endpoints.GET_UPDATES, (self.token,))
        return reply

    def poll(self, get_updates_buf: str, timeout: float) -> HttpReply:
        """One getupdates, its answer as it came; for the poll loop, which judges it by itself."""
        return self._post(endpoints.GET_UPDATES, endpoints.updates_body(get_updates_buf), timeout, door=self._polls)

    def send_message(
        self, msg: Union[WeixinMessage, Mapping[str, Any]], *, timeout: Optional[float] = None
    ) -> SendReply:
        """Send one message. Errors carry its client_id; a TransportError says whether it may have gone out.

        timeout: whole deadline in seconds, None for api_timeout.

        ConfigError, before anything is sent, for what is no message or cannot be written as JSON.
        """
        msg = _guarded(msg.to_dict() if isinstance(msg, WeixinMessage) else msg)
        if not isinstance(msg, dict):
            msg = {}  # no frame of the error shows what it was
            raise ConfigError("The msg is not a message.", remedy="Give a WeixinMessage or the dict of one.")
        wire = msg
        client_id = wire.get("client_id")
        body = endpoints.send_body(wire)
        patience = check_patience("timeout", timeout)
        return self._call(endpoints.SEND_MESSAGE, body, SendReply, client_id=client_id, empty_ok=True, timeout=patience)

    def get_upload_url(self, request: Mapping[str, Any], *, timeout: Optional[float] = None) -> UploadUrlReply:
        """Announce a file; *request* has the fields of docs/protocol/ilink, 5."""
        request = _guarded(request)
        patience = check_patience("timeout", timeout)
        return self._call(endpoints.GET_UPLOAD_URL, dict(request), UploadUrlReply, timeout=patience)

    def get_config(self, user_id: str, context_token: Optional[str] = None) -> ConfigReply:
        """What the platform says about a conversation, the typing ticket above all."""
        context_token = hide(context_token)
        body = endpoints.config_body(user_id, context_token)
        return self._call(endpoints.GET_CONFIG, body, ConfigReply, door=self._signs)

    def send_typing(self, user_id: str, typing_ticket: str, status: int = TypingStatus.TYPING) -> None:
        """Show (or with ``TypingStatus.CANCEL`` end) the typing sign."""
        typing_ticket = hide(typing_ticket)
        body = endpoints.typing_body(user_id, typing_ticket, status)
        self._call(endpoints.SEND_TYPING, body, Answer, door=self._signs)

    def notify_start(self, *, timeout: Optional[float] = None) -> None:
        """Tell the platform that the bot begins to poll. Ends like a poll when polls are interrupted."""
        patience = check_patience("timeout", timeout)
        self._call(endpoints.NOTIFY_START, {}, Answer, empty_ok=True, timeout=patience, door=self._polls)

    def notify_stop(self, *, timeout: Optional[float] = None) -> None:
        """Tell the platform that the bot ends."""
        self._call(endpoints.NOTIFY_STOP, {}, Answer, empty_ok=True, timeout=check_patience("timeout", timeout))

    def get_qr_code(self, bot_type: Optional[str] = None, local_tokens: Sequence[str] = ()) -> QrCodeReply:
        """Ask for a QR code to log in with. Carries no token of its own, and *local_tokens*, newest first."""
        local_tokens = hide(local_tokens)
        endpoint = endpoints.GET_QR_CODE
        url = endpoints.endpoint_url(login_server(self._config), endpoint, bot_type=bot_type or endpoints.BOT_TYPE)
        body = endpoints.qr_code_body(local_tokens)
        return self._login_call(endpoint, url, body, QrCodeReply, _secret_values(body))

    def get_qr_status(
        self,
        qrcode: str,
        verify_code: Optional[str] = None,
        *,
        base_url: Optional[str] = None,
        timeout: Optional[float] = None,
    ) -> QrStatusReply:
        """The state of a QR code; the server may hold the answer. *base_url*: where a redirect led to."""
        qrcode, verify_code = hide(qrcode), hide(verify_code)
        patience = check_patience("timeout", timeout)
        endpoint = endpoints.GET_QR_STATUS
        base = base_url or login_server(self._config)
        url = endpoints.endpoint_url(base, endpoint, qrcode=qrcode, verify_code=verify_code)
        return self._login_call(endpoint, url, None, QrStatusReply, (qrcode, verify_code or Secret("")), patience)

    # stopping

    def interrupt_polls(self) -> None:
        """End the polls in progress and refuse new ones until ``resume_polls``."""
        self._polls.interrupt()

    def resume_polls(self) -> None:
        """Allow polls again."""
        self._polls.resume()

    def interrupt_signs(self) -> None:
        """End the calls for typing signs in progress and refuse new ones until ``resume_signs``."""
        self._signs.interrupt()

    def resume_signs(self) -> None:
        """Allow typing signs again."""
        self._signs.resume()

    def interrupt_calls(self) -> None:
        """End every call but the polls and refuse new ones until ``resume_calls``."""
        self._calls.interrupt()
        self._signs.interrupt()

    def resume_calls(self) -> None:
        """Allow the other calls again."""
        self._calls.resume()
        self._signs.resume()

    def close(self) -> None:
        """Close the idle connections; later calls open new ones."""
        for door in (self._polls, self._signs, self._calls):
            door.close()

    # the exchange

    def _call(
        self,
        endpoint: Endpoint,
        body: Dict[str, Any],
        kind: Type[A],
        *,
        client_id: Optional[str] = None,
        empty_ok: bool = False,
        timeout: Optional[float] = None,
        door: Optional[HttpDoor] = None,
    ) -> A:
        hidden = [self.token, *_secret_values(body)]
        deadline = self._deadline(endpoint) if timeout is None else timeout
        answer = self._post(endpoint, body, deadline, door=door, client_id=client_id)
        reply = kind.from_dict(
            decode_answer(answer.status, answer.body, endpoint=endpoint.path, client_id=client_id, empty_ok=empty_ok)
        )
        self._check(reply, endpoint, hidden, client_id)
        return reply

    def _post(
        self,
        endpoint: Endpoint,
        body: Dict[str, Any],
        timeout: float,
        *,
        door: Optional[HttpDoor] = None,
        client_id: Optional[str] = None,
    ) -> HttpReply:
        full = {**body, "base_info": endpoints.base_info(self._config.channel_version, self._config.bot_agent)}
        base_url, token = self._account
        url = endpoints.endpoint_url(base_url, endpoint)
        door = door or self._calls
        return self._exchange(endpoint, url, full, timeout, door=door, token=token, client_id=client_id)

    def _login_call(
        self,
        endpoint: Endpoint,
        url: str,
        body: Optional[Dict[str, Any]],
        kind: Type[A],
        hidden: Sequence[str],
        timeout: Optional[float] = None,
    ) -> A:
        """A call of the login, which never carries the bot token."""
        deadline = self._deadline(endpoint) if timeout is None else timeout
        answer = self._exchange(endpoint, url, body, deadline, door=self._calls)
        reply = kind.from_dict(decode_answer(answer.status, answer.body, endpoint=endpoint.path))
        self._check(reply, endpoint, hidden)
        return reply

    def _exchange(
        self,
        endpoint: Endpoint,
        url: str,
        body: Optional[Dict[str, Any]],
        timeout: float,
        *,
        door: HttpDoor,
        token: Optional[str] = None,
        client_id: Optional[str] = None,
    ) -> HttpReply:
        def make_headers() -> Dict[str, str]:
            return endpoints.request_headers(
                channel_version=self._config.channel_version,
                route_tag=self._config.route_tag,
                post=endpoint.method == "POST",
                token=token,
                uint32=secrets.randbits(32),
            )

        content = None if body is None else dump_json(body)
        try:
            answer = door.request(
                endpoint.method,
                url,
                headers=make_headers(),
                body=content,
                timeout=timeout,
                # Whether a message goes out again is decided in ``sending``.
                repeat_with=None if endpoint is endpoints.SEND_MESSAGE else make_headers,
            )
        except TransportError as error:
            log.debug("%s: no answer (%s)", endpoint.path, error.kind)
            error.client_id = client_id
            raise
        log.debug("%s: HTTP %d, %d bytes", endpoint.path, answer.status, len(answer.body))
        return answer

    def _deadline(self, endpoint: Endpoint) -> float:
        return float(getattr(self._config, endpoint.setting))

    @staticmethod
    def _check(reply: Answer, endpoint: Endpoint, hidden: Sequence[str], client_id: Optional[str] = None) -> None:
        error = error_for(reply, endpoint=endpoint.path, client_id=client_id, secrets=hidden)
        if error is not None:
            raise error


def _guarded(value: Any, name: str = "") -> Any:
    """Return a copy of a request in which every secret is a Secret."""
    if isinstance(value, str):
        return Secret(value) if name in _SECRET_FIELDS else value
    if isinstance(value, Mapping):
        return {key: _guarded(part, key) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_guarded(part, name) for part in value]
    return value


def _secret_values(value: Any, name: str = "") -> List[str]:
    """The texts in a request that must not come back in an error's text."""
    if isinstance(value, str):
        return [Secret(value)] if name in _SECRET_FIELDS or isinstance(value, Secret) else []
    if isinstance(value, dict):
        return [found for key, part in value.items() for found in _secret_values(part, key)]
    if isinstance(value, (list, tuple)):
        return [found for part in value for found in _secret_values(part, name)]
    return []
