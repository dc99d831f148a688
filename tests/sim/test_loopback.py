"""The loopback server: its port, its threads, its end."""

from __future__ import annotations

import socket
import threading
from typing import Any, Iterable

import pytest
import requests

from wxsdk.sim.loopback import LoopbackServer


def hello(environ: Any, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]


def test_it_comes_back_on_its_port_after_a_stop() -> None:
    server = LoopbackServer(hello, "wxsdk-test")
    server.start()
    server.start()
    port = server.port
    assert requests.get(f"http://127.0.0.1:{port}/", timeout=5).content == b"hello"
    assert server.stop()
    assert server.stop()
    server.start()
    assert server.port == port
    assert server.stop()


def test_a_port_in_use_is_an_error_of_the_caller_and_not_the_end_of_the_process() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            LoopbackServer(hello, "wxsdk-test", taken.getsockname()[1]).start()


def test_stop_ends_an_answer_that_waits() -> None:
    entered, over = threading.Event(), threading.Event()

    def endless(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"first"
        entered.set()
        while not over.wait(0.01):
            yield b"more"

    server = LoopbackServer(endless, "wxsdk-test")
    server.start()
    with requests.get(f"http://127.0.0.1:{server.port}/", stream=True, timeout=5) as answer:
        assert answer.raw.read(5) == b"first"
        assert entered.wait(5)
        assert server.stop()
