"""Refuses every connection and name look-up beyond this machine, and writes it down for the test that caused it.

``conftest`` installs it in the process of the tests; ``sitecustomize`` beside it does so in every Python process that
they start, and ``guard.cjs`` in every Node process. It stands on audit hooks, so no way around ``socket`` escapes it.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import socket
import sys
import traceback
from pathlib import Path
from typing import Any, Iterator, List, Mapping, Optional, Sequence

REPORT = "WXSDK_TEST_GUARD_REPORT"  # the environment variable that names the file of violations
EXIT_CODE = 86  # of a child process that the guard ends
FOLDER = Path(__file__).parent

_owner: Optional[int] = None  # the process whose tests see AssertionError; all others are ended
_allowing_children = False


def install(*, ends_process: bool) -> None:
    """Watch this process from now on. ends_process: end it at a violation, for the processes that tests start."""
    global _owner
    _owner = None if ends_process else os.getpid()
    sys.addaudithook(_look)


def environment() -> Mapping[str, str]:
    """What a child process needs in its environment to be watched, beside REPORT."""
    paths = [str(FOLDER), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(paths), "NODE_OPTIONS": f"--require {json.dumps(str(FOLDER / 'guard.cjs'))}"}


@contextlib.contextmanager
def unwatched_children(reason: str) -> Iterator[None]:
    """Within it, this process may start programs without the guard: the installation of a tool, never a test's own."""
    global _allowing_children
    assert reason, "a child process without the guard needs a reason"
    _allowing_children = True
    try:
        yield
    finally:
        _allowing_children = False


def violations(report: Path, since: int) -> List[str]:
    """The lines written to *report* after the first *since*."""
    return report.read_text(encoding="utf-8").splitlines()[since:]


def _look(event: str, args: Any) -> None:
    watch = _WATCHES.get(event)
    if watch is not None:
        watch(*args)


def _connects(sock: socket.socket, address: Any) -> None:
    if sock.family in (socket.AF_INET, socket.AF_INET6) and address and not is_loopback(address[0]):
        _violation(f"a connection to {address[0]}")


def _looks_up(host: Any, *_: Any) -> None:
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if name in (None, "", "localhost", socket.gethostname()) or _is_address(name):
        return
    if str(name).endswith(".invalid"):  # RFC 2606: never exists
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    _violation(f"a look-up of {name!r}")


def _looks_back(address: Any, *_: Any) -> None:
    host = address[0] if isinstance(address, tuple) else address
    if not is_loopback(host) and host not in ("", "localhost", "0.0.0.0", "::", socket.gethostname()):
        _violation(f"a look-up of the address {host}")


def _starts(executable: Any, args: Sequence[Any], _folder: Any, env: Optional[Mapping[Any, Any]]) -> None:
    if _allowing_children or os.getpid() != _owner:
        return
    given = {os.fsdecode(name): os.fsdecode(value) for name, value in (os.environ if env is None else env).items()}
    words = [os.fsdecode(word) for word in ([args] if isinstance(args, (str, bytes, os.PathLike)) else args)]
    complaint = unwatched(os.path.basename(os.fsdecode(executable or words[0])), words[1:], given)
    if complaint:
        _violation(complaint)


def unwatched(program: str, arguments: Sequence[str], env: Mapping[str, str]) -> str:
    """Why a child process would escape the guard; empty when it does not."""
    if REPORT not in env:
        return f"{program} without {REPORT} in its environment"
    if str(FOLDER) not in env.get("PYTHONPATH", "").split(os.pathsep):
        return f"{program} without the guard's folder on its PYTHONPATH"
    if program.startswith("node") and "guard.cjs" not in env.get("NODE_OPTIONS", ""):
        return f"{program} without guard.cjs in its NODE_OPTIONS"
    if program.startswith("python") and any(word in ("-I", "-E", "-S") for word in arguments[:3]):
        return f"{program} with an option that leaves sitecustomize out"
    if program.startswith("chrom") and not any(word.startswith("--host-resolver-rules=") for word in arguments):
        return f"{program} without --host-resolver-rules"
    return ""


_WATCHES = {
    "socket.connect": _connects,
    "socket.sendto": _connects,
    "socket.sendmsg": _connects,
    "socket.getaddrinfo": _looks_up,
    "socket.gethostbyname": _looks_up,
    "socket.gethostbyaddr": _looks_back,
    "socket.getnameinfo": _looks_back,
    "subprocess.Popen": _starts,
}


def is_loopback(host: Any) -> bool:
    """Whether *host* is this machine by its text alone."""
    if host in ("localhost", "", None):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_address(host: Any) -> bool:
    try:
        ipaddress.ip_address(str(host).partition("%")[0])
    except ValueError:
        return False
    return True


def _violation(what: str) -> None:
    """Write *what* down; then end this process, or raise in that of the tests."""
    stack = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_stack()[-12:-3]]
    row = {"what": what, "pid": os.getpid(), "test": os.environ.get("PYTEST_CURRENT_TEST", ""), "stack": stack}
    report = os.environ.get(REPORT)
    if report:
        number = os.open(report, os.O_WRONLY | os.O_APPEND)  # one write, so that lines of two processes never mix
        try:
            os.write(number, json.dumps(row).encode() + b"\n")
        finally:
            os.close(number)
    if os.getpid() != _owner:
        sys.stderr.write(f"wxsdk's tests stay on this machine: {what}\n" + "\n".join(stack) + "\n")
        sys.stderr.flush()
        os._exit(EXIT_CODE)
    raise AssertionError(f"a test tried {what}")
