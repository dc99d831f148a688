"""Every stage of every iLink exchange may be cut, closed or answered with garbage: what the caller gets, by any road.

The server of these tests is scripted byte by byte, since the trouble lies below what the simulator speaks.
"""

from __future__ import annotations

import errno
import json
import socket
import ssl
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional

import pytest

from tests.ilink.bots import Recorder
from tests.runtime.conftest import certificate, server_tls
from tests.runtime.servers import Peer, RawServer
from wxsdk.errors import DownloadFailed, MediaError, TransportError, UploadFailed, WxError
from wxsdk.health import HealthState
from wxsdk.ilink.client import WeixinClient
from wxsdk.ilink.config import WeixinConfig
from wxsdk.ilink.media import MediaInfo
from wxsdk.ilink.wire import CDNMedia
from wxsdk.runtime import sockets
from wxsdk.testing import FakeClock

from .waiting import WAIT, until

__all__ = ["certificate", "server_tls"]

GOOD: Dict[str, Dict[str, Any]] = {
    "getuploadurl": {"upload_param": "somewhere"},
    "getconfig": {"typing_ticket": "ticket"},
    "sendmessage": {"message_id": "7"},
}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def _reset(peer: Peer) -> None:
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # Not through TLS, which would say good-bye first.
    socket.socket.close(peer.sock)


def _after(data: bytes, then: Callable[[Peer], None]) -> Callable[[Peer], None]:
    def act(peer: Peer) -> None:
        peer.read_request()
        peer.send(data)
        then(peer)

    return act


def _close(peer: Peer) -> None:
    peer.sock.close()


def _claim(length: str) -> Callable[[Peer], None]:
    return _after(HEAD + f"Content-Length: {length}\r\n\r\n{{}}".encode(), _close)


@dataclass
class Stage:
    """act: what the server does. kinds: those that the TransportError may have."""

    act: Callable[[Peer], None]
    kinds: str


