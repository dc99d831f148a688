"""No frame of any traceback holds a secret in the clear: what error reporters and Django's debug page show of locals.

Each kind of call is made to fail in each way, with canaries for its secrets. Every frame of wxsdk and of the libraries
under it is looked through, those of causes and contexts included.
"""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import struct
from pathlib import Path
from types import TracebackType
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import pytest

from tests.runtime.servers import Peer, RawServer
from wxsdk import StandaloneQrLogin, WecomCrypto, WSClient, WSClientOptions, WxError
from wxsdk.ilink.client import WeixinClient
from wxsdk.ilink.config import WeixinConfig
from wxsdk.ilink.login import QrLoginSession
from wxsdk.ilink.media import MediaInfo
from wxsdk.ilink.wire import CDNMedia, WeixinMessage

TOKEN = "canary-bot-token-1111"
CONTEXT = "canary-context-token-2222"
TICKET = "canary-typing-ticket-3333"
LOCAL = "canary-local-token-4444"
QRCODE = "canary-qr-code-5555"
CODE = "canary-verify-66"
PARAM = "canary-download-param-7777"
KEY = b"canary-key-88888"
PROXY = "canary-proxy-word-9999"
SECRET = "canary-wecom-secret-0000"
AES = base64.b64encode(b"canary-of-32-bytes-is-here-12345").decode()
FILEKEY = "canary-filekey-abcd"
CANARIES = (
    *(TOKEN, CONTEXT, TICKET, LOCAL, QRCODE, CODE, PARAM, PROXY, SECRET, AES, FILEKEY),
    *(KEY.decode(), KEY.hex(), base64.b64encode(KEY).decode(), base64.b64encode(KEY.hex().encode()).decode()),
    *("canary-of-32-bytes", base64.b64encode(f"me:{PROXY}".encode()).decode()),
)
HERE = str(Path(__file__).parents[1])
MESSAGE = {"to_user_id": "u@im", "client_id": "c", "context_token": CONTEXT, "item_list": []}
GOOD: Dict[str, Dict[str, Any]] = {
    "getuploadurl": {"upload_param": PARAM},
    "getconfig": {"typing_ticket": TICKET},
}


def _found(error: BaseException) -> List[str]:
    """Where a canary stands: file, function and name of each local that shows one."""
    found = []
    for each in _chain(error):
        for text in (str(each), repr(each), *map(repr, vars(each).values())):
            found += [f"text of {type(each).__name__}: {canary}" for canary in CANARIES if canary in text]
        for file, function, name, value in _locals(each.__traceback__):
            shown = _shown(value)
            found += [f"{file} {function} {name}: {canary}" for canary in CANARIES if canary in shown]
    return found


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen, todo = set(), [error]
    while todo:
        current = todo.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        behind = [current.__cause__, current.__context__, getattr(current, "reason", None), *current.args]
        todo += [each for each in behind if isinstance(each, BaseException)]


def _locals(traceback: Optional[TracebackType]) -> Iterator[Tuple[str, str, str, Any]]:
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if not code.co_filename.startswith(HERE):
            for name, value in traceback.tb_frame.f_locals.items():
                yield code.co_filename.rsplit("/", 2)[-1], code.co_name, name, value
        traceback = traceback.tb_next


def _shown(value: Any) -> str:
    with contextlib.suppress(Exception):  # an object that is only half made
        return repr(value)
    return ""


def _reset(peer: Peer) -> None:
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _handle(target: str, act: Callable[[Peer, bytes], None]) -> Callable[[Peer], None]:
    """Answer well until the path ends with *target*, and then as *act* does; it gets what the request said."""

    def handle(peer: Peer) -> None:
        while (request := peer.read_request()) is not None:
            name = request.path.split("?")[0].rsplit("/", 1)[-1]
            if name in target.split():
                echo = " ".join((request.path, *request.headers.values(), request.body.decode("latin-1")))
                act(peer, echo.encode())
                return
            peer.answer(json.dumps(GOOD.get(name, {})).encode(), headers=f"x-encrypted-param: {PARAM}\r\n")

    return handle


def _refuse(code: int) -> Callable[[Peer, bytes], None]:
    return lambda peer, echo: peer.answer(json.dumps({"ret": code, "errmsg": echo.decode("latin-1")}).encode())


def _echo_header(peer: Peer, echo: bytes) -> None:
    line = echo.decode("latin-1").replace("\r", " ").replace("\n", " ")
    peer.answer(b"no", status="403 No", headers=f"x-error-message: {line}\r\n")


WAYS: Dict[str, Callable[[Peer, bytes], None]] = {
    "cut": lambda peer, _: None,
    "reset": lambda peer, _: _reset(peer),
    "garbage": lambda peer, echo: peer.send(b"\xff" + echo + b"\r\n\r\n"),
    "echo in HTML": lambda peer, echo: peer.answer(b"<html>" + echo),
    "echo with 403": _echo_header,
    "echo with 502": lambda peer, echo: peer.answer(echo, status="502 Bad"),
    "echo in a list": lambda peer, echo: peer.answer(json.dumps([echo.decode("latin-1")]).encode()),
    "cut body": lambda peer, echo: peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n" + echo),
    "bad length": lambda peer, echo: peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n" + echo),
    "-1": _refuse(-1),
    "-2": _refuse(-2),
    "-14": _refuse(-14),
    "-99": _refuse(-99),
}


