"""Serves the media of the simulated WeCom platform: encrypted, for five minutes, in constant memory, with faults."""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import secrets
import socket
import threading
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple

from werkzeug.wrappers import Request, Response

from ..loopback import LoopbackServer, shut
from .content import BLOCK_BYTES, DISPOSITIONS, PAD_BYTES, Content, encrypted

log = logging.getLogger("wxsdk.sim.aibot.simulator")

URL_SECONDS = 5 * 60.0  # docs/protocol/aibot, 3


@dataclass(eq=False)
class SimMedia:
    """One thing offered for download."""

    url: str
    aeskey: Optional[str]
    """base64 of 32 bytes; None: served as it is."""
    content: Content
    name: str
    disposition: Optional[str]
    born: float
    downloads: int = 0
    """How many requests it has met."""
    headers: List[Dict[str, str]] = field(default_factory=list, repr=False)
    """Of each request, by their lower-case names."""
    shared: bool = False
    """Encrypted with the EncodingAESKey of callback mode, so that the message carries no aeskey."""

    @property
    def data(self) -> bytes:
        """The plain bytes, all in memory."""
        return b"".join(self.content.blocks())

    def __repr__(self) -> str:  # without the signed URL and the key
        return f"SimMedia({self.name!r}, {self.content.size} bytes)"


@dataclass(eq=False)
class MediaTrouble:
    """See AiBotFaults.media."""

    status: Optional[int] = None
    redirect_to: Optional[str] = None
    cut_after: Optional[int] = None
    stall_after: Optional[int] = None
    slow: Optional[float] = None
    piece: int = 1024
    body: Optional[bytes] = None
    times: Optional[int] = 1
    hits: int = 0

    def cancel(self) -> None:
        """Meet no further download."""
        self.times = 0


