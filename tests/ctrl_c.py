"""A Ctrl-C at every place of some code, one after the other."""

from __future__ import annotations

import linecache
import sys
from types import FrameType, ModuleType
from typing import Any, Callable, Optional, Set, Tuple


def strikes(action: Callable[[], Any], at: int, *modules: ModuleType) -> bool:
    """Run *action*, with a KeyboardInterrupt before the line of *modules* that is the *at*-th to run on this thread.

    False when it was over before. It asserts that the interrupt comes out of *action*.
    """
    files: Tuple[Optional[str], ...] = tuple(module.__file__ for module in modules)
    entered: Set[Tuple[FrameType, int]] = set()  # blocks of "with"
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        if frame.f_code.co_filename not in files:
            return None
        if event == "line" and not leaves_a_block(frame):
            count += 1
            if count == at:
                raise KeyboardInterrupt
        return trace

    def leaves_a_block(frame: FrameType) -> bool:
        # Its "with" comes by again then. The interpreter lets no signal in between the last line of a block and its
        # end, while an exception of a trace function there would leave the lock locked.
        place = frame, frame.f_lineno
        if not linecache.getline(frame.f_code.co_filename, frame.f_lineno).lstrip().startswith("with "):
            return False
        if place in entered:
            entered.remove(place)
            return True
        entered.add(place)
        return False

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    assert count < at, "the interrupt was swallowed"
    return False


def everywhere(action: Callable[[], Any], check: Callable[[], Any], *modules: ModuleType) -> int:
    """Strike at the first line, then at the second, and so on; *check* runs after each. How many there were."""
    at = 0
    while strikes(action, at + 1, *modules):
        at += 1
        try:
            check()
        except Exception as exc:
            raise AssertionError(f"after a Ctrl-C before line {at} of those that run") from exc
    return at