def _media(full_url: Optional[str] = None) -> MediaInfo:
    return MediaInfo(
        "file",
        "a.bin",
        3,
        CDNMedia.from_dict({"encrypt_query_param": PARAM, "aes_key": base64.b64encode(KEY).decode()}),
    )


def _session(client: WeixinClient) -> QrLoginSession:
    return QrLoginSession(QRCODE, QRCODE, client.api.base_url)


CALLS: Dict[str, Tuple[str, Callable[[WeixinClient, Path], Any]]] = {
    "api.get_updates": ("getupdates", lambda client, _: client.api.get_updates()),
    "api.send_message": ("sendmessage", lambda client, _: client.api.send_message(MESSAGE)),
    "api.send_message, typed": (
        "sendmessage",
        lambda client, _: client.api.send_message(WeixinMessage.from_dict(MESSAGE)),
    ),
    "api.get_upload_url": (
        "getuploadurl",
        lambda client, _: client.api.get_upload_url({"filekey": FILEKEY, "aeskey": KEY.hex()}),
    ),
    "api.get_config": ("getconfig", lambda client, _: client.api.get_config("u@im", CONTEXT)),
    "api.send_typing": ("sendtyping", lambda client, _: client.api.send_typing("u@im", TICKET)),
    "api.notify_start": ("notifystart", lambda client, _: client.api.notify_start()),
    "api.notify_stop": ("notifystop", lambda client, _: client.api.notify_stop()),
    "api.get_qr_code": ("get_bot_qrcode", lambda client, _: client.api.get_qr_code(None, [LOCAL])),
    "api.get_qr_status": ("get_qrcode_status", lambda client, _: client.api.get_qr_status(QRCODE, CODE)),
    "send_text": ("sendmessage", lambda client, _: client.send_text("u@im", "hello", CONTEXT)),
    "send_media": ("sendmessage", lambda client, file: client.send_media("u@im", file, CONTEXT, caption="look")),
    "send_media, announced": ("getuploadurl", lambda client, file: client.send_media("u@im", file, CONTEXT)),
    "send_media, uploaded": ("upload", lambda client, file: client.send_media("u@im", file, CONTEXT)),
    "download": ("download", lambda client, file: client._media_door.download(_media(), file.parent)),
    "send_typing": ("sendtyping", lambda client, _: client.send_typing("u@im")),
    "run": ("sendmessage", lambda client, _: client.outbound_run("u@im", CONTEXT).tool_call_start("tool")),
    "login start": ("get_bot_qrcode", lambda client, _: client.qr_login().start(None, [LOCAL])),
    "login": (
        "get_bot_qrcode",
        lambda client, _: client.qr_login().login(on_qrcode=print, local_tokens=[LOCAL], timeout=1),
    ),
    "login, look": (
        "get_qrcode_status",
        lambda client, _: client.qr_login().poll_status(_session(client), CODE),
    ),
}
WITHOUT_CODE = ("upload", "download")  # the CDN answers without JSON
WAITS = {("login, look", "echo with 502")}  # which means to look again


def _raised(call: Callable[[WeixinClient, Path], Any], client: WeixinClient, file: Path) -> Optional[WxError]:
    try:
        call(client, file)
    except WxError as error:
        return error
    return None


def _client(base: str, **settings: Any) -> WeixinClient:
    return WeixinClient(
        WeixinConfig(
            token=TOKEN,
            base_url=base,
            cdn_base_url=base,
            send_retries=0,
            upload_tries=1,
            sends_per_second=None,
            **{"proxy": "", **settings},
        )
    )


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CALLS)
def test_no_local_of_a_failed_call_shows_a_secret(name: str, way: str, tmp_path: Path) -> None:
    target, call = CALLS[name]
    if target in WITHOUT_CODE and way.startswith(("-", "echo in", "cut body")):
        pytest.skip("no JSON is read there")
    file = tmp_path / "a.bin"
    file.write_bytes(b"abc")
    with RawServer(_handle(target, WAYS[way])) as server:
        client = _client(server.url)
        error = _raised(call, client, file)
        client.shutdown()
    assert error is not None or (name, way) in WAITS
    assert error is None or _found(error) == []


