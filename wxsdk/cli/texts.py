"""Gives the command line's texts in the language of the person."""

from __future__ import annotations

import os
import sys
from typing import Any, Mapping, Optional

from .texts_en import ENGLISH
from .texts_zh import CHINESE

_CATALOGUES = {"en": ENGLISH, "zh": CHINESE}
_language: Optional[str] = None  # decided at the first text


def text(key: str, **values: Any) -> str:
    """Return the text called *key*, with *values* filled in."""
    return _CATALOGUES[_current()][key].format(**values)


def use(language: Optional[str]) -> None:
    """Use *language*, "en" or "zh", from now on; None: decide by the environment at the next text."""
    global _language
    _language = language


def language_of(environment: Mapping[str, str], encoding: Optional[str]) -> str:
    """Return "zh" where the locale is Chinese and the output's *encoding* has Chinese characters, else "en".

    WXSDK_LANG comes before LC_ALL, LC_MESSAGES and LANG.
    """
    names = ("WXSDK_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
    locale = next((environment[name] for name in names if environment.get(name)), "")
    if not locale.lower().startswith("zh"):
        return "en"
    try:
        "中文".encode(encoding or "utf-8")
    except (LookupError, UnicodeError):
        return "en"
    return "zh"


def _current() -> str:
    global _language
    if _language is None:
        _language = language_of(os.environ, getattr(sys.stdout, "encoding", None))
    return _language
