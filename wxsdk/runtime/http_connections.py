"""Makes the connections of the door ``http``: urllib3's, watched, and held to the deadline and guard of each call."""

from __future__ import annotations

import http.client
import ipaddress
import os
import socket
import ssl
import threading
import time
import weakref
from dataclasses import dataclass
from functools import partial
from typing import Any, Dict, Mapping, Optional

import certifi
import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from ..core.addresses import is_public
from ..core.redact import SecretBytes
from ..errors import ConfigError
from . import sockets
from .proxy import open_tunnel, read_proxy
from .sockets import Interrupter

POOL_SIZE = 32  # connections kept for reuse; more callers than this at once open and close their own
BLOCK_SIZE = 256 * 1024  # bytes a read or write; larger ones gain nothing measurable
JOINED_BYTES = 64 * 1024  # of a body that is written together with its head; a larger one gains nothing
CONNECT_LIMIT = 60.0  # seconds to connect, for calls that have no limit of their own


@dataclass
class Call:
    """What the connection must know of the call that uses it; kept in a thread-local."""

    deadline: Optional[float]
    idle: Optional[float]
    guard: Optional[frozenset[str]] = None  # hosts that may be private; None: any host may
    sent: bool = False
    reused: bool = False  # the connection had served an earlier call


class Line:
    """What the connections of one door share: who can interrupt them, and the call that each thread makes."""

    def __init__(self) -> None:
        self.interrupter = Interrupter()
        self.sockets: weakref.WeakSet[Any] = weakref.WeakSet()  # all that may be open
        self._calls = threading.local()

    @property
    def call(self) -> Call:
        """The call that this thread makes now."""
        return self._calls.current  # type: ignore[no-any-return]

    @call.setter
    def call(self, call: Call) -> None:
        self._calls.current = call

    def after_fork(self) -> None:
        """In a forked child: leave the connections to the parent."""
        self.interrupter.after_fork()
        for sock in list(self.sockets):
            sockets.leave_to_parent(sock)
        self.sockets = weakref.WeakSet()


def make_session(
    line: Line, ciphers: Optional[Mapping[str, str]] = None, ssl_context: Optional[ssl.SSLContext] = None
) -> requests.Session:
    """A session whose connections belong to *line*. ciphers and ssl_context: as of HttpDoor."""
    session = requests.Session()
    session.mount("https://", _Adapter(line, ssl_context=ssl_context))
    session.mount("http://", _Adapter(line))
    for host, cipher_string in ({} if ssl_context else ciphers or {}).items():
        session.mount(f"https://{host}/", _Adapter(line, cipher_string))
    return session


class ConnectFailed(urllib3.exceptions.HTTPError):
    """No connection came about; the cause says why.

    Raised in place of the cause: urllib3 passes over a reset while it sends a request, since an answer may be there
    all the same, and it may connect while it sends.
    """

    def __init__(self, *, through_proxy: bool) -> None:
        super().__init__("no connection came about")
        self.through_proxy = through_proxy


class _WholeHead:
    """What http.client reads the head of an answer from: an end in the middle of it is an error.

    http.client takes it for the end of the headers, and so a head that was cut for a whole one.
    """

    def __init__(self, file: Any) -> None:
        self._file = file

    def readline(self, limit: int = -1) -> bytes:
        line: bytes = self._file.readline(limit)
        if not line.endswith(b"\n") and len(line) != limit:
            raise http.client.RemoteDisconnected("the head of the answer was cut")
        return line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class _Answer(http.client.HTTPResponse):
    """An answer whose head is whole."""

    def begin(self) -> None:
        file = self.fp
        self.fp = _WholeHead(file)  # type: ignore[assignment]
        try:
            super().begin()
        finally:
            self.fp = file


