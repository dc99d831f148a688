"""Where wxsdk means to differ from the vendors' clients on the wire, and why. Whatever else differs is a fault.

A pattern is matched against ``<action>:<place>`` as fnmatch does; tests fail for a difference that no pattern allows,
and for a pattern that allows nothing any more.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Iterable, List, NamedTuple, Set

from tests.official.compare import Difference


class Wanted(NamedTuple):
    pattern: str
    reason: str


AIBOT: List[Wanted] = [
    Wanted(
        "*:handshake.headers.sec-websocket-extensions",
        "wxsdk offers no compression: the frames are small or base64 of what is compressed already, and a gateway that "
        "is offered none has to send plain frames.",
    ),
]

_FETCH = "Only Node's fetch adds it, of its own accord; the plugin does not ask for it, and nobody is known to read it."

ILINK: List[Wanted] = [
    Wanted("*.headers.accept", _FETCH),
    Wanted("*.headers.accept-language", _FETCH),
    Wanted("*.headers.sec-fetch-mode", _FETCH),
    Wanted("*.headers.connection", "keep-alive is what HTTP/1.1 does without saying so."),
    Wanted(
        "*.headers.accept-encoding",
        "wxsdk asks for answers as they are: they are small or encrypted, and sizes are capped as they come.",
    ),
    Wanted("*.headers.user-agent", "Each client gives its own name."),
    Wanted(
        "*.json.msg.client_id", "The prefix is the client's own name (setting client_id_prefix); the rest is alike."
    ),
]


DECISIONS: List[Wanted] = [
    Wanted(
        "an agent string with a bracket that is never closed",
        "The plugin drops everything behind the bracket, wxsdk that word only: less of what the user wrote is lost.",
    ),
]


def unwanted(action: str, found: Iterable[Difference], wanted: List[Wanted], met: Set[str]) -> List[str]:
    """The differences that no pattern allows; notes the patterns that were of use in *met*."""
    left = []
    for difference in found:
        allowed = [one.pattern for one in wanted if fnmatchcase(f"{action}:{difference.where}", one.pattern)]
        met.update(allowed)
        if not allowed:
            left.append(str(difference))
    return left
