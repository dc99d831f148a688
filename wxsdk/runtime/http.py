"""Exchanges HTTP requests and answers through ``requests``: whole deadlines, interruption, capped bodies, own errors.

No name of ``requests`` or ``urllib3`` leaves it and its two helpers, ``http_connections`` and ``http_errors``. A door
keeps its connections alive between calls, may be used by any number of threads, and starts none but for looking up host
names.
"""

from __future__ import annotations

import io
import ssl
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple, Union
from urllib.parse import urljoin, urlsplit

import requests
from requests.structures import CaseInsensitiveDict
from requests.utils import get_environ_proxies, select_proxy

from .. import __version__
from ..core.redact import Secret, SecretBytes
from ..errors import TransportError
from .forked import tell_of_forks
from .green import check_green_threads
from .http_connections import BLOCK_SIZE, Call, Line, Refused, is_allowed_by_name, make_session
from .http_errors import ANSWER_REMEDY, translated
from .httplog import own_exchange
from .proxy import read_proxy
from .tls_errors import NETWORK_REMEDY

MAX_ANSWER_BYTES = 64 * 1024 * 1024  # of an answer held in memory; far above any batch the platforms send
MAX_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)
KEPT_URLS = 64  # of endpoints; there are a dozen
_USER_AGENT = f"wxsdk/{__version__}"
MAX_LENGTH_DIGITS = 18  # of a Content-Length; more would be above an exabyte, and Python refuses thousands

Body = Union[None, bytes, "SizedBlocks"]
MakeHeaders = Callable[[], Mapping[str, str]]

# Sessions of the parent process, kept for good: urllib3 empties a pool that nobody keeps, and waits for a lock that a
# thread of the parent may have held.
_abandoned: List[requests.Session] = []


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
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class HttpStream:
    """An answer whose body is still to be read; a context manager. *length*: bytes as announced, None when not."""

    def __init__(self, response: Any, call: Call) -> None:
        self._response = response
        self._call = call
        self.status: int = response.status
        self.headers: Mapping[str, str] = {name.lower(): Secret(value) for name, value in response.headers.items()}
        try:
            self.length = None if "content-encoding" in self.headers else _length(self.headers.get("content-length"))
        except TransportError:
            self.close()
            raise

    def __enter__(self) -> HttpStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def blocks(self) -> Iterator[bytes]:
        """The body in blocks; raises TransportError when it ends early, stalls or outlives the deadline."""
        with translated(self._call):
            received = 0
            encoded = "content-encoding" in self.headers  # decoding copies every byte twice, so only where it is needed
            while True:
                block = self._response.read(BLOCK_SIZE, decode_content=encoded)
                if not block:
                    break
                received += len(block)
                yield block
                del block  # as in read_all
            if self.length is not None and received < self.length:
                raise TransportError(
                    f"The answer ended after {received} of {self.length} bytes.",
                    kind="http",
                    may_have_been_sent=True,
                    status=self.status,
                    remedy=NETWORK_REMEDY,
                )

    def read_all(self, limit: int = MAX_ANSWER_BYTES) -> bytes:
        """The whole body; TransportError when it is longer than *limit* bytes."""
        content = io.BytesIO()
        size = 0
        for block in self.blocks():
            size += len(block)
            content.write(block)
            del block  # a server may echo secrets, and error reporters show locals
            if size > limit:
                raise TransportError(
                    f"The answer is longer than {limit} bytes.",
                    kind="http",
                    may_have_been_sent=True,
                    status=self.status,
                    remedy=ANSWER_REMEDY,
                )
        return SecretBytes(content.getvalue())

    def close(self) -> None:
        """Close the connection, unless the whole body was read: then it is kept for the next request."""
        self._response.close()
        self._response.release_conn()