@pytest.mark.parametrize("name", CALLS)
def test_no_local_shows_a_secret_when_no_connection_can_be_made(name: str, tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(b"abc")
    client = _client("http://127.0.0.1:1", proxy=f"http://me:{PROXY}@127.0.0.1:1")
    error = _raised(CALLS[name][1], client, file)
    client.shutdown()
    assert error is not None
    assert _found(error) == []


UNUSABLE: Dict[str, Callable[[], Any]] = {
    "iLink setting": lambda: WeixinConfig(token=TOKEN, proxy=f"http://me:{PROXY}@h", max_workers=-1),
    "iLink token": lambda: WeixinConfig(token=f"{TOKEN}\n"),
    "iLink token by name and setting": lambda: WeixinConfig(TOKEN, base_url="nonsense"),
    "iLink proxy": lambda: WeixinConfig(token=TOKEN, proxy=f"socks5://me:{PROXY}@h"),
    "WeCom setting": lambda: WSClientOptions("bot", SECRET, max_workers=-1),
    "WeCom secret": lambda: WSClientOptions(bot_id="bot", secret=SECRET + "\ud800"),
    "WeCom id": lambda: WSClientOptions("", SECRET, proxy=f"http://me:{PROXY}@h"),
    "set_token": lambda: _client("http://127.0.0.1:1").set_token(f"{TOKEN}\n"),
    "set_token, server": lambda: _client("http://127.0.0.1:1").set_token(TOKEN, base_url="nonsense"),
    "context_token": lambda: _client("http://127.0.0.1:1").send_text("u@im", "x", f"{CONTEXT}\n"),
    "recipient": lambda: _client("http://127.0.0.1:1").send_text("", "x", CONTEXT),
    "text": lambda: _client("http://127.0.0.1:1").send_text("u@im", "", CONTEXT),
    "path": lambda: _client("http://127.0.0.1:1").send_media("u@im", "/nowhere", CONTEXT),
    "half of a character": lambda: _client("http://127.0.0.1:1").api.send_message({**MESSAGE, "x": "\ud800"}),
    "no JSON": lambda: _client("http://127.0.0.1:1").api.send_message({**MESSAGE, "x": object()}),
    "no message": lambda: _client("http://127.0.0.1:1").api.send_message([CONTEXT]),  # type: ignore[arg-type]
    "run_id": lambda: _client("http://127.0.0.1:1").outbound_run("u@im", CONTEXT, ""),
    "run, recipient": lambda: _client("http://127.0.0.1:1").outbound_run("", CONTEXT),
    "local tokens": lambda: StandaloneQrLogin(WeixinConfig(token=TOKEN)).start(None, LOCAL),
    "local tokens, odd": lambda: StandaloneQrLogin(WeixinConfig(token=TOKEN)).start(None, [LOCAL, 1]),  # type: ignore[list-item]
    "crypto token": lambda: WecomCrypto(TOKEN, "short"),
    "crypto key": lambda: WecomCrypto("", AES),
    "crypto receive_id": lambda: WecomCrypto(TOKEN, AES, 5),  # type: ignore[arg-type]
    "decrypt": lambda: WecomCrypto(TOKEN, AES).decrypt("bm90aGluZw=="),
    "file url": lambda: WSClient(WSClientOptions("b", SECRET)).download_file("nonsense", AES),
    "file key": lambda: WSClient(WSClientOptions("b", SECRET)).download_file("http://127.0.0.1:1/x", f"{AES}AA"),
    "folder": lambda: WSClient(WSClientOptions("b", SECRET)).save_file("http://127.0.0.1:1/x", AES, "/nowhere/at/all"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_no_local_shows_a_secret_that_came_with_something_unusable(name: str) -> None:
    with pytest.raises(WxError) as raised:
        UNUSABLE[name]()
    assert _found(raised.value) == []


WECOM_WAYS = {
    "cut": lambda peer: peer.read_request(),
    "404": lambda peer: (peer.read_request(), peer.answer(b"no", status="404 No")),
    "undecryptable": lambda peer: (peer.read_request(), peer.answer(b"x" * 64)),
    "short": lambda peer: (peer.read_request(), peer.answer(b"x" * 7)),
    "cut body": lambda peer: (peer.read_request(), peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nx")),
}


@pytest.mark.parametrize("way", WECOM_WAYS)
def test_no_local_of_a_failed_wecom_download_shows_a_secret(way: str, tmp_path: Path) -> None:
    with RawServer(WECOM_WAYS[way]) as server:  # type: ignore[arg-type]
        client = WSClient(WSClientOptions("b", SECRET, proxy=""))
        for call in (
            lambda: client.download_file(f"{server.url}/f?sign={PARAM}", AES),
            lambda: client.save_file(f"{server.url}/f?sign={PARAM}", AES, tmp_path),
        ):
            with pytest.raises(WxError) as raised:
                call()
            assert _found(raised.value) == []
        client.disconnect()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 403 No\r\n\r\n", b"\xff\xff\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])
@pytest.mark.parametrize("proxied", [False, True])
def test_no_local_of_a_failed_connect_shows_a_secret(answer: bytes, proxied: bool) -> None:
    with RawServer(lambda peer: (peer.read_head(), peer.send(answer))) as server:  # type: ignore[arg-type,return-value]
        proxy = f"http://me:{PROXY}@127.0.0.1:{server.port}" if proxied else ""
        options = WSClientOptions("b", SECRET, ws_url=server.ws_url, proxy=proxy, max_reconnect_attempts=1)
        client = WSClient(options)
        with pytest.raises(WxError) as raised:
            client.connect(wait=5)
        assert _found(raised.value) == []
        client.disconnect()
