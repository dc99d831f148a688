from __future__ import annotations

import contextlib
import logging
import pathlib

import pytest
import urllib3

from wxsdk.errors import TransportError
from wxsdk.runtime.http import HttpDoor
from wxsdk.runtime.httplog import LOGGERS, own_exchange

from .servers import Peer, RawServer

ADDRESS = 'http://h "GET /download?encrypted_query_param=secret HTTP/1.1" 200 5'


@pytest.mark.parametrize("logger", LOGGERS)
def test_addresses_of_our_requests_lose_their_queries(logger: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with own_exchange():
        logging.getLogger(logger).debug(ADDRESS)
    assert "secret" not in caplog.text
    assert "/download" in caplog.text


def test_those_of_others_stay_as_they_are(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3.connectionpool").debug(ADDRESS)
    assert "secret" in caplog.text


def test_what_a_server_sent_in_broken_headers_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    def answer(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nyou sent secret-token\r\nX: y\r\n\r\n")

    caplog.set_level(logging.DEBUG)
    door = HttpDoor(proxy="")
    with RawServer(answer) as server:
        with contextlib.suppress(TransportError):  # whether it is an answer at all depends on Python's version
            door.request("GET", f"{server.url}/c2c/download?encrypted_query_param=secret-param", timeout=10)
        door.close()
    assert "HeaderParsingError" in caplog.text
    assert "secret" not in caplog.text


def test_every_module_of_urllib3_that_logs_is_watched() -> None:
    root = pathlib.Path(urllib3.__file__).parent
    logging_ones = [path for path in root.rglob("*.py") if "getLogger(__name__)" in path.read_text(encoding="utf-8")]
    names = {".".join(("urllib3", *path.relative_to(root).with_suffix("").parts)) for path in logging_ones}
    names = {name.replace(".__init__", "") for name in names if ".emscripten" not in name}  # only in browsers
    assert names <= set(LOGGERS)
