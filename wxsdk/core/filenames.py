"""File names from the network, made harmless (docs/protocol/aibot, 6).

A name that comes out of here is a base name: it has no separator, no control or direction character, is no device, and
fits into 255 bytes with its extension. It never chooses a folder.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Dict, Iterable, Optional, Tuple
from urllib.parse import unquote_to_bytes

MAX_NAME_BYTES = 255  # of UTF-8; what ext4, APFS and NTFS take at least
_MAX_EXTENSION_BYTES = 32  # a longer "extension" is a sentence with a dot in it

# One parameter: ;name=value, the value quoted (with \" and \\ as escapes) or bare up to the next semicolon.
_PARAMETER = re.compile(r'(?:^|;)\s*([\w!#$&+.^`|~-]+\*?)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;]*))', re.DOTALL)
_ESCAPED = re.compile(r'\\(["\\])')
_BROKEN_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_EXTENDED = re.compile(r"([\w.-]+)'[^']*'(.*)", re.DOTALL)
_CHARSETS = ("utf-8", "utf8", "iso-8859-1", "us-ascii", "gbk", "gb2312", "gb18030", "big5")

_FORBIDDEN = re.compile(r'[<>:"|?*]')  # what Windows takes in no name; ":" also opens an NTFS stream
_DEVICE = re.compile(r"(?i)(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])(?=\s*(?:\.|$))")
_UNWANTED = ("Cc", "Cf", "Cs", "Zl", "Zp")  # control, direction and joiners, surrogates, line and paragraph breaks


def name_from_header(content_disposition: Optional[str], fallback: str = "file") -> str:
    """A safe file name from a Content-Disposition header: ``filename*`` first, then ``filename``, else *fallback*."""
    given = _parameters(content_disposition or "")
    for name in (_extended(given.get("filename*", "")), _plain(given.get("filename", ""))):
        if name and (safe := safe_name(name, "")):
            return safe
    return safe_name(fallback, "file")


def safe_name(name: str, fallback: str) -> str:
    """The base name of *name*, made harmless; *fallback* when nothing is left of it."""
    base = ""
    for part in re.split(r"[/\\]", name):
        base = _cleaned(part) or base
    if not base:
        return fallback
    if _DEVICE.match(base):
        base = f"_{base}"
    return _shortened(base)


def unique_in(taken: Iterable[str], name: str) -> str:
    """*name*, or "name (2).ext" and so on, whichever is not among *taken* (upper and lower case count as the same)."""
    used = {other.casefold() for other in taken}
    candidate, number = name, 1
    stem, extension = _split(name)
    while candidate.casefold() in used:
        number += 1
        mark = f" ({number}){extension}"
        candidate = _cut(stem, MAX_NAME_BYTES - len(mark.encode())) + mark
    return candidate


def _parameters(header: str) -> Dict[str, str]:
    found: Dict[str, str] = {}
    for key, quoted, bare in _PARAMETER.findall(header):
        found.setdefault(key.lower(), _ESCAPED.sub(r"\1", quoted) if quoted else bare.strip())
    return found


def _extended(value: str) -> str:
    """RFC 5987: charset'language'percent-encoded; "" when it is not that."""
    match = _EXTENDED.fullmatch(value.strip('"'))
    if not match or match.group(1).lower() not in _CHARSETS or _BROKEN_PERCENT.search(match.group(2)):
        return ""
    try:
        return unquote_to_bytes(_bytes(match.group(2))).decode(match.group(1))
    except UnicodeDecodeError:
        return ""


def _plain(value: str) -> str:
    """A quoted or bare name. Raw UTF-8 bytes, which HTTP libraries read as Latin-1, and percent codes are undone."""
    text = value.strip('"')
    raw = _bytes(text)
    if "%" in text and not _BROKEN_PERCENT.search(text):
        raw = unquote_to_bytes(raw)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return text


def _bytes(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def _cleaned(part: str) -> str:
    """*part* without what no name should have; "" for nothing, "." and ".."."""
    kept = "".join(char for char in part if unicodedata.category(char) not in _UNWANTED)
    # Windows drops dots and blanks at the end, so two names could become one there.
    return _FORBIDDEN.sub("_", kept).strip().rstrip(". ")


def _split(name: str) -> Tuple[str, str]:
    stem, dot, extension = name.rpartition(".")
    if not stem or not dot or len(extension.encode()) > _MAX_EXTENSION_BYTES:
        return name, ""
    return stem, f".{extension}"


def _shortened(name: str) -> str:
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    stem, extension = _split(name)
    return _cut(stem, MAX_NAME_BYTES - len(extension.encode())) + extension


def _cut(text: str, most: int) -> str:
    """The start of *text* in at most *most* bytes of UTF-8, cut between characters."""
    return text.encode()[:most].decode("utf-8", "ignore").rstrip(". ")
