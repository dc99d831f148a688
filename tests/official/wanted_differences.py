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

ILINK: List[Wanted] = []


def unwanted(action: str, found: Iterable[Difference], wanted: List[Wanted], met: Set[str]) -> List[str]:
    """The differences that no pattern allows; notes the patterns that were of use in *met*."""
    left = []
    for difference in found:
        allowed = [one.pattern for one in wanted if fnmatchcase(f"{action}:{difference.where}", one.pattern)]
        met.update(allowed)
        if not allowed:
            left.append(str(difference))
    return left
