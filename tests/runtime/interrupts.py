"""Ctrl-C at each point at which the main thread would hear it, one after the other."""

from __future__ import annotations

import sys
import types
from typing import Any


class Interrupter:
    """Raises KeyboardInterrupt at the *number*-th point of *modules* at which this thread would hear a signal.

    Those are where a function begins and where a call of a C function has returned; so it is from Python 3.10 on.
    """

    def __init__(self, number: int, *modules: types.ModuleType) -> None:
        self._left = number
        self._files = {module.__file__ for module in modules}

    def __enter__(self) -> None:
        sys.setprofile(self._look)

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _look(self, frame: types.FrameType, event: str, arg: Any) -> None:
        if event in ("call", "c_return") and frame.f_code.co_filename in self._files:
            self._left -= 1
            if self._left == -1:
                raise KeyboardInterrupt
