"""The door to ``requests``: whole deadlines, interruption, capped bodies, and errors of ours.

No name of ``requests`` or ``urllib3`` leaves this module. A door keeps its connections alive between calls, may be used
by any number of threads, and starts none but for looking up host names.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple, Union
from urllib.parse import urljoin, urlsplit

import certifi
import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies, select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from .. import __version__
from ..errors import ConfigError, TransportError
from ..redact import scrub_exception
from . import sockets
from .httplog import own_exchange
from .sockets import Interrupted, Interrupter

MAX_ANSWER_BYTES = 64 * 1024 * 1024  # of an answer held in memory; far above any batch the platforms send
POOL_SIZE = 32  # connections kept for reuse; more callers than this at once open and close their own
BLOCK_SIZE = 256 * 1024  # bytes a read or write; larger ones gain nothing measurable
CONNECT_LIMIT = 60.0  # seconds to connect, for calls that have no limit of their own
MAX_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)

Body = Union[None, bytes, "SizedBlocks"]
CallArgument = Optional["_Call"]


class SizedBlocks:
    """A request body of known length, made block by block. Iterating again starts anew."""

    def __init__(self, size: int, make_blocks: Any) -> None:
        self._size = size
        self._make_blocks = make_blocks

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return iter(self._make_blocks())


@dataclass(frozen=True)
class HttpReply:
    """A whole answer. *headers* has lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass
class _Call:
    """What the connection must know of the call that uses it; kept in a thread-local."""

    deadline: Optional[float]
    idle: Optional[float]
    guard: Optional[frozenset[str]] = None  # hosts that may be private; None: any host may
    sent: bool = False


class HttpStream:
    """An answer whose body is still to be read; a context manager."""

    def __init__(self, response: Any, call: _Call) -> None:
        self._response = response
        self._call = call
        self.status: int = response.status_code
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}

    def __enter__(self) -> HttpStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def length(self) -> Optional[int]:
        """Bytes of the body as announced, None when not."""
        text = self.headers.get("content-length", "")
        return int(text) if text.isdecimal() and "content-encoding" not in self.headers else None

    def blocks(self) -> Iterator[bytes]:
        """The body in blocks; raises TransportError when it ends early, stalls or outlives the deadline."""
        with _translated(self._call):
            received = 0
            encoded = "content-encoding" in self.headers  # decoding copies every byte twice, so only where it is needed
            while True:
                block = self._response.raw.read(BLOCK_SIZE, decode_content=encoded)
                if not block:
                    break
                received += len(block)
                yield block
            if self.length is not None and received < self.length:
                raise TransportError(
                    f"The body ended after {received} of {self.length} bytes.", kind="http", may_have_been_sent=True
                )

    def read_all(self, limit: int = MAX_ANSWER_BYTES) -> bytes:
        """The whole body; TransportError when it is longer than *limit* bytes."""
        parts: List[bytes] = []
        size = 0
        for block in self.blocks():
            size += len(block)
            if size > limit:
                raise TransportError(
                    f"The answer is longer than {limit} bytes.",
                    kind="http",
                    may_have_been_sent=True,
                    status=self.status,
                )
            parts.append(block)
        return b"".join(parts)

    def close(self) -> None:
        self._response.close()


