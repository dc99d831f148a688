"""Turns what ``requests``, urllib3, ssl and socket raise into TransportError; part of the door ``http``."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import sys
from typing import Any, Iterator, List, NamedTuple, Optional, Tuple

import requests
import urllib3

from ..core.redact import scrub_exception
from ..errors import ConfigError, MediaError, TransportError
from ..log import get_logger
from .files import CallbackRaised
from .http_connections import Call, ConnectFailed, Refused
from .proxy import TunnelRefused
from .sockets import Interrupted
from .tls_errors import NETWORK_REMEDY, explain_tls

log = get_logger(__name__)

ANSWER_REMEDY = "Check whether the address leads to the platform, and any proxy in between."
DEFECT_REMEDY = "Report it with the log's traceback: it is a defect of wxsdk or of a library under it."

_EXPECTED = (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError)


class Explanation(NamedTuple):
    """What a foreign exception means: kind, sentence and remedy of a TransportError."""

    kind: str
    what: str
    remedy: str


@contextlib.contextmanager
def translated(call: Call) -> Iterator[None]:
    """Turn whatever is raised within into TransportError, with the cause kept and cleaned of secrets.

    What a library raises beyond its own errors is logged with its traceback, and ends no loop either. What the body of
    a request raises, a user's progress callback included, passes.
    """
    outside = sys.exc_info()[1]  # what the caller handles, and Python appends to what is raised here
    try:
        yield
    except (TransportError, MediaError, CallbackRaised):
        raise
    except Exception as exc:
        if not isinstance(exc, _EXPECTED):
            log.error("an exchange failed in an unexpected way", exc_info=True)
        chain = list(_causes(exc, outside))
        for cause in chain:
            if isinstance(cause, http.client.BadStatusLine):
                cause.line = ""  # type: ignore[attr-defined]
                cause.args = ()  # what the server sent, which may be an echo of anything
        scrub_exception(exc, outside=outside)
        kind, what, remedy = _explain(chain)
        raise TransportError(what, kind=kind, may_have_been_sent=call.sent, remedy=remedy) from exc


def was_refused(error: TransportError) -> bool:
    """Whether the guard of a door refused the address, which no other try will change."""
    return any(isinstance(cause, Refused) for cause in _causes(error))


def _explain(chain: List[BaseException]) -> Explanation:
    """Explain a foreign exception, given with those behind it, without any text of them."""
    for cause in chain:  # first, since requests makes an unusable address of it
        if isinstance(cause, ConfigError):
            return Explanation("unknown", cause.what, cause.remedy)
    for types, explanation in _KINDS:
        if any(isinstance(cause, types) for cause in chain):
            return explanation
    for cause in chain:
        if isinstance(cause, ssl.SSLError):
            return Explanation(*explain_tls(cause))
        if isinstance(cause, TunnelRefused):
            what = f"The proxy refused the connection to the host with HTTP status {cause.status}."
            return Explanation("http", what, cause.remedy)
    if any(isinstance(cause, _TIMEOUTS) for cause in chain):
        return Explanation("timeout", "There was no answer in time.", NETWORK_REMEDY)
    for cause in chain:
        if isinstance(cause, OSError) and not isinstance(cause, requests.RequestException):
            return _cut(cause, chain)
    if any(isinstance(cause, ConnectFailed) and cause.through_proxy for cause in chain):
        return Explanation("http", "The proxy answered with something that is not HTTP.", _PROXY_REMEDY)
    if any(isinstance(cause, http.client.IncompleteRead) for cause in chain):
        return Explanation("http", "The answer was cut before its end.", NETWORK_REMEDY)
    if any(isinstance(cause, _EXPECTED) for cause in chain):
        return Explanation("http", f"The answer is not proper HTTP ({type(chain[-1]).__name__}).", ANSWER_REMEDY)
    return Explanation(
        "unknown", f"The request failed in an unexpected way ({type(chain[0]).__name__}).", DEFECT_REMEDY
    )


_PROXY_REMEDY = "Check the proxy's address, and that it serves CONNECT requests."
_TIMEOUTS = (socket.timeout, requests.Timeout, urllib3.exceptions.TimeoutError)

_KINDS: Tuple[Tuple[Tuple[type, ...], Explanation], ...] = (
    (
        (Interrupted,),
        Explanation("unknown", "The request was ended by a stop of the client.", "Start the client, then try again."),
    ),
    (
        (Refused,),
        Explanation(
            "http",
            "The download was redirected to a private address, which is refused.",
            "If the host is to be trusted, name it in trusted_media_hosts.",
        ),
    ),
    (
        (socket.gaierror, urllib3.exceptions.LocationParseError),
        Explanation(
            "dns", "The host name could not be resolved.", "Check the host in the address, and this machine's DNS."
        ),
    ),
    (
        (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema, requests.exceptions.InvalidSchema),
        Explanation("unknown", "The address is not a usable URL.", "Check base_url, or where the address came from."),
    ),
)


def _cut(cause: OSError, chain: List[BaseException]) -> Explanation:
    """Explain a connection that was not made, or was cut."""
    reason = f" ({cause.strerror})" if cause.strerror else ""
    for failed in chain:
        if isinstance(failed, ConnectFailed):
            if failed.through_proxy:
                return Explanation("tcp", f"The proxy did not connect{reason}.", _PROXY_REMEDY)
            return Explanation("tcp", f"No connection could be made{reason}.", NETWORK_REMEDY)
    return Explanation("tcp", f"The connection was cut{reason}.", NETWORK_REMEDY)


def _causes(exc: BaseException, outside: Optional[BaseException] = None) -> Iterator[BaseException]:
    """Yield *exc* and every exception behind it but *outside*, which was there before."""
    seen: List[int] = [id(outside)]
    todo: List[Any] = [exc]
    while todo:
        current = todo.pop(0)
        if isinstance(current, BaseException) and id(current) not in seen:
            seen.append(id(current))
            yield current
            todo += [current.__cause__, current.__context__, getattr(current, "reason", None), *current.args]
