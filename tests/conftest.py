"""What holds for every test: nothing is left running, nothing leaves this machine, hypothesis has no stopwatch."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any, Iterator

import pytest
from hypothesis import HealthCheck, settings

from wxsdk.testing import no_leaks

settings.register_profile(
    "wxsdk", deadline=None, max_examples=50, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("wxsdk")

_connect, _connect_ex, _getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "may_leak(reason): leave out the check for threads and sockets left behind")


@pytest.fixture(autouse=True)
def _leaves_nothing_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    marker = request.node.get_closest_marker("may_leak")
    if marker is None:
        with no_leaks():
            yield
    else:
        assert marker.kwargs.get("reason"), "may_leak needs a reason"
        yield


@pytest.fixture(autouse=True, scope="session")
def _stays_on_this_machine() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", _guarded_connect)
    patch.setattr(socket.socket, "connect_ex", _guarded_connect_ex)
    patch.setattr(socket, "getaddrinfo", _guarded_getaddrinfo)
    # What the environment says of proxies and certificates would take part in every test.
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        patch.delenv(name, raising=False)
        patch.delenv(name.upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        patch.delenv(name, raising=False)
    yield
    patch.undo()


def _is_local(host: Any) -> bool:
    if host in ("localhost", "", None):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refuse_strangers(sock: socket.socket, address: Any) -> None:
    if sock.family in (socket.AF_INET, socket.AF_INET6) and not _is_local(address[0]):
        raise AssertionError(f"a test tried to connect to {address[0]}")


def _guarded_connect(sock: socket.socket, address: Any) -> None:
    _refuse_strangers(sock, address)
    return _connect(sock, address)


def _guarded_connect_ex(sock: socket.socket, address: Any) -> int:
    _refuse_strangers(sock, address)
    return _connect_ex(sock, address)


def _guarded_getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
    name = host.decode() if isinstance(host, bytes) else host
    if isinstance(name, str) and name.endswith(".invalid"):  # RFC 2606: never exists
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    try:
        ipaddress.ip_address(name)
    except ValueError:
        if not _is_local(name):
            raise AssertionError(f"a test tried to look up {name!r}") from None
    return _getaddrinfo(host, *args, **kwargs)
