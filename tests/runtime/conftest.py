"""A certificate for 127.0.0.1 and localhost, made once a run."""

from __future__ import annotations

import pathlib
import shutil
import ssl
import subprocess

import pytest


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A file with a self-signed certificate; its key is beside it in key.pem."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("the openssl command, which makes the certificate, is not there")
    folder = tmp_path_factory.mktemp("certificate")
    config = folder / "request.cnf"
    config.write_text(
        "[req]\ndistinguished_name=name\nx509_extensions=more\nprompt=no\n[name]\nCN=localhost\n"
        "[more]\nsubjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=critical,CA:true\n"
    )
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(folder / "key.pem")]
    made = subprocess.run(
        [openssl, "req", "-x509", *key, "-days", "2", "-config", str(config), "-out", str(folder / "cert.pem")],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"openssl could not make a certificate: {made.stderr}")
    return folder / "cert.pem"


@pytest.fixture(scope="session")
def server_tls(certificate: pathlib.Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    return context


@pytest.fixture
def payload(tmp_path: pathlib.Path) -> pathlib.Path:
    """A file that is not a multiple of any block."""
    path = tmp_path / "report.bin"
    path.write_bytes(bytes(range(256)) * 4099 + b"end")
    return path