class _Watched:
    """Mixed into urllib3's connections: interruption, the deadline of the current call, and the guard."""

    line: Line  # of the door; the pool sets it
    response_class = _Answer
    sock: Any
    host: str
    port: int
    proxy: Any
    _tunnel_host: str
    _tunnel_port: int
    _tunnel_headers: Dict[str, str]

    _watch: Optional[int] = None
    _connecting = False
    _joined: Optional[bytes] = None  # the body that goes with the head
    _served = False

    def _new_conn(self) -> socket.socket:
        call = self.line.call
        deadline = call.deadline
        if deadline is None:
            deadline = time.monotonic() + (CONNECT_LIMIT if call.idle is None else call.idle)
        host = getattr(self, "_dns_host", self.host)
        choose = _public_ones if self._is_guarded(call) else None
        sock, self._watch = sockets.connect(host, self.port, self.line.interrupter, deadline, choose)
        sock.on_closed = self._forget
        sockets.set_deadline(sock, call.deadline, call.idle)
        return sock

    def connect(self) -> None:
        self._connecting, self._served = True, False
        try:
            super().connect()  # type: ignore[misc]
        except (OSError, http.client.HTTPException, ValueError) as exc:
            self._forget()
            raise ConnectFailed(through_proxy=self.proxy is not None) from exc
        except BaseException:
            self._forget()
            raise
        finally:
            self._connecting = False
        sockets.hold_deadlines(self.sock)
        # TLS took the descriptor over from the socket that _new_conn made, so the clean-up moves to its socket.
        self.sock.on_closed = self._forget
        self.line.sockets.add(self.sock)

    def _tunnel(self) -> None:
        """Go through the proxy as the door ``wsock`` does."""
        open_tunnel(self.sock, self._tunnel_host.strip("[]"), self._tunnel_port, self._tunnel_headers)

    def _forget(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            self.line.interrupter.remove(watch)

    def putrequest(self, *args: Any, **kwargs: Any) -> Any:
        if self.sock is None:
            self.connect()
        call = self.line.call
        call.reused, self._served = self._served, True
        sockets.set_deadline(self.sock, call.deadline, call.idle)
        self._check_peer(call)
        return super().putrequest(*args, **kwargs)  # type: ignore[misc]

    def request(self, method: str, url: str, body: Any = None, headers: Any = None, **options: Any) -> None:
        if isinstance(body, bytes) and len(body) <= JOINED_BYTES:
            body, self._joined = (
                None,
                body,
            )  # goes with the head in one write: one packet, and one wake-up of the server
        try:
            super().request(method, url, body=body, headers=headers, **options)  # type: ignore[misc]
        finally:
            self._joined = None

    def send(self, data: Any) -> None:
        if not self._connecting:
            self.line.call.sent = True
            if self._joined is not None:
                data, self._joined = SecretBytes(data + self._joined), None
        super().send(data)  # type: ignore[misc]

    def _is_guarded(self, call: Call) -> bool:
        return call.guard is not None and self.proxy is None and self.host not in call.guard

    def _check_peer(self, call: Call) -> None:
        """The guard of a call may be stricter than that of the one for which the connection was made."""
        if self._is_guarded(call) and not is_public(str(self.sock.getpeername()[0])):
            raise Refused("The download was redirected to a private address.")


class Refused(OSError):
    """The guard said no."""


def _public_ones(found: sockets.Resolved) -> sockets.Resolved:
    """Judged before a connection is made: whether one can be made would tell of what listens in a private network."""
    public = [each for each in found if is_public(str(each[4][0]))]
    if found and not public:
        raise Refused("The download was redirected to a private address.")
    return public


def is_allowed_by_name(host: str, guard: Optional[frozenset[str]]) -> bool:
    """What the guard says behind a proxy, where the name, or the address in its place, is all that can be judged."""
    if guard is None or host in guard:
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." in host and not host.endswith((".local", ".localhost", ".internal"))
    return is_public(host)


class _Adapter(HTTPAdapter):
    """requests' adapter, making connections that are watched, with one TLS context for all."""

    def __init__(
        self, line: Line, ciphers: Optional[str] = None, *, ssl_context: Optional[ssl.SSLContext] = None
    ) -> None:
        self._pool_classes = {
            "http": partial(_pool_of, _HTTPPool, line),
            "https": partial(_pool_of, _HTTPSPool, line),
        }
        self._ciphers = ciphers
        self._context = ssl_context
        self._context_lock = threading.Lock()
        super().__init__(pool_connections=POOL_SIZE, pool_maxsize=POOL_SIZE)

    def build_response(self, req: Any, resp: Any) -> Any:
        """Return the answer as urllib3 gives it: the door reads it itself, and the protocols use no cookies."""
        return resp

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, blocksize=BLOCK_SIZE, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pool_classes

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, blocksize=BLOCK_SIZE, **kwargs)
        manager.pool_classes_by_scheme = self._pool_classes
        return manager

    def proxy_headers(self, proxy: str) -> Dict[str, str]:
        """As for a tunnel of the door ``wsock``. (The inherited one takes Latin-1 only, and no user alone.)"""
        return read_proxy(proxy).headers

    def close(self) -> None:
        """Close the idle connections now. (urllib3 waits until a pool is garbage, and any traceback keeps it alive.)"""
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            for key in tuple(manager.pools.keys()):  # it is no iterable itself
                pool = manager.pools.get(key)
                if pool is not None:
                    pool.close()
        super().close()

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        pool_params: Any  # what requests declares does not name all that urllib3 takes
        host_params, pool_params = super().build_connection_pool_key_attributes(request, verify, cert)
        if host_params.get("scheme") == "https":
            context = self._context_for()
            pool_params = {"cert_reqs": context.verify_mode, "ssl_context": context}
            if not context.check_hostname:  # by the user's will; urllib3 would check the name itself
                pool_params["assert_hostname"] = False
        return host_params, pool_params

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Nothing to do: the context verifies. (The inherited one would load all certificates for each connection.)"""

    def _context_for(self) -> ssl.SSLContext:
        with self._context_lock:
            if self._context is None:
                self._context = verifying_context(self._ciphers)
            return self._context


def verifying_context(ciphers: Optional[str] = None) -> ssl.SSLContext:
    """A context that trusts what requests would: REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, else certifi's authorities.

    *ciphers* is an OpenSSL cipher string. ConfigError when the certificates cannot be read.
    """
    ca = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or certifi.where()
    try:
        return sockets.make_ssl_context(ca, ciphers)
    except OSError as exc:
        raise ConfigError(f"The certificates of {ca} cannot be read.", remedy="Check REQUESTS_CA_BUNDLE.") from exc


class _HTTPConnection(_Watched, HTTPConnection):  # type: ignore[misc]
    """A connection of a door."""


class _HTTPSConnection(_Watched, HTTPSConnection):  # type: ignore[misc]
    """A connection of a door with TLS."""


class _Pool:
    """Mixed into urllib3's pools: what they make belongs to one door. (Classes of each door's own cost 20 KB each.)"""

    line: Line

    def _new_conn(self) -> Any:
        made = super()._new_conn()  # type: ignore[misc]
        made.line = self.line
        return made


class _HTTPPool(_Pool, HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(_Pool, HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


def _pool_of(kind: Any, line: Line, *args: Any, **kwargs: Any) -> Any:
    made = kind(*args, **kwargs)
    made.line = line
    return made
