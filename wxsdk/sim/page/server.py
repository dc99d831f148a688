"""Serves the page, its events and its actions on loopback.

It answers only requests that name its own address in Host (against DNS rebinding) and, where they change or read
anything, that come from its own page (Origin, Sec-Fetch-Site). No answer of it holds a token.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Mapping, Optional
from urllib.parse import quote

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request, Response

from ..loopback import LoopbackServer
from .actions import Actions, Unknown
from .feed import Feed
from .shelf import Shelf, picture_type

PROGRAM = "wxsdk playground"
STATIC = Path(__file__).with_name("static")
MAX_UPLOAD_BYTES = 20 * 2**20  # a file dropped on the page; WeCom takes no larger ones (docs/protocol/aibot, 6)
MAX_JSON_BYTES = 2**20  # an action's data
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# Pictures of cards come from anywhere, once the reader has clicked them; everything else is ours.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self' data: blob: https: http:; media-src 'self' blob:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SAFE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}

Answers = Mapping[str, Callable[[Request], Response]]


class PageServer:
    """The page's HTTP side. *extra* answers further paths of the API by their names."""

    def __init__(
        self,
        actions: Actions,
        feed: Feed,
        shelf: Shelf,
        snapshot: Callable[[], Any],
        clean: Callable[[str], str],
        extra: Answers,
        port: int = 0,
    ) -> None:
        self._actions, self._feed, self._shelf, self._snapshot, self._clean = actions, feed, shelf, snapshot, clean
        self._http = LoopbackServer(self._application, "wxsdk-sim-page", port)
        self._gets: Answers = {"events": self._events, "who": self._who, **extra}

    @property
    def port(self) -> int:
        return self._http.port

    @port.setter
    def port(self, port: int) -> None:
        self._http.port = port

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self._http.port}/"

    def start(self) -> None:
        """Listen. OSError when the port is in use."""
        self._feed.open()
        self._http.start()

    def stop(self) -> bool:
        """End every reader and every request; True when all threads have ended."""
        self._feed.close()
        return self._http.stop()

    def _application(self, environ: Dict[str, Any], start_response: Any) -> Any:
        request = Request(environ)
        try:
            response = self._respond(request)
        except HTTPException as error:  # a body that is no body, and the like
            response = Response(f"{error.code}\n", status=error.code)
        for name, value in SAFE.items():
            response.headers.setdefault(name, value)
        return response(environ, start_response)

    def _respond(self, request: Request) -> Response:
        own = {f"127.0.0.1:{self.port}", f"localhost:{self.port}"}
        if request.host not in own:
            return Response("This page answers to its own address alone.\n", status=421)
        followed = request.path == "/" and request.headers.get("Sec-Fetch-Mode") == "navigate"  # a link to the page
        if not followed and request.headers.get("Sec-Fetch-Site") not in (None, "same-origin", "none"):
            return Response("This page answers to itself alone.\n", status=403)
        if request.method == "POST":
            if request.headers.get("Origin") not in {f"http://{host}" for host in own}:
                return Response("This page answers to itself alone.\n", status=403)
            return self._post(request)
        if request.method not in ("GET", "HEAD"):
            return Response("Only GET and POST.\n", status=405)
        return self._get(request)

    # GET

    def _get(self, request: Request) -> Response:
        path = request.path
        if path.startswith("/api/"):
            answer = self._gets.get(path[len("/api/") :])
            return answer(request) if answer else Response("no such call\n", status=404)
        if path.startswith("/media/"):
            return self._media(request, path[len("/media/") :])
        name = "index.html" if path == "/" else path[len("/static/") :] if path.startswith("/static/") else ""
        file = STATIC / name
        known = bool(name) and ".." not in name and file.suffix in TYPES and file.is_file()
        if not known:
            return Response("no such page\n", status=404)
        page = Response(file.read_bytes(), content_type=TYPES[file.suffix])
        page.headers["Content-Security-Policy"] = POLICY
        return page

    def _events(self, request: Request) -> Response:
        last_id = request.headers.get("Last-Event-ID")

        def stream() -> Iterator[bytes]:
            for text in self._feed.read(last_id, self._snapshot):
                yield text.encode("utf-8", "replace")

        return Response(stream(), content_type="text/event-stream; charset=utf-8")

    def _who(self, request: Request) -> Response:
        return self._json({"program": PROGRAM, "pid": os.getpid()})

    def _media(self, request: Request, number: str) -> Response:
        try:
            data = self._shelf.get(number)
        except (LookupError, ValueError):  # the key does not fit, or the simulator has dropped the file
            data = None
        if data is None:
            return Response("no such file\n", status=404)
        kind = picture_type(data)
        response = Response(data, content_type=kind or "application/octet-stream")
        # What a bot sends may be a page with scripts: it never runs as this page.
        response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
        name = quote(request.args.get("name") or number, safe="")
        response.headers["Content-Disposition"] = f"{'inline' if kind else 'attachment'}; filename*=UTF-8''{name}"
        return response

    # POST

    def _post(self, request: Request) -> Response:
        name = request.path[len("/api/") :] if request.path.startswith("/api/") else ""
        limit = MAX_UPLOAD_BYTES if name == "file" else MAX_JSON_BYTES
        if request.content_length is None:
            return self._problem("length", "The request has no length.", 411)
        if request.content_length > limit:
            return self._problem("large", f"That is larger than {limit // 2**20} MB.", 413)
        try:
            if name == "file":
                self._file(request)
                return self._json({"result": None})
            data = json.loads(request.get_data())
            if not isinstance(data, dict):
                raise ValueError("The data is not an object.")
            return self._json({"result": self._actions.do(name, data)})
        except Unknown as error:
            return self._problem("unknown", str(error.args[0]), 404)
        except (LookupError, ValueError, RuntimeError, AssertionError) as error:
            return self._problem("refused", _sentence(error), 409)

    def _file(self, request: Request) -> None:
        wanted = {name: request.args.get(name) or "" for name in ("side", "user", "chat", "name", "text")}
        if wanted["side"] not in ("ilink", "aibot") or not wanted["user"] or not wanted["chat"]:
            raise ValueError("The chat is missing.")
        content = request.get_data()
        if not content:
            raise ValueError("The file is empty.")
        self._actions.file(content=content, **wanted)

    def _problem(self, code: str, text: str, status: int) -> Response:
        response = self._json({"error": code, "text": text})
        response.status_code = status
        return response

    def _json(self, value: Any) -> Response:
        return Response(self._clean(json.dumps(value, ensure_ascii=False)), content_type="application/json")


def _sentence(error: Exception) -> str:
    text = str(error.args[0]) if error.args else type(error).__name__
    return text.splitlines()[0] if text else type(error).__name__


def download(text: str, name: str, content_type: str) -> Response:
    """Return *text* as a file for the reader to save."""
    response = Response(text.encode("utf-8"), content_type=f"{content_type}; charset=utf-8")
    response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    return response


def text_of(request: Request, name: str) -> Optional[str]:
    """Return one argument of the query."""
    return request.args.get(name) or None
