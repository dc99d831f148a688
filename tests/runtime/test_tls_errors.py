"""Why a TLS connection failed: the reason, and what to do."""

from __future__ import annotations

import datetime
import ssl
import subprocess
from pathlib import Path
from typing import Any, Callable, Dict

import pytest

from wxsdk.errors import TransportError
from wxsdk.runtime.http import HttpDoor
from wxsdk.runtime.tls_errors import explain_tls
from wxsdk.runtime.wsock import WsDoor

from .servers import Peer, RawServer, answering


def _certificate(folder: Path, *, host: str = "IP:127.0.0.1", days: int = 2) -> Path:
    """A self-signed certificate for *host*, with its key in the same file; expired with a negative number of days."""
    config = folder / "request.cnf"
    config.write_text(
        "[req]\ndistinguished_name=name\nx509_extensions=more\nprompt=no\n[name]\nCN=x\n"
        f"[more]\nsubjectAltName={host}\nbasicConstraints=critical,CA:true\n"
    )
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(folder / "key")]
    request = ["openssl", "req", "-new", *key, "-config", str(config), "-out", str(folder / "request")]
    subprocess.run(request, check=True, capture_output=True, timeout=30)
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
    begin = end - datetime.timedelta(days=30)
    ca = ["openssl", "ca", "-batch", "-selfsign", "-keyfile", str(folder / "key"), "-in", str(folder / "request")]
    (folder / "index").touch()
    (folder / "serial").write_text("01")
    (folder / "ca.cnf").write_text(
        f"[ca]\ndefault_ca=here\n[here]\ndatabase={folder}/index\nserial={folder}/serial\nnew_certs_dir={folder}\n"
        f"default_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n[more]\nsubjectAltName={host}\n"
        "basicConstraints=critical,CA:true\n"
    )
    dates = ["-startdate", f"{begin:%Y%m%d%H%M%SZ}", "-enddate", f"{end:%Y%m%d%H%M%SZ}"]
    made = [*ca, *dates, "-config", str(folder / "ca.cnf"), "-extensions", "more", "-out", str(folder / "cert")]
    subprocess.run(made, check=True, capture_output=True, timeout=30)
    whole = folder / "both.pem"
    whole.write_text((folder / "key").read_text() + (folder / "cert").read_text())
    return whole


def _serving(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def _by_http(server: RawServer, context: ssl.SSLContext) -> TransportError:
    door = HttpDoor(proxy="", ssl_context=context)
    with pytest.raises(TransportError) as raised:
        door.request("GET", f"https://127.0.0.1:{server.port}/", timeout=10)
    door.close()
    return raised.value


def _by_websocket(server: RawServer, context: ssl.SSLContext) -> TransportError:
    with pytest.raises(TransportError) as raised:
        WsDoor(proxy="", ssl_context=context).open(
            f"wss://127.0.0.1:{server.port}/", timeout=10, max_message_bytes=1000
        )
    return raised.value


ROADS: Dict[str, Callable[[RawServer, ssl.SSLContext], TransportError]] = {
    "http": _by_http,
    "websocket": _by_websocket,
}


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize(
    ("made", "trusts", "words"),
    [
        ({"days": -1}, True, ("expired", "clock")),
        ({"host": "DNS:elsewhere.example"}, True, ("another", "address")),
        ({}, False, ("self-signed", "REQUESTS_CA_BUNDLE")),
    ],
)
def test_a_certificate_that_is_refused_is_refused_with_the_reason(
    road: str, made: Dict[str, Any], trusts: bool, words: Any, tmp_path: Path
) -> None:
    certificate = _certificate(tmp_path, **made)
    context = ssl.create_default_context(cafile=str(certificate) if trusts else None)
    with RawServer(answering(), tls=_serving(certificate)) as server:
        error = ROADS[road](server, context)
    assert (error.kind, error.may_have_been_sent) == ("tls", False)
    for word in words:
        assert word in str(error)


@pytest.mark.parametrize("road", ROADS)
def test_a_server_that_does_not_speak_tls_is_named_as_such(road: str) -> None:
    def plain(peer: Peer) -> None:
        peer.sock.recv(1000)
        peer.send(b"HTTP/1.1 400 No\r\n\r\n")

    with RawServer(plain) as server:
        error = ROADS[road](server, ssl.create_default_context())
    assert error.kind == "tls"
    assert "does not speak TLS" in str(error)
    assert error.remedy


@pytest.mark.parametrize("error", [ssl.SSLEOFError(8, "EOF"), ssl.SSLZeroReturnError(6, "closed")])
def test_a_connection_that_was_cut_is_not_called_a_failure_of_tls(error: ssl.SSLError) -> None:
    kind, _, remedy = explain_tls(error)
    assert kind == "tcp"
    assert remedy


def test_a_reason_that_is_not_known_is_quoted() -> None:
    error = ssl.SSLError(1, "[SSL: ODD_REASON] odd")
    error.reason = "ODD_REASON"
    kind, what, remedy = explain_tls(error)
    assert (kind, bool(remedy)) == ("tls", True)
    assert "ODD_REASON" in what