class HttpDoor:
    """Requests over kept-alive connections.

    proxy: a URL, "" for none whatever the environment says, None for what the environment says.
    ciphers: OpenSSL cipher strings by host, for hosts that the default ones cannot reach.
    """

    def __init__(self, *, proxy: Optional[str] = None, ciphers: Optional[Mapping[str, str]] = None) -> None:
        self._interrupter = Interrupter()
        self._calls = threading.local()
        self._proxy = proxy
        # Read once per host: looking through the environment costs more than all the rest that is done for a request.
        self._proxies_of: Dict[Tuple[str, str], Dict[str, str]] = {}
        self._session = _Session()
        self._session.cookies.set_policy(_NO_COOKIES)
        self._session.headers.clear()
        self._session.mount("https://", _Adapter(self))
        self._session.mount("http://", _Adapter(self))
        for host, cipher_string in (ciphers or {}).items():
            self._session.mount(f"https://{host}/", _Adapter(self, cipher_string))

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Optional[Mapping[str, str]] = None,
        body: Body = None,
        timeout: float,
        limit: int = MAX_ANSWER_BYTES,
    ) -> HttpReply:
        """One exchange within *timeout* seconds in all, whatever the HTTP status. Redirects are not followed.

        Raises TransportError.
        """
        with self.open(method, url, headers=headers, body=body, timeout=timeout) as stream:
            return HttpReply(stream.status, stream.headers, stream.read_all(limit))

    def open(
        self,
        method: str,
        url: str,
        *,
        headers: Optional[Mapping[str, str]] = None,
        body: Body = None,
        timeout: Optional[float],
        idle: Optional[float] = None,
        guard: Optional[frozenset[str]] = None,
    ) -> HttpStream:
        """Send a request and return when the headers are there.

        timeout: seconds for everything, the body included; None for no limit in all. idle: seconds that one read or
        write may take. guard: refuse to talk to private addresses but those of the hosts in it. Raises TransportError.
        """
        call = _Call(None if timeout is None else time.monotonic() + timeout, idle, guard)
        with _translated(call), own_exchange():
            self._interrupter.check()
            self._calls.current = call
            proxies = self._proxies(url)
            if proxies["http"] and not _is_allowed_by_name(urlsplit(url).hostname or "", guard):
                raise _Refused("The download was redirected to a private address.")
            response = self._session.request(
                method,
                url,
                headers={"User-Agent": f"wxsdk/{__version__}", **(headers or {})},
                data=body,
                auth=_keep_headers,
                timeout=idle or timeout,
                stream=True,
                allow_redirects=False,
                proxies=proxies,
            )
        return HttpStream(response, call)

    def fetch(
        self, url: str, *, timeout: Optional[float], idle: Optional[float], trusted_hosts: Iterable[str]
    ) -> HttpStream:
        """GET *url*, following redirects to public addresses and *trusted_hosts* only. Raises TransportError.

        *url* itself is fetched wherever it points: the platform gave it.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        guard: Optional[frozenset[str]] = None
        for _ in range(MAX_REDIRECTS + 1):
            left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
            stream = self.open("GET", url, timeout=left, idle=idle, guard=guard)
            target = stream.headers.get("location")
            if stream.status not in REDIRECTS or not target:
                return stream
            stream.close()
            url = _redirected(url, target)
            guard = frozenset(host.lower() for host in trusted_hosts)
        raise TransportError(f"The download was redirected more than {MAX_REDIRECTS} times.", kind="http")

    def interrupt(self) -> None:
        """End every request under way, in about a millisecond, and refuse new ones until ``resume``."""
        self._interrupter.interrupt()

    def resume(self) -> None:
        self._interrupter.resume()

    def close(self) -> None:
        """Close the idle connections; those in use close when their call ends."""
        self._session.close()

    def _proxies(self, url: str) -> Dict[str, str]:
        parts = urlsplit(url)
        origin = parts.scheme, parts.netloc
        found = self._proxies_of.get(origin)
        if found is None:
            proxy = (environment_proxy(url) if self._proxy is None else self._proxy) or ""
            if proxy:
                split_proxy(proxy)
                proxy = proxy if "//" in proxy else f"http://{proxy}"
            found = self._proxies_of[origin] = {"http": proxy, "https": proxy}
        return found

    def _current(self) -> _Call:
        return self._calls.current  # type: ignore[no-any-return]


def _redirected(url: str, target: str) -> str:
    try:
        new = urljoin(url, target)
        if urlsplit(new).scheme in ("http", "https") and urlsplit(new).hostname:
            return new
    except ValueError:  # what stands there is no address
        pass
    raise TransportError("The download was redirected to something that is not HTTP.", kind="http")


def environment_proxy(url: str) -> Optional[str]:
    """The proxy that HTTP(S)_PROXY, ALL_PROXY and NO_PROXY name for *url*, None for none."""
    return select_proxy(url, get_environ_proxies(url))


def split_proxy(proxy: str) -> Tuple[str, int, Optional[str]]:
    """Host, port and user:password (or None) of an http proxy's URL; ConfigError for any other kind.

    A SOCKS proxy is refused, not passed by: whoever set it does not want direct connections.
    """
    parts = urlsplit(proxy if "//" in proxy else f"//{proxy}", scheme="http")
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme != "http" or not parts.hostname or port == -1:
        raise ConfigError("The proxy is not usable.", remedy="Give it as http://host:port.")
    login = None if parts.username is None else f"{parts.username}:{parts.password or ''}"
    return parts.hostname, port or 8080, login  # 8080: what requests and curl assume for a proxy


def _keep_headers(request: Any) -> Any:
    """An "auth" that does nothing: without one, requests makes credentials of a user:password in the URL."""
    return request


class _Session(requests.Session):
    """A session that leaves the environment to its door, and looks at no Location.

    The environment would bring credentials of ~/.netrc, which would take the place of the bot's own. And even without
    following a redirect, requests would read that answer's whole body.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False

    def get_redirect_target(self, resp: Any) -> None:
        return None


class _NoCookies:
    """A cookie policy that keeps and sends none: the protocols use none, and the jar is shared by all threads."""

    netscape = True
    rfc2965 = hide_cookie2 = False

    def set_ok(self, *_: object) -> bool:
        return False

    return_ok = domain_return_ok = path_return_ok = set_ok


_NO_COOKIES: Any = _NoCookies()


