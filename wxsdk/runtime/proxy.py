"""HTTP proxies: what a URL says of one, read once so that both doors ask the same in the same name; and tunnels."""

from __future__ import annotations

import base64
import http.client
from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Optional
from urllib.parse import quote_from_bytes, unquote_to_bytes, urlsplit

from ..core.redact import Secret, SecretBytes
from ..errors import ConfigError

DEFAULT_PORT = 80  # of an http URL that names none (RFC 9110, 4.2.1), which is what requests makes of a proxy's, too
LOGIN_WANTED = 407  # Proxy Authentication Required; RFC 9110, 15.5.8


class TunnelRefused(OSError):
    """The proxy answered the request for a tunnel with the HTTP *status*."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP status {status}")
        self.status = status

    @property
    def remedy(self) -> str:
        if self.status == LOGIN_WANTED:
            return "Check the user and the password in the proxy's URL."
        return "Check whether the proxy may, and can, connect to this host and port."


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy. *login*: its ``user:password`` as they are, percent-decoded; None for none."""

    host: str
    port: int
    login: Optional[bytes] = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Its whole address, the port always there, and the login percent-encoded."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        login = "" if self.login is None else f"{quote_from_bytes(self.login, safe=':')}@"
        return Secret(f"http://{login}{host}:{self.port}")

    @property
    def headers(self) -> Dict[str, str]:
        """The headers that introduce us to it."""
        if self.login is None:
            return {}
        return {"Proxy-Authorization": Secret("Basic " + base64.b64encode(self.login).decode())}


def read_proxy(url: str) -> Proxy:
    """The http proxy that *url* (``[http://][user:password@]host[:port]``) names; ConfigError for any other kind.

    User and password are percent-decoded, as everywhere in URLs; beyond ASCII they are UTF-8. A SOCKS proxy is refused,
    not passed by: whoever set it does not want direct connections.
    """
    url = Secret(url)
    parts = urlsplit(url if "//" in url else f"//{url}", scheme="http")
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme != "http" or not parts.hostname or port == -1:
        raise ConfigError(
            "The proxy is not usable.",
            remedy="Give it as http://host:port, with %40 for @, %3A for : and %2F for / in a user or a password.",
        )
    login = None
    if parts.username is not None:
        login = unquote_to_bytes(parts.username) + b":" + unquote_to_bytes(parts.password or "")
    return Proxy(parts.hostname, port or DEFAULT_PORT, login)


def open_tunnel(sock: Any, host: str, port: int, headers: Mapping[str, str]) -> None:
    """Let the proxy that *sock* is connected to connect it to *host* (RFC 9110, 9.3.6). headers: those of ``Proxy``.

    Raises TunnelRefused, HTTPException for an answer that is none, ValueError for a host that is none, and OSError.
    """
    name = f"[{host}]" if ":" in host else host.encode("idna").decode("ascii")
    rows = {"Host": f"{name}:{port}", **headers}
    head = f"CONNECT {name}:{port} HTTP/1.1\r\n" + "".join(f"{row}: {value}\r\n" for row, value in rows.items())
    sock.sendall(SecretBytes(f"{head}\r\n".encode("ascii")))
    answer = http.client.HTTPResponse(sock, method="CONNECT")
    try:
        answer.begin()
        if not 200 <= answer.status < 300:
            raise TunnelRefused(answer.status)
    finally:
        answer.close()