BEFORE = {  # before any byte of the request is read
    "reset at once": Stage(_reset, "tcp"),
    "closed at once": Stage(_close, "tcp http"),
}
STAGES = {
    "reset before the status": Stage(_after(b"", _reset), "tcp"),
    "closed before the status": Stage(_after(b"", _close), "tcp"),
    "reset in the status": Stage(_after(b"HTTP/1.1 2", _reset), "tcp"),
    "closed in the status": Stage(_after(b"HTTP/1.1 2", _close), "tcp"),
    "garbage for a status": Stage(_after(b"\x00\xff\xfe\r\n\r\n", _close), "http"),
    "reset in the headers": Stage(_after(HEAD + b"X-Half", _reset), "tcp"),
    "closed in the headers": Stage(_after(HEAD + b"X-Half", _close), "tcp"),
    "closed after a header": Stage(_after(HEAD, _close), "tcp"),
    "garbage for headers": Stage(_after(b"HTTP/1.1 200 OK\r\n" + b"\x00 \xff\r\n" * 3 + b"\r\n{", _close), "http"),
    "endless header": Stage(_after(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000, _close), "http"),
    "reset in the body": Stage(_after(HEAD + b'Content-Length: 50\r\n\r\n{"ret"', _reset), "tcp http"),
    "closed in the body": Stage(_after(HEAD + b'Content-Length: 50\r\n\r\n{"ret"', _close), "http tcp"),
    "a broken chunk": Stage(_after(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}", _close), "http"),
    "a reset chunk": Stage(_after(HEAD + b"Transfer-Encoding: chunked\r\n\r\n50\r\n{}", _reset), "tcp http"),
    "a length of 5,000 digits": Stage(_claim("9" * 5000), "http"),
    "a negative length": Stage(_claim("-5"), "http"),
    "a length that is no number": Stage(_claim("two"), "http"),
    "a length of other digits": Stage(_claim("²"), "http"),
    "two lengths": Stage(_claim("2, 3"), "http"),
    "an empty length": Stage(_claim(""), "http"),
}


def _media(client: WeixinClient) -> MediaInfo:
    return MediaInfo("file", "a.bin", 3, CDNMedia(encrypt_query_param="p", aes_key="MDEyMzQ1Njc4OWFiY2RlZg=="))  # type: ignore[arg-type]


EXCHANGES: Dict[str, Callable[[WeixinClient, Path], Any]] = {
    "getupdates": lambda client, _: client.api.get_updates(timeout=WAIT),
    "sendmessage": lambda client, _: client.send_text("u@im", "hello", "token-of-the-user"),
    "getuploadurl": lambda client, file: client.send_media("u@im", file, "token-of-the-user"),
    "upload": lambda client, file: client.send_media("u@im", file, "token-of-the-user"),
    "download": lambda client, file: client._media_door.download(_media(client), file.parent),
    "getconfig": lambda client, _: client.api.get_config("u@im"),
    "sendtyping": lambda client, _: client.send_typing("u@im"),
    "notifystart": lambda client, _: client.api.notify_start(),
    "get_bot_qrcode": lambda client, _: client.qr_login().start(),
    "get_qrcode_status": lambda client, _: client.api.get_qr_status("code"),
}


class Server:
    """Answers everything well but the one *exchange*, at which *stage* acts. *road*: "http", "https" or "proxy"."""

    def __init__(self, exchange: str, stage: Stage, road: str, tls: Optional[ssl.SSLContext]) -> None:
        self._exchange, self._stage, self._road = exchange, stage, road
        self._early = stage in BEFORE.values()
        self.raw = RawServer(self._serve, None if road == "proxy" else tls)
        self._tls = tls

    def _serve(self, peer: Peer) -> None:
        if self._road == "proxy":
            peer.read_head()
            peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            assert self._tls is not None
            peer.sock = self._tls.wrap_socket(peer.sock, server_side=True)
        if self._early and self._is_turn(""):
            self._stage.act(peer)
            return
        while True:
            head = peer.sock.recv(65_536, socket.MSG_PEEK) if not isinstance(peer.sock, ssl.SSLSocket) else b""
            if head and self._is_turn(head.split(b" ")[1].decode()):
                self._stage.act(peer)
                return
            if isinstance(peer.sock, ssl.SSLSocket):
                peer = _Peeked(peer)
                if self._is_turn(peer.path):
                    self._stage.act(peer)
                    return
            request = peer.read_request()
            if request is None:
                return
            name = request.path.split("?")[0].rsplit("/", 1)[-1]
            peer.answer(json.dumps(GOOD.get(name, {})).encode(), headers="x-encrypted-param: p\r\n")

    def _is_turn(self, path: str) -> bool:
        return not path or path.split("?")[0].endswith(f"/{self._exchange}")


class _Peeked(Peer):
    """A TLS peer whose next head was read, and is read again by ``read_request``."""

    def __init__(self, peer: Peer) -> None:
        super().__init__(peer.sock, peer.server)
        self._head = super().read_head()
        self.path = self._head.split(b" ")[1].decode() if self._head else "/"

    def read_head(self) -> bytes:
        head, self._head = self._head, b""
        return head or super().read_head()


def _config(server: RawServer, road: str) -> WeixinConfig:
    base = f"https://127.0.0.1:{server.port}" if road != "http" else server.url
    return WeixinConfig(
        token="the-token-of-this-test",
        base_url=base,
        cdn_base_url=base,
        proxy=f"http://127.0.0.1:{server.port}" if road == "proxy" else "",
        send_retries=0,
        upload_tries=1,
        sends_per_second=None,
        api_timeout=WAIT,
        light_timeout=WAIT,
        qr_status_timeout=WAIT,
    )


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))


def _transport_error(error: WxError) -> TransportError:
    found: Any = error.__cause__ if isinstance(error, MediaError) else error
    assert isinstance(found, TransportError), repr(error)
    return found


@pytest.mark.parametrize("road", ["http", "https", "proxy"])
@pytest.mark.parametrize("exchange", EXCHANGES)
def test_trouble_at_any_stage_is_a_transport_error_with_its_kind(
    exchange: str, road: str, server_tls: ssl.SSLContext, trusted: None, tmp_path: Path
) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(b"abc")
    for name, stage in {**STAGES, **BEFORE}.items():
        early = stage in BEFORE.values()
        if early and exchange in ("upload", "sendtyping"):
            continue  # the first connection is that of another exchange
        if name == "garbage for headers" and exchange in ("upload", "download"):
            continue  # a whole answer, if an odd one: what it lacks is another test's
        server = Server(exchange, stage, road, None if road == "http" else server_tls)
        with server.raw as raw:
            client = WeixinClient(_config(raw, road))
            with pytest.raises(WxError) as raised:
                EXCHANGES[exchange](client, file)
            client.shutdown()
        assert server.raw.failures == [], name
        error = _transport_error(raised.value)
        told = f"{name}: {error.kind} {error.may_have_been_sent} {raised.value}"
        assert error.kind in stage.kinds.split(), told
        if not early:  # the request may have been written before the reset came
            assert error.may_have_been_sent is True, told
        assert error.remedy, told
        assert isinstance(raised.value, UploadFailed) == (exchange == "upload"), told
        assert isinstance(raised.value, DownloadFailed) == (exchange == "download"), told
        assert [path.name for path in tmp_path.iterdir()] == ["a.bin"], told


