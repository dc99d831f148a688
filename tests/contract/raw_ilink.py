"""An iLink server and CDN in http.server, written from the protocol alone, without wxsdk and its simulator."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple, Union
from urllib.parse import parse_qs, urlsplit

Answer = Union[None, Dict[str, Any], Tuple[int, Dict[str, str], bytes]]

HELD = 30.0  # seconds after which a forgotten poll ends, so that a broken test cannot hang


class Request(NamedTuple):
    """One request as it came. path: without the slash and the query."""

    method: str
    path: str
    query: Dict[str, List[str]]
    headers: Dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class RawILink:
    """answers: path -> what to answer, a value or a function of the request; without one, ``{"ret": 0}``."""

    def __init__(self) -> None:
        self.requests: List[Request] = []
        self.answers: Dict[str, Union[Answer, Callable[[Request], Answer]]] = {}
        self._updates: List[Answer] = []
        self._polls = 0
        self._over = False
        self._changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> RawILink:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._over = True
            self._changed.notify_all()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def gives(self, *answers: Answer) -> None:
        """What the next polls get, one each."""
        with self._changed:
            self._updates += answers
            self._changed.notify_all()

    def of(self, path: str) -> List[Request]:
        """The requests to the path that ends so, oldest first."""
        with self._changed:
            return [one for one in self.requests if one.path.endswith(path)]

    def wait_for(self, path: str, count: int = 1, timeout: float = 10.0) -> List[Request]:
        """The requests to the path, once there are *count*."""
        with self._changed:
            arrived = self._changed.wait_for(lambda: len(self.of(path)) >= count, timeout)
            assert arrived, [one.path for one in self.requests]
            return self.of(path)

    def wait_idle(self) -> None:
        """Until a poll is held and nothing is left for it."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._polls and not self._updates, 10.0)

    def answer(self, request: Request) -> Answer:
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
        given = self.answers.get(request.path.rsplit("/", 1)[-1], self.answers.get(request.path))
        if given is not None:
            return given(request) if callable(given) else given
        if request.path == "ilink/bot/getupdates":
            return self._hold()
        return {"ret": 0}

    def _hold(self) -> Answer:
        with self._changed:
            self._polls += 1
            mine = self._polls
            self._changed.notify_all()
            # A newer poll means that the client of this one is gone.
            self._changed.wait_for(lambda: self._over or self._polls != mine or bool(self._updates), HELD)
            if self._updates and self._polls == mine:
                answer = self._updates.pop(0)
                self._changed.notify_all()
                return answer
            return {}


def _handler_of(owner: RawILink) -> Any:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_: Any) -> None:
            """Nothing."""

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            parts = urlsplit(self.path)
            request = Request(
                self.command, parts.path.strip("/"), parse_qs(parts.query), dict(self.headers), self.rfile.read(length)
            )
            answer = owner.answer(request)
            if answer is None:  # cut
                self.close_connection = True
                return
            if isinstance(answer, dict):
                answer = (200, {"Content-Type": "application/json"}, json.dumps(answer).encode())
            status, headers, body = answer
            try:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                pass  # the client has gone, as a client that stops does
            self.close_connection = True

        do_GET = do_POST = _serve

    return Handler


def text_message(text: str, number: Any = 1, **fields: Any) -> Dict[str, Any]:
    """A user's text as the platform delivers it."""
    return items_message([{"type": 1, "text_item": {"text": text}}], number, **fields)


def items_message(items: Optional[List[Any]], number: Any = 1, **fields: Any) -> Dict[str, Any]:
    return {
        "message_id": number,
        "from_user_id": "alice@im.wechat",
        "to_user_id": "bot@im.bot",
        "create_time_ms": 1_700_000_000_000,
        "session_id": "s-1",
        "message_type": 1,
        "message_state": 2,
        "item_list": items,
        "context_token": "ctx-token-one",
        **fields,
    }


def batch(*messages: Dict[str, Any], buf: str = "", **fields: Any) -> Dict[str, Any]:
    """An answer to getupdates."""
    return {"msgs": list(messages), "get_updates_buf": buf, **fields}
