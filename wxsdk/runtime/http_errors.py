"""What ``requests``, urllib3, ssl and socket raise, as TransportError; part of the door ``http``."""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import Any, Iterator, List, Tuple

import requests
import urllib3

from ..core.redact import scrub_exception
from ..errors import ConfigError, TransportError
from .http_connections import Call, Refused
from .sockets import Interrupted


@contextlib.contextmanager
def translated(call: Call) -> Iterator[None]:
    """Turn what requests, urllib3, ssl and socket raise into TransportError, the cause kept and cleaned of secrets."""
    try:
        yield
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as exc:
        scrub_exception(exc)
        kind, what = _explain(exc)
        raise TransportError(what, kind=kind, may_have_been_sent=call.sent) from exc


def was_refused(error: TransportError) -> bool:
    """Whether the guard of a door refused the address, which no other try will change."""
    return any(isinstance(cause, Refused) for cause in _causes(error))


def _explain(exc: BaseException) -> Tuple[str, str]:
    """The kind of a foreign exception, and a sentence without any text of it."""
    chain = list(_causes(exc))
    for types, kind, what in _KINDS:
        for cause in chain:
            if isinstance(cause, types):
                return kind, str(cause) if isinstance(cause, ConfigError) else what
    for cause in chain:
        if isinstance(cause, OSError) and not isinstance(cause, requests.RequestException):
            number = f" ({cause.strerror})" if cause.strerror else ""
            return "tcp", f"The connection failed or was cut{number}."
    if any(isinstance(cause, (urllib3.exceptions.HTTPError, requests.RequestException)) for cause in chain):
        return "http", f"The exchange failed: {type(chain[-1]).__name__}."
    return "unknown", f"The request failed: {type(exc).__name__}."


_KINDS: Tuple[Tuple[Tuple[type, ...], str, str], ...] = (
    ((Interrupted,), "unknown", "The request was ended by a stop."),
    ((ConfigError,), "unknown", "A setting is not usable."),
    ((Refused,), "http", "The download was redirected to a private address, which is refused."),
    ((socket.gaierror, urllib3.exceptions.LocationParseError), "dns", "The host name could not be resolved."),
    ((ssl.SSLError, ssl.CertificateError), "tls", "The TLS connection failed."),
    ((urllib3.exceptions.ProxyError, requests.exceptions.ProxyError), "tcp", "The proxy did not connect."),
    (
        (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema, requests.exceptions.InvalidSchema),
        "unknown",
        "The address is not a usable URL.",
    ),
    ((socket.timeout, requests.Timeout, urllib3.exceptions.TimeoutError), "timeout", "There was no answer in time."),
)


def _causes(exc: BaseException) -> Iterator[BaseException]:
    seen: List[int] = []
    todo: List[Any] = [exc]
    while todo:
        current = todo.pop(0)
        if isinstance(current, BaseException) and id(current) not in seen:
            seen.append(id(current))
            yield current
            todo += [current.__cause__, current.__context__, getattr(current, "reason", None), *current.args]