PROXY_ANSWERS = {
    "reset at once": (lambda peer: _reset(peer), "tcp"),
    "closed at once": (lambda peer: _close(peer), "tcp http"),
    "reset after CONNECT": (lambda peer: (peer.read_head(), _reset(peer)), "tcp"),
    "closed after CONNECT": (lambda peer: (peer.read_head(), _close(peer)), "tcp http"),
    "garbage": (lambda peer: (peer.read_head(), peer.send(b"\x00\xff\r\n\r\n"), _close(peer)), "http"),
    "half a head": (lambda peer: (peer.read_head(), peer.send(b"HTTP/1.1 200 OK\r\nX"), _close(peer)), "http tcp"),
    "407": (lambda peer: (peer.read_head(), peer.send(b"HTTP/1.1 407 No\r\n\r\n")), "http"),
    "502": (lambda peer: (peer.read_head(), peer.send(b"HTTP/1.1 502 No\r\nContent-Length: 1\r\n\r\nx")), "http"),
}


@pytest.mark.parametrize("name", PROXY_ANSWERS)
def test_trouble_with_the_proxy_delivers_nothing_and_names_the_proxy(name: str) -> None:
    act, kinds = PROXY_ANSWERS[name]
    with RawServer(act) as server:  # type: ignore[arg-type]
        client = WeixinClient(_config(server, "proxy"))
        for exchange in ("getupdates", "sendmessage", "getconfig", "get_bot_qrcode"):
            with pytest.raises(TransportError) as raised:
                EXCHANGES[exchange](client, Path())
            assert raised.value.kind in kinds.split(), str(raised.value)
            assert raised.value.may_have_been_sent is False
            assert "proxy" in str(raised.value)
        client.shutdown()


def test_many_sends_to_a_server_that_resets_while_connecting_all_raise_transport_errors() -> None:
    failures: List[TransportError] = []
    with RawServer(_reset) as server:
        client = WeixinClient(_config(server, "http"))
        for _ in range(200):
            with pytest.raises(TransportError) as raised:
                client.send_text("u@im", "hello", "token")
            failures.append(raised.value)
        client.shutdown()
    assert {error.kind for error in failures} == {"tcp"}


@pytest.mark.parametrize("number", [errno.ECONNRESET, errno.EPIPE, errno.ECONNREFUSED, errno.ENETUNREACH])
@pytest.mark.parametrize("road", ["http", "https", "proxy"])
def test_what_fails_while_connecting_has_delivered_nothing(
    road: str, number: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*_: Any) -> Any:
        raise OSError(number, "it failed")

    monkeypatch.setattr(sockets, "connect", fail)
    (tmp_path / "a.bin").write_bytes(b"abc")
    with RawServer(_close) as server:
        client = WeixinClient(_config(server, road))
        for exchange in EXCHANGES.values():
            with pytest.raises(WxError) as raised:
                exchange(client, tmp_path / "a.bin")
            error = _transport_error(raised.value)
            assert (error.kind, error.may_have_been_sent) == ("tcp", False), str(error)
        client.shutdown()


@pytest.fixture
def resetting() -> Iterator[RawServer]:
    with RawServer(_reset) as server:
        yield server


def test_receiving_lives_through_resets_while_connecting(resetting: RawServer) -> None:
    clock, handler = FakeClock(), Recorder()
    client = WeixinClient(_config(resetting, "http"), handler, _clock=clock)
    client.start()
    for _ in range(5):
        clock.wait_parked(name="wxsdk-ilink-poll")
        clock.advance(clock.next_deadline() or 0.0)
    until(lambda: client.health().retries >= 3)
    assert client.health().state is HealthState.RETRYING
    assert client.shutdown()
    assert all(isinstance(error, TransportError) and error.kind == "tcp" for error in handler.errors)