class HttpDoor:
    """Requests over kept-alive connections.

    proxy: a URL, "" for none whatever the environment says, None for what the environment says.
    ciphers: OpenSSL cipher strings by host, for hosts that the default ones cannot reach. ssl_context: what it trusts
    and checks goes for every https host, and *ciphers* are not looked at; None for verifying ones of our own. A forked
    child makes connections of its own.
    """

    def __init__(
        self,
        *,
        proxy: Optional[str] = None,
        ciphers: Optional[Mapping[str, str]] = None,
        ssl_context: Optional[ssl.SSLContext] = None,
    ) -> None:
        check_green_threads()
        self._line = Line()
        self._proxy = proxy
        self._urls: Dict[str, str] = {}  # as given -> as requests spells it
        self._trust = ciphers, ssl_context
        # Read once per host: looking through the environment costs more than all the rest that is done for a request.
        self._proxies_of: Dict[Tuple[str, str], Dict[str, str]] = {}
        self._session = make_session(self._line, ciphers, ssl_context)
        tell_of_forks(self)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Optional[Mapping[str, str]] = None,
        body: Body = None,
        timeout: float,
        limit: int = MAX_ANSWER_BYTES,
        repeat_with: Optional[MakeHeaders] = None,
    ) -> HttpReply:
        """One exchange within *timeout* seconds in all, whatever the HTTP status. Redirects are not followed.

        repeat_with: as of ``open``. Raises TransportError.
        """
        with self.open(method, url, headers=headers, body=body, timeout=timeout, repeat_with=repeat_with) as stream:
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
        repeat_with: Optional[MakeHeaders] = None,
    ) -> HttpStream:
        """Send a request and return when the headers are there.

        timeout: seconds for everything, the body included; None for no limit in all. idle: seconds that one read or
        write may take. guard: refuse to talk to private addresses but those of the hosts in it. repeat_with: for a
        request that does no harm twice, the headers to send it again with, at once, when a kept-alive connection breaks
        before the answer (a server may close such a one at any moment; RFC 9112, 9.3.1). Raises TransportError.
        """
        call = Call(None if timeout is None else time.monotonic() + timeout, idle, guard)
        with translated(call), own_exchange():
            self._line.interrupter.check()
            self._line.call = call
            proxies = self._proxies(url)
            if proxies["http"] and not is_allowed_by_name(urlsplit(url).hostname or "", guard):
                raise Refused("The download was redirected to a private address.")
            request = self._prepared(method, url, headers or {}, body)
            return HttpStream(self._send(request, idle or timeout, proxies, repeat_with, call), call)

    def _send(
        self,
        request: requests.PreparedRequest,
        timeout: Optional[float],
        proxies: Dict[str, str],
        repeat_with: Optional[MakeHeaders],
        call: Call,
    ) -> Any:
        """Send *request* and return its answer. A connection that breaks is dropped, so a repetition is on a new one.

        Straight to the adapter: a session would look for cookies, credentials in ~/.netrc, which would take the place
        of the bot's own, and redirects.
        """
        adapter = self._session.get_adapter(str(request.url))
        while True:
            call.reused = False  # a connection that cannot be made never says so
            try:
                return adapter.send(request, stream=True, timeout=timeout, proxies=proxies)
            except requests.ConnectionError:
                if repeat_with is None or not call.reused:
                    raise
                self._line.interrupter.check()  # a stop breaks connections, too
                request = self._prepared(str(request.method), str(request.url), repeat_with(), request.body)

    def _prepared(self, method: str, url: str, headers: Mapping[str, str], body: Any) -> requests.PreparedRequest:
        """Make a request that has exactly these *headers* and those of HTTP itself."""
        request = requests.PreparedRequest()
        request.method = method
        request.url = self._urls.get(url)
        if request.url is None:
            request.prepare_url(url, {})
            request.url = Secret(request.url)
            # Once for each endpoint, since requests takes an address apart and puts it together several times. Signed
            # addresses are used once.
            if "?" not in url and len(self._urls) < KEPT_URLS:
                self._urls[url] = request.url
        length = {} if method == "GET" and body is None else {"Content-Length": str(0 if body is None else len(body))}
        request.headers = CaseInsensitiveDict({"User-Agent": _USER_AGENT, **length, **headers})
        request.body = body
        return request

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
        raise TransportError(
            f"The download was redirected more than {MAX_REDIRECTS} times.", kind="http", remedy=ANSWER_REMEDY
        )

    def interrupt(self) -> None:
        """End every request under way, in about a millisecond, and refuse new ones until ``resume``."""
        self._line.interrupter.interrupt()

    def resume(self) -> None:
        self._line.interrupter.resume()

    def close(self) -> None:
        """Close the idle connections; those in use close when their call ends."""
        self._session.close()

    def _after_fork(self) -> None:
        """In a forked child: leave the connections to the parent, and make new ones when they are asked for."""
        _abandoned.append(self._session)
        self._line.after_fork()
        self._session = make_session(self._line, *self._trust)

    def _proxies(self, url: str) -> Dict[str, str]:
        parts = urlsplit(url)
        origin = parts.scheme, parts.netloc
        found = self._proxies_of.get(origin)
        if found is None:
            proxy = (environment_proxy(url) if self._proxy is None else self._proxy) or ""
            if proxy:
                proxy = read_proxy(proxy).url
            found = self._proxies_of[origin] = {"http": proxy, "https": proxy}
        return found


def _length(text: Optional[str]) -> Optional[int]:
    """Return the number of bytes that a Content-Length announces; TransportError unless it is one (RFC 9112, 6.3)."""
    if text is None:
        return None
    given = {part.strip() for part in text.split(",")}  # repeated alike, it counts once (RFC 9110, 8.6)
    first = given.pop()
    if given or not first.isascii() or not first.isdecimal() or len(first) > MAX_LENGTH_DIGITS:
        raise TransportError(
            "The answer announces a length that is not a number of bytes.",
            kind="http",
            may_have_been_sent=True,
            remedy=ANSWER_REMEDY,
        )
    return int(first)


def _redirected(url: str, target: str) -> str:
    try:
        new = urljoin(url, target)
        if urlsplit(new).scheme in ("http", "https") and urlsplit(new).hostname:
            return new
    except ValueError:  # what stands there is no address
        pass
    raise TransportError(
        "The download was redirected to something that is not HTTP.", kind="http", remedy=ANSWER_REMEDY
    )


def environment_proxy(url: str) -> Optional[str]:
    """The proxy that HTTP(S)_PROXY, ALL_PROXY and NO_PROXY name for *url*, None for none."""
    return select_proxy(url, get_environ_proxies(url))
