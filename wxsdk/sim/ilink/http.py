"""Answers the endpoints of the simulated iLink platform. Sources: docs/protocol/ilink, 1 (calls), 2 (long poll), 4
(sending), 5 (CDN), 6 (login).
"""

from __future__ import annotations

import io
import json
from collections import deque
from typing import Any, Callable, Deque, Dict, List, Mapping, Optional, Tuple
from urllib.parse import quote

from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Response

from . import rules
from .cdn import Upload
from .records import Seen
from .sending import send_message
from .world import World

STALE = -14  # docs/protocol/ilink, 2
NEVER_HEARD = -4  # getconfig before the user's first message; docs/protocol/ilink, 4
MALFORMED = -3  # ours: what the platform answers to a malformed request is not known
UINS_REMEMBERED = (
    1000  # a client that draws X-WECHAT-UIN afresh repeats one of so many about once in four million requests
)
API = "/ilink/bot/"
CDN = "/c2c/"

Answer = Dict[str, Any]
WsgiApp = Callable[..., Any]


def json_response(answer: Optional[Mapping[str, Any]]) -> Response:
    """HTTP 200 with this JSON; None: an empty body."""
    body = b"" if answer is None else json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(body, mimetype="application/json")


def failure(ret: int, errmsg: str) -> Answer:
    """An error answer, the code in both places where it may stand."""
    return {"ret": ret, "errcode": ret, "errmsg": errmsg}