class MediaServer:
    """Starts with the first media, so that a simulator without media costs no port. Thread-safe."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._items: Dict[str, SimMedia] = {}
        self._troubles: List[MediaTrouble] = []
        self._server = LoopbackServer(self._application, "wxsdk-sim-aibot-media")
        self._over = threading.Event()
        self.shared_key: Optional[bytes] = None
        """In callback mode, the key of all media (docs/protocol/callback, 1)."""
        self.respond: Optional[Callable[[str, bytes], Dict[str, Any]]] = None
        """In callback mode, takes a POST to a response_url: its code and body; returns the answer."""

    def base_url(self) -> str:
        """Start the server if it is not running, and return its address."""
        with self._lock:
            return f"http://127.0.0.1:{self._running()}"

    def offer(
        self,
        content: Content,
        name: str,
        *,
        disposition: str = "both",
        encrypt: bool = True,
        padded_key: bool = True,
    ) -> SimMedia:
        """Serve *content* under a fresh signed URL. *disposition*: a key of DISPOSITIONS, or a whole header
        value.
        """
        key = (self.shared_key or os.urandom(32)) if encrypt else None
        made = base64.b64encode(key).decode("ascii") if key else None
        header = DISPOSITIONS[disposition](name) if disposition in DISPOSITIONS else disposition
        token = secrets.token_hex(8)
        with self._lock:
            port = self._running()
            url = f"http://127.0.0.1:{port}/media/{token}?sign={secrets.token_hex(16)}"
            media = SimMedia(
                url,
                made if padded_key or made is None else made.rstrip("="),
                content,
                name,
                header,
                self._clock(),
                shared=encrypt and self.shared_key is not None,
            )
            self._items[token] = media
        return media

    def add_trouble(self, trouble: MediaTrouble) -> None:
        with self._lock:
            self._troubles.append(trouble)

    def clear_troubles(self) -> None:
        with self._lock:
            self._troubles.clear()

    def _running(self) -> int:
        if not self._server.running:
            self._over.clear()
            self._server.start()
        return self._server.port

    def stop(self, timeout: float = 1.0) -> bool:
        """End every download and every thread. Twice is once."""
        self._over.set()
        with self._lock:
            server = self._server
        return server.stop(timeout)

    # -- one download ----------------------------------------

    def _application(self, environ: Dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return self._answer(Request(environ))(environ, start_response)

    def _answer(self, request: Request) -> Response:
        if request.path == "/aibot/response" and request.method == "POST" and self.respond is not None:
            answer = self.respond(request.args.get("response_code", ""), request.get_data())
            return Response(json.dumps(answer), mimetype="application/json")
        with self._lock:
            media = self._items.get(request.path.rpartition("/")[2])
            trouble = self._trouble()
            if media is not None:
                media.downloads += 1
                media.headers.append({name.lower(): value for name, value in request.headers.items()})
        if trouble.redirect_to is not None:
            return Response(status=302, headers={"Location": trouble.redirect_to})
        if trouble.status is not None:
            return Response(
                f"<html><body><h1>{trouble.status}</h1></body></html>", trouble.status, mimetype="text/html"
            )
        if media is None or not media.url.endswith(request.full_path):
            return Response("no such media", 404)
        if self._clock() - media.born > URL_SECONDS:
            return Response("the URL has expired", 403)
        return self._download(request, media, trouble)

    def _trouble(self) -> MediaTrouble:
        for trouble in self._troubles:
            if trouble.times is None or trouble.hits < trouble.times:
                trouble.hits += 1
                return trouble
        return MediaTrouble()

    def _download(self, request: Request, media: SimMedia, trouble: MediaTrouble) -> Response:
        size, blocks = self._plan(media, trouble)
        start, end = _range(request.headers.get("Range"), size)
        body = self._troubled(_cut_out(blocks, start, end), trouble, request.environ.get("werkzeug.socket"))
        response = Response(body, 206 if (start, end) != (0, size) else 200, mimetype="application/octet-stream")
        response.headers["Content-Length"] = str(end - start)
        response.headers["Accept-Ranges"] = "bytes"
        if response.status_code == 206:
            response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        if media.disposition is not None:
            header = media.disposition.translate(_HEADER_SAFE)
            response.headers["Content-Disposition"] = header.encode("utf-8").decode(
                "latin-1"
            )  # UTF-8 bytes on the wire
        return response

    @staticmethod
    def _plan(media: SimMedia, trouble: MediaTrouble) -> Tuple[int, Iterator[bytes]]:
        if trouble.body is not None:
            return len(trouble.body), iter([trouble.body])
        size = media.content.size
        if media.aeskey is None:
            return size, media.content.blocks()
        key = base64.b64decode(media.aeskey + "=" * (-len(media.aeskey) % 4))
        return size + PAD_BYTES - size % PAD_BYTES, encrypted(media.content, key)

    def _troubled(
        self, blocks: Iterator[bytes], trouble: MediaTrouble, sock: Optional[socket.socket]
    ) -> Iterator[bytes]:
        sent = 0
        stop = trouble.cut_after if trouble.cut_after is not None else trouble.stall_after
        step = trouble.piece if trouble.slow is not None else BLOCK_BYTES
        for block in blocks:
            for start in range(0, len(block), step):
                piece = block[start : start + step]
                if stop is not None and sent + len(piece) > stop:
                    yield piece[: stop - sent]
                    self._break(trouble, sock)
                    return
                yield piece
                sent += len(piece)
                if trouble.slow is not None and self._over.wait(trouble.slow):
                    return

    def _break(self, trouble: MediaTrouble, sock: Optional[socket.socket]) -> None:
        if trouble.cut_after is None:
            self._over.wait()
        elif sock is not None:
            shut(sock)


# A control character would end the header.
_HEADER_SAFE = dict.fromkeys((*range(32), 127))
_RANGE = re.compile(r"bytes=(\d+)-(\d*)\Z")


def _range(header: Optional[str], size: int) -> Tuple[int, int]:
    found = _RANGE.match(header or "")
    if not found or int(found[1]) >= size:
        return 0, size
    return int(found[1]), min(size, int(found[2]) + 1) if found[2] else size


def _cut_out(blocks: Iterator[bytes], start: int, end: int) -> Iterator[bytes]:
    at = 0
    for block in blocks:
        piece = block[max(0, start - at) : max(0, end - at)]
        at += len(block)
        if piece:
            yield piece
        if at >= end:
            return
