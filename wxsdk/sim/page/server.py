"""The playground: a page on loopback to talk with a bot through both simulators, as pretend users.

The page shows what a client app would show. It answers only requests that name its own address in Host (against DNS
rebinding) and, where they change something, in Origin (against other sites' pages). It never shows a token.
"""

from __future__ import annotations

import base64
import json
import threading
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from ..aibot.simulator import AiBotSim
from ..ilink.faults import DEFAULT_WAIT
from ..ilink.simulator import ILinkSim

PAGE = Path(__file__).with_name("page.html")
MAX_UPLOAD_BYTES = 20 * 2**20  # a file dropped on the page; WeCom takes no larger ones
MAX_SHOWN_IMAGE_BYTES = 2 * 2**20  # larger pictures are named, not shown

Shown = Dict[str, Any]


class _Quiet(WSGIRequestHandler):
    """Logs no requests: the page asks for the chats twice a second."""

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Nothing."""


class PageServer:
    """Serves the page; a context manager. *port* 0 takes a free one. `url` is where to look."""

    def __init__(self, ilink: ILinkSim, aibot: AiBotSim, port: int = 0) -> None:
        self._ilink = ilink
        self._aibot = aibot
        self._port = port
        self._lock = threading.Lock()
        self._said: Dict[str, List[Shown]] = {}
        self._server: Optional[BaseWSGIServer] = None
        self._thread: Optional[threading.Thread] = None
        self._actions: Dict[str, Callable[[str, Any], None]] = {
            "ilink/say": lambda user, data: self._say_ilink(user, str(data["text"])),
            "ilink/file": lambda user, data: self._file_ilink(user, data),
            "ilink/scan": lambda user, data: self._ilink.scan(user=user, timeout=DEFAULT_WAIT),
            "ilink/confirm": lambda user, data: self._confirm(),
            "aibot/say": lambda user, data: self._say_aibot(user, str(data["text"])),
            "aibot/file": lambda user, data: self._file_aibot(user, data),
            "aibot/enter": lambda user, data: self._enter(user),
            "aibot/click": lambda user, data: self._click(user, str(data["task_id"]), str(data["key"])),
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/"

    def __enter__(self) -> PageServer:
        self._server = make_server("127.0.0.1", self._port, self._answer, threaded=True, request_handler=_Quiet)
        self._port = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="wxsdk-sim-page", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, environ: Any, start_response: Any) -> Any:
        request = Request(environ)
        return self._respond(request)(environ, start_response)

    def _respond(self, request: Request) -> Response:
        own = {f"127.0.0.1:{self._port}", f"localhost:{self._port}"}
        if request.host not in own:
            return Response("not this host", status=421)
        if request.method == "GET":
            return self._get(request)
        if request.headers.get("Origin") not in {f"http://{host}" for host in own}:
            return Response("not from this page", status=403)
        if (request.content_length or 0) > 2 * MAX_UPLOAD_BYTES:
            return Response("too large", status=413)
        return self._post(request)

    def _get(self, request: Request) -> Response:
        if request.path == "/":
            page = Response(PAGE.read_bytes(), mimetype="text/html")
            page.headers["Content-Security-Policy"] = "default-src 'self' 'unsafe-inline'; img-src data:"
            return page
        if request.path == "/chats":
            user = request.args.get("user", "alice")
            return _json({"ilink": self._ilink_chat(user), "aibot": self._aibot_chat(user)})
        return Response("no such page", status=404)

    def _post(self, request: Request) -> Response:
        action = self._actions.get(request.path.strip("/"))
        data = request.get_json(silent=True)
        if action is None or not isinstance(data, dict):
            return Response("no such action", status=404)
        try:
            action(str(data.get("user") or "alice"), data)
        except (LookupError, ValueError, AssertionError, RuntimeError) as exc:
            return _json({"error": str(exc) or type(exc).__name__})
        return _json({})

    # what the pretend user does

    def _note(self, chat: str, text: str, after: int) -> None:
        with self._lock:
            self._said.setdefault(chat, []).append({"who": "me", "text": text, "after": after})

    def _say_ilink(self, user: str, text: str) -> None:
        person = self._ilink.user(user)
        self._note(f"ilink/{user}", text, len(person.received))
        person.says(text)

    def _file_ilink(self, user: str, data: Any) -> None:
        person = self._ilink.user(user)
        self._note(f"ilink/{user}", f"({data['name']})", len(person.received))
        person.sends(base64.b64decode(data["content"]), name=str(data["name"]))

    def _confirm(self) -> None:
        self._ilink.confirm()

    def _say_aibot(self, user: str, text: str) -> None:
        person = self._aibot.user(user)
        self._note(f"aibot/{user}", text, len(person.sees))
        person.says(text)

    def _file_aibot(self, user: str, data: Any) -> None:
        person = self._aibot.user(user)
        self._note(f"aibot/{user}", f"({data['name']})", len(person.sees))
        person.sends(base64.b64decode(data["content"]), name=str(data["name"]))

    def _enter(self, user: str) -> None:
        person = self._aibot.user(user)
        self._note(f"aibot/{user}", "(opens the chat)", len(person.sees))
        person.enters_chat()

    def _click(self, user: str, task_id: str, key: str) -> None:
        person = self._aibot.user(user)
        for message in person.sees:
            if message.card and message.card.get("task_id") == task_id:
                person.clicks(message, key)
                return
        raise LookupError("this card is not there any more")

    # what the pretend user sees

    def _ilink_chat(self, user: str) -> Shown:
        person = self._ilink.user(user)
        shown = []
        for message in person.received:
            bubble: Shown = {"who": "bot", "text": message.text or f"({message.kind} {message.file_name or ''})"}
            if message.kind == "image" and message.size <= MAX_SHOWN_IMAGE_BYTES:
                bubble["image"] = _data_url(message.data)
            shown.append(bubble)
        waiting = any(code.state == "wait" for code in self._ilink.logins[-1:])
        return {"bubbles": self._woven(f"ilink/{user}", shown), "typing": person.is_typing, "login": waiting}

    def _aibot_chat(self, user: str) -> Shown:
        shown = []
        for message in self._aibot.user(user).sees:
            bubble: Shown = {"who": "bot", "text": message.visible_text, "thinking": message.thinking}
            if message.card:
                bubble["card"] = message.card
            if message.kind == "image" and len(message.data or b"") <= MAX_SHOWN_IMAGE_BYTES:
                bubble["image"] = _data_url(message.data)
            elif message.data is not None:
                bubble["text"] = f"({message.kind} {message.name})"
            shown.append(bubble)
        return {"bubbles": self._woven(f"aibot/{user}", shown), "typing": False}

    def _woven(self, chat: str, shown: List[Shown]) -> List[Shown]:
        """The user's own messages between the bot's, each after what was there when it was said."""
        with self._lock:
            said = list(self._said.get(chat, ()))
        woven: List[Shown] = []
        for index in range(len(shown) + 1):
            woven += [each for each in said if each["after"] == index]
            woven += shown[index : index + 1]
        return woven


def _data_url(content: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(content).decode("ascii")


def _json(value: Any) -> Response:
    return Response(json.dumps(value, ensure_ascii=False), mimetype="application/json")
