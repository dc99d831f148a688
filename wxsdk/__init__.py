"""wxsdk: the synchronous SDK for WeChat bots (personal WeChat through iLink, and WeCom AI bots)."""

from __future__ import annotations

from ._version import __version__

__all__ = ["__version__"]
