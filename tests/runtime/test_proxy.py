"""What the URL of a proxy says, and asking one for a tunnel."""

from __future__ import annotations

import base64
import io

import pytest

from wxsdk.errors import ConfigError
from wxsdk.runtime.http import HttpDoor
from wxsdk.runtime.proxy import Proxy, TunnelRefused, open_tunnel, read_proxy

# How a user and a password are written in a URL, and what the proxy is to be told.
LOGINS = [
    ("me:word", "me:word"),
    ("us%20er:p%40ss%3A%2F%25", "us er:p@ss:/%"),
    ("me:p@s:s", "me:p@s:s"),
    ("me:50%", "me:50%"),
    ("m%C3%A9:%E5%AF%86%E7%A0%81", "mé:密码"),
    ("only-a-user", "only-a-user:"),
    (":only-a-word", ":only-a-word"),
]


def test_a_proxy_is_read_into_its_parts() -> None:
    assert read_proxy("http://me:word@host.example:3128") == Proxy("host.example", 3128, b"me:word")
    assert read_proxy("host.example:3128") == Proxy("host.example", 3128)
    assert read_proxy("http://[::1]:3128/") == Proxy("::1", 3128)


def test_a_proxy_without_a_port_means_that_of_http_which_both_doors_are_told() -> None:
    for url in ("http://host.example", "host.example", "http://host.example:0/"):
        assert read_proxy(url) == Proxy("host.example", 80)
    assert HttpDoor(proxy="host.example")._proxies("https://somewhere.invalid/")["https"] == "http://host.example:80"


@pytest.mark.parametrize(("written", "meant"), LOGINS)
def test_the_login_is_percent_decoded(written: str, meant: str) -> None:
    proxy = read_proxy(f"http://{written}@host.example:3128")
    assert proxy.login == meant.encode()
    assert proxy.headers == {"Proxy-Authorization": "Basic " + base64.b64encode(meant.encode()).decode()}


@pytest.mark.parametrize(
    "url", ["http://h:1", "http://[::1]:1", *(f"http://{written}@h:1" for written, _ in LOGINS)], ids=repr
)
def test_the_whole_url_of_a_proxy_means_the_same(url: str) -> None:
    proxy = read_proxy(url)
    assert read_proxy(proxy.url) == proxy


def test_without_a_login_there_is_no_header() -> None:
    assert read_proxy("http://host.example:3128").headers == {}


def test_no_repr_shows_the_login() -> None:
    assert "canary" not in repr(read_proxy("http://canary:canary@host.example"))


@pytest.mark.parametrize("url", ["socks5://127.0.0.1:1080", "ftp://127.0.0.1:1", "http://", "http://127.0.0.1:x"])
def test_a_proxy_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="proxy"):
        read_proxy(url)


def test_a_password_that_breaks_the_url_is_refused_with_the_way_to_write_it() -> None:
    with pytest.raises(ConfigError, match="%2F for /") as caught:
        read_proxy("http://me:can/ary@host.example:3128")
    assert "ary" not in str(caught.value)


class Line:
    """A connected socket to a proxy that has answered already."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self.sent = b""

    def sendall(self, data: bytes) -> None:
        self.sent += data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._answer)


@pytest.mark.parametrize(
    ("host", "name"), [("host.example", "host.example"), ("::1", "[::1]"), ("bücher.example", "xn--bcher-kva.example")]
)
def test_a_tunnel_is_asked_for_in_the_form_of_http_1_1(host: str, name: str) -> None:
    line = Line(b"HTTP/1.1 204 Fine\r\nVia: x\r\n\r\n")
    open_tunnel(line, host, 443, Proxy("p", 1, b"me:word").headers)
    assert line.sent.decode() == (
        f"CONNECT {name}:443 HTTP/1.1\r\nHost: {name}:443\r\nProxy-Authorization: Basic bWU6d29yZA==\r\n\r\n"
    )


def test_a_tunnel_that_is_refused_tells_the_status() -> None:
    with pytest.raises(TunnelRefused) as caught:
        open_tunnel(Line(b"HTTP/1.1 407 No\r\nContent-Length: 9\r\n\r\nsome body"), "h", 80, {})
    assert caught.value.status == 407