class _Watched:
    """Mixed into urllib3's connections: interruption, the deadline of the current call, and the guard."""

    door: HttpDoor  # set on the subclass that each door makes for itself
    sock: Any
    host: str
    port: int
    proxy: Any

    _watch: Optional[int] = None
    _connecting = False

    def _new_conn(self) -> socket.socket:
        call = self.door._current()
        deadline = call.deadline
        if deadline is None:
            deadline = time.monotonic() + (CONNECT_LIMIT if call.idle is None else call.idle)
        host = getattr(self, "_dns_host", self.host)
        sock, self._watch = sockets.connect(host, self.port, self.door._interrupter, deadline)
        sock.on_closed = self._forget
        sockets.set_deadline(sock, call.deadline, call.idle)
        return sock

    def connect(self) -> None:
        self._connecting = True
        try:
            super().connect()  # type: ignore[misc]
        except BaseException:
            self._forget()
            raise
        finally:
            self._connecting = False
        # TLS took the descriptor over from the socket that _new_conn made, so the clean-up moves to its socket.
        self.sock.on_closed = self._forget

    def _forget(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            self.door._interrupter.remove(watch)

    def putrequest(self, *args: Any, **kwargs: Any) -> Any:
        if self.sock is None:
            self.connect()
        call = self.door._current()
        sockets.set_deadline(self.sock, call.deadline, call.idle)
        self._check_peer(call)
        return super().putrequest(*args, **kwargs)  # type: ignore[misc]

    def send(self, data: Any) -> None:
        if not self._connecting:
            self.door._current().sent = True
        super().send(data)  # type: ignore[misc]

    def _check_peer(self, call: _Call) -> None:
        if call.guard is None or self.proxy is not None or self.host in call.guard:
            return
        if not sockets.is_public(str(self.sock.getpeername()[0])):
            raise _Refused("The download was redirected to a private address.")


class _Refused(OSError):
    """The guard said no."""


def _is_allowed_by_name(host: str, guard: Optional[frozenset[str]]) -> bool:
    """What the guard says behind a proxy, where the name, or the address in its place, is all that can be judged."""
    if guard is None or host in guard:
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." in host and not host.endswith((".local", ".localhost", ".internal"))
    return sockets.is_public(host)


class _Adapter(HTTPAdapter):
    """requests' adapter, making connections that its door watches, with one TLS context for all."""

    def __init__(self, door: HttpDoor, ciphers: Optional[str] = None) -> None:
        self._pool_classes = {
            "http": _pool_class(HTTPConnectionPool, HTTPConnection, door),
            "https": _pool_class(HTTPSConnectionPool, HTTPSConnection, door),
        }
        self._ciphers = ciphers
        self._context: Optional[ssl.SSLContext] = None
        self._context_lock = threading.Lock()
        super().__init__(pool_connections=POOL_SIZE, pool_maxsize=POOL_SIZE)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, blocksize=BLOCK_SIZE, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pool_classes

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, blocksize=BLOCK_SIZE, **kwargs)
        manager.pool_classes_by_scheme = self._pool_classes
        return manager

    def close(self) -> None:
        """Close the idle connections now. (urllib3 waits until a pool is garbage, and any traceback keeps it alive.)"""
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            for key in tuple(manager.pools.keys()):  # it is no iterable itself
                pool = manager.pools.get(key)
                if pool is not None:
                    pool.close()
        super().close()

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        host_params, pool_params = super().build_connection_pool_key_attributes(request, verify, cert)
        if host_params.get("scheme") == "https":
            pool_params = {"cert_reqs": "CERT_REQUIRED", "ssl_context": self._context_for()}
        return host_params, pool_params

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Nothing to do: the context verifies. (The inherited one would load all certificates for each connection.)"""

    def _context_for(self) -> ssl.SSLContext:
        with self._context_lock:
            if self._context is None:
                named = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")  # as in requests
                ca = named or certifi.where()
                try:
                    self._context = sockets.make_ssl_context(ca, self._ciphers)
                except OSError as exc:
                    raise ConfigError(
                        f"The certificates of {ca} cannot be read.", remedy="Check REQUESTS_CA_BUNDLE."
                    ) from exc
            return self._context


def _pool_class(pool: Any, connection: Any, door: HttpDoor) -> Any:
    watched = type(f"_Watched{connection.__name__}", (_Watched, connection), {"door": door})
    return type(f"_Watched{pool.__name__}", (pool,), {"ConnectionCls": watched})


@contextlib.contextmanager
def _translated(call: _Call) -> Iterator[None]:
    """Turn what requests, urllib3, ssl and socket raise into TransportError, the cause kept and cleaned of secrets."""
    try:
        yield
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as exc:
        scrub_exception(exc)
        kind, what = _explain(exc)
        raise TransportError(what, kind=kind, may_have_been_sent=call.sent) from exc


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
    ((_Refused,), "http", "The download was redirected to a private address, which is refused."),
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
