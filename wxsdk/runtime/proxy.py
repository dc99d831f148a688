"""What the URL of a proxy says, read in one place, so that both doors ask the same proxy in the same name."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Dict, Optional
from urllib.parse import quote_from_bytes, unquote_to_bytes, urlsplit

from ..errors import ConfigError

DEFAULT_PORT = 80  # of an http URL that names none (RFC 9110, 4.2.1), which is what requests makes of a proxy's, too


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
        return f"http://{login}{host}:{self.port}"

    @property
    def headers(self) -> Dict[str, str]:
        """The headers that introduce us to it."""
        if self.login is None:
            return {}
        return {"Proxy-Authorization": "Basic " + base64.b64encode(self.login).decode()}


def read_proxy(url: str) -> Proxy:
    """The http proxy that *url* (``[http://][user:password@]host[:port]``) names; ConfigError for any other kind.

    User and password are percent-decoded, as everywhere in URLs; beyond ASCII they are UTF-8. A SOCKS proxy is refused,
    not passed by: whoever set it does not want direct connections.
    """
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