class ILinkApp:
    """Answers the requests of one simulator."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._uins: Deque[str] = deque(maxlen=UINS_REMEMBERED)
        self._mounts: List[Tuple[str, WsgiApp]] = []
        self._posts: Dict[str, Callable[[Seen, Answer], Optional[Answer]]] = {
            "getupdates": self._getupdates,
            "sendmessage": lambda seen, body: send_message(self._world, body),
            "getuploadurl": self._getuploadurl,
            "getconfig": self._getconfig,
            "sendtyping": self._sendtyping,
            "msg/notifystart": self._notify,
            "msg/notifystop": self._notify,
        }

    def mount(self, prefix: str, app: WsgiApp) -> None:
        """Serve a WSGI application under *prefix*, such as a page to look at the simulator."""
        self._mounts.append((prefix.rstrip("/"), app))

    def lane(self, seen: Seen) -> Optional[str]:
        """Name what a request is in flight for: a poll, or a send to one recipient. Its body has arrived then."""
        if not seen.path.startswith(API):
            return None
        if not seen.body or seen.place != "sendmessage":
            return seen.place
        body = seen.json
        msg = body.get("msg") if isinstance(body, dict) else None
        return f"sendmessage:{msg.get('to_user_id')}" if isinstance(msg, dict) else "sendmessage"

    def answer(self, seen: Seen, environ: Callable[[], Dict[str, Any]]) -> Response:
        """The answer to one request."""
        if seen.path.startswith(API):
            return self._api(seen, seen.path[len(API) :])
        if seen.path.startswith(CDN):
            return self._cdn(seen, seen.path[len(CDN) :])
        for prefix, app in self._mounts:
            if seen.path == prefix or seen.path.startswith(prefix + "/"):
                return _mounted(app, seen, environ())
        return Response("no such path", status=404)

    # the API

    def _api(self, seen: Seen, call: str) -> Response:
        method = "GET" if call == "get_qrcode_status" else "POST"
        if call not in self._posts and call not in ("get_bot_qrcode", "get_qrcode_status"):
            self._world.violation(f"{call}: no such call")
            return Response("no such call", status=404)
        if seen.method != method:
            self._world.violation(f"{call}: {seen.method} in place of {method}")
            return Response("wrong method", status=405)
        wrong = rules.check_app_headers(seen.headers)  # type: ignore[arg-type]  # email.message.Message reads like a mapping
        if wrong and self._refuses(call, wrong):
            return json_response(failure(STALE, "session timeout"))
        if call == "get_qrcode_status":
            return self._qrcode_status(seen)
        return self._post(seen, call)

    def _post(self, seen: Seen, call: str) -> Response:
        headers: Any = seen.headers
        body = seen.json
        wrong = rules.check_post_headers(headers) + self._check_uin(headers.get("X-WECHAT-UIN", ""))
        broken = rules.check_characters(body)
        if broken:
            self._refuses(call, [*wrong, *broken])
            return json_response(failure(MALFORMED, "malformed request"))
        if call == "get_bot_qrcode":
            wrong += rules.check_qrcode_request(body, headers)
            if not seen.query.get("bot_type"):
                wrong.append("bot_type is missing")
        elif isinstance(body, dict):
            wrong += rules.check_base_info(body, headers)
        if not isinstance(body, dict):
            self._refuses(call, [*wrong, "the body is not a JSON object"])
            return json_response(failure(MALFORMED, "malformed request"))
        if wrong and self._refuses(call, wrong):
            return json_response(failure(MALFORMED, "malformed request"))
        if call == "get_bot_qrcode":
            return json_response(self._get_bot_qrcode(body))
        if not self._authorized(seen, call):
            return json_response(failure(STALE, "session timeout"))
        return json_response(self._posts[call](seen, body))

    def _check_uin(self, uin: str) -> List[str]:
        with self._world.hub.lock:
            repeated = uin in self._uins
            self._uins.append(uin)
        return ["X-WECHAT-UIN was used before; each request draws its own"] if uin and repeated else []

    def _refuses(self, call: str, wrong: List[str]) -> bool:
        """Note what is wrong; whether the request is refused for it."""
        for sentence in wrong:
            self._world.violation(f"{call}: {sentence}")
        return self._world.settings.strict

    def _authorized(self, seen: Seen, call: str) -> bool:
        scheme, _, token = seen.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not token:
            self._world.violation(f"{call}: no Authorization: Bearer <token>")
            return False
        with self._world.hub.lock:
            return self._world.tokens.accepts(token, polling=call == "getupdates")

    def _getupdates(self, seen: Seen, body: Answer) -> Answer:
        wrong = rules.check_body(body, {"get_updates_buf": str}, {})
        if wrong:
            self._refuses("getupdates", wrong)
            return failure(MALFORMED, "malformed request")
        world, cursor = self._world, body["get_updates_buf"]
        if not world.mailbox.knows(cursor):
            world.violation("getupdates: a cursor that was never handed out")
        found = world.hub.hold(seen.sock, lambda: self._updates(seen, cursor, at_once=False), world.settings.hold)
        return found if found is not None else self._updates(seen, cursor, at_once=True) or {}

    def _updates(self, seen: Seen, cursor: str, at_once: bool) -> Optional[Answer]:
        world = self._world
        with world.hub.lock:
            if not self._authorized(seen, "getupdates"):
                return failure(STALE, "session timeout")
            if not at_once and not world.mailbox.waiting(cursor):
                return None
            msgs, position = world.mailbox.take(cursor)
        answer: Answer = {"ret": 0, "msgs": msgs}
        field = world.settings.cursor_field
        for name in ("get_updates_buf", "sync_buf"):
            if field in (name, "both"):
                answer[name] = position
        if world.settings.announced_hold_ms is not None:
            answer["longpolling_timeout_ms"] = world.settings.announced_hold_ms
        return answer

    def _getuploadurl(self, seen: Seen, body: Answer) -> Answer:
        wrong = rules.check_upload(body)
        if wrong:
            self._refuses("getuploadurl", wrong)
            return failure(MALFORMED, "malformed request")
        names = ("filekey", "media_type", "to_user_id", "rawsize", "rawfilemd5", "filesize")
        announced = {name: body[name] for name in names}
        param = self._world.cdn.expect(Upload(**announced, key=bytes.fromhex(body["aeskey"])))
        answer: Answer = {"ret": 0}
        if self._world.settings.upload_urls in ("both", "param"):
            answer["upload_param"] = param
        if self._world.settings.upload_urls in ("both", "full_url"):
            query = f"encrypted_query_param={quote(param, safe='')}&filekey={body['filekey']}&taskid=1"
            answer["upload_full_url"] = f"{self._world.cdn.base_url}/upload?{query}"
        return answer

    def _getconfig(self, seen: Seen, body: Answer) -> Answer:
        wrong = rules.check_body(body, {"ilink_user_id": str}, {"context_token": str})
        if wrong:
            self._refuses("getconfig", wrong)
            return failure(MALFORMED, "malformed request")
        with self._world.hub.lock:
            ticket = self._world.ticket(body["ilink_user_id"])
        if ticket is None:
            return failure(NEVER_HEARD, "the user has never written")
        return {"ret": 0, "typing_ticket": ticket}

    def _sendtyping(self, seen: Seen, body: Answer) -> Answer:
        wrong = rules.check_body(body, {"ilink_user_id": str, "typing_ticket": str, "status": int}, {})
        if not wrong and body["status"] not in (1, 2):
            wrong.append(f"status {body['status']} is neither 1 nor 2")
        world = self._world
        with world.hub.lock:
            talk = None if wrong else world.conversation(body["ilink_user_id"])
            if talk is not None and body["typing_ticket"] != talk.ticket:
                wrong.append("the typing_ticket is not this user's")
            if talk is None or wrong:
                self._refuses("sendtyping", wrong)
                return failure(MALFORMED, "malformed request")
            talk.typing_since = world.clock() if body["status"] == 1 else None
            world.hub.notify()
        return {"ret": 0}

    def _notify(self, seen: Seen, body: Answer) -> Answer:
        wrong = rules.check_body(body, {}, {})
        if wrong and self._refuses(seen.place, wrong):
            return failure(MALFORMED, "malformed request")
        return {"ret": 0}

    # the QR login

    def _get_bot_qrcode(self, body: Answer) -> Answer:
        world = self._world
        with world.hub.lock:
            code = world.logins.begin(world.clock(), body.get("local_token_list", []))
            world.hub.notify()
        return {"ret": 0, "qrcode": code.qrcode, "qrcode_img_content": code.img_content}

    def _qrcode_status(self, seen: Seen) -> Response:
        world = self._world
        if "Authorization" in seen.headers and self._refuses(seen.place, ["the QR request carries Authorization"]):
            return json_response(failure(MALFORMED, "malformed request"))
        with world.hub.lock:
            code = world.logins.find(seen.query.get("qrcode") or "(none)")
            if code is None:
                return json_response({"ret": 0, "status": "expired"})
            code.seen(world.clock(), seen.headers.get("Host", ""), seen.query.get("verify_code"))
            known = code.told

        def news() -> Optional[Answer]:
            return {"ret": 0, **code.status()} if code.state != known else None

        found = world.hub.hold(seen.sock, news, world.settings.qr_hold)
        with world.hub.lock:
            return json_response(found or {"ret": 0, **code.status()})

    # the CDN

    def _cdn(self, seen: Seen, call: str) -> Response:
        for name in ("Authorization", "X-WECHAT-UIN"):
            if name in seen.headers:
                self._world.violation(f"{call}: {name} was sent to the CDN")
        if (seen.method, call) == ("POST", "upload"):
            return self._upload(seen)
        if (seen.method, call) == ("GET", "download"):
            return self._download(seen)
        return _cdn_error(404, "no such call")

    def _upload(self, seen: Seen) -> Response:
        upload = self._world.cdn.announced(seen.query.get("encrypted_query_param", ""))
        if upload is None:
            self._world.violation("upload: an encrypted_query_param that was never given out")
            return _cdn_error(403, "bad encrypted_query_param")
        wrong = []
        if seen.query.get("filekey") != upload.filekey:
            wrong.append("the filekey is not the announced one")
        if seen.headers.get("Content-Type") != "application/octet-stream":
            wrong.append("Content-Type is not application/octet-stream")
        if seen.stream.length != upload.filesize:
            wrong.append(f"Content-Length is {seen.headers.get('Content-Length')}, filesize said {upload.filesize}")
        if wrong:
            self._refuses("upload", wrong)
            return _cdn_error(400, "bad upload")
        stored, wrong = self._world.cdn.receive(upload, seen.stream.readinto)
        if wrong and self._refuses("upload", wrong):
            return _cdn_error(400, "bad upload")
        return Response(b"", headers={"x-encrypted-param": stored.param})

    def _download(self, seen: Seen) -> Response:
        stored = self._world.cdn.find(seen.query.get("encrypted_query_param", ""))
        if stored is None:
            return _cdn_error(404, "no such file")
        headers = {"Content-Length": str(stored.blob.size)}
        return Response(
            stored.blob.blocks(),
            headers=headers,
            mimetype="application/octet-stream",
            direct_passthrough=True,
        )


def _cdn_error(status: int, message: str) -> Response:
    return Response(b"", status=status, headers={"x-error-message": message})


def _mounted(app: WsgiApp, seen: Seen, environ: Dict[str, Any]) -> Response:
    environ["wsgi.input"] = io.BytesIO(seen.body)
    blocks, status, headers = run_wsgi_app(app, environ)
    return Response(blocks, status=status, headers=headers, direct_passthrough=True)
