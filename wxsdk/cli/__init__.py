"""The command line: ``wxsdk``, or ``python -m wxsdk``."""

from __future__ import annotations

from .main import main

__all__ = ["main"]
