"""Says who uses a port, so that a person can end it."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from typing import Iterator, Optional, Tuple

from ..errors import ConfigError
from .texts import text

_LISTENING = "0A"  # the state of a socket in /proc/net/tcp; proc(5)


def check_port(port: int) -> None:
    """Raise ConfigError with who uses it when *port* of 127.0.0.1 is in use; 0 never is."""
    with socket.socket() as probe:
        if os.name == "posix":  # as servers do: a port of connections that have just ended is free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError as exc:
            raise ConfigError(text("port.refused", port=port), remedy=text("port.used.remedy")) from exc
        except OSError as exc:
            owner = port_owner(port)
            named = "" if owner is None else text("port.used.by", pid=owner[0], name=owner[1])
            raise ConfigError(text("port.used", port=port, owner=named), remedy=text("port.used.remedy")) from exc


def port_owner(port: int) -> Optional[Tuple[int, str]]:
    """Return process id and name of who listens on *port*; None where that cannot be seen. Linux only."""
    inodes = {inode for inode, listens_on in _listening() if listens_on == port}
    if not inodes:
        return None
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # another user's, or gone by now
            if any(os.readlink(link) in wanted for link in (process / "fd").iterdir()):
                return int(process.name), (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
    return None


def _listening() -> Iterator[Tuple[str, int]]:
    """Give inode and port of each listening TCP socket."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING:
                    yield fields[9], int(fields[1].rpartition(":")[2], 16)
