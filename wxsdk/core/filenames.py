"""Makes harmless file names of what the network says, and finds a file's type by its first bytes.

A name that comes out of here is a base name: it has no separator, no control or direction character, is no device, is
not hidden, and fits into 255 bytes with its extension. It never chooses a folder (docs/protocol/aibot, 6).
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

HEAD_BYTES = 64  # of a file, enough for ``extension_of``
# What files of a type begin with: the first bytes, and what stands from a later place on (the file signatures that
# "file" and the IANA media type registrations list).
_SIGNATURES: Tuple[Tuple[str, bytes, int, bytes], ...] = (
    (".png", b"\x89PNG\r\n\x1a\n", 0, b""),
    (".jpg", b"\xff\xd8\xff", 0, b""),
    (".gif", b"GIF87a", 0, b""),
    (".gif", b"GIF89a", 0, b""),
    (".webp", b"RIFF", 8, b"WEBP"),
    (".bmp", b"BM", 6, b"\0\0\0\0"),
    (".tif", b"II*\0", 0, b""),
    (".tif", b"MM\0*", 0, b""),
    (".heic", b"", 4, b"ftyphei"),
    (".heic", b"", 4, b"ftypmif1"),
    (".avif", b"", 4, b"ftypavif"),
    (".mov", b"", 4, b"ftypqt"),
    (".m4a", b"", 4, b"ftypM4A"),
    (".mp4", b"", 4, b"ftyp"),
    (".webm", b"\x1aE\xdf\xa3", 24, b"webm"),
    (".webm", b"\x1aE\xdf\xa3", 31, b"webm"),
    (".mkv", b"\x1aE\xdf\xa3", 0, b""),
    (".avi", b"RIFF", 8, b"AVI "),
    (".wav", b"RIFF", 8, b"WAVE"),
    (".amr", b"#!AMR", 0, b""),
    (".silk", b"#!SILK_V3", 0, b""),
    (".silk", b"\x02#!SILK_V3", 0, b""),
    (".mp3", b"ID3", 0, b""),
    (".mp3", b"\xff\xfb", 0, b""),
    (".ogg", b"OggS", 0, b""),
    (".flac", b"fLaC", 0, b""),
    (".pdf", b"%PDF-", 0, b""),
    (".zip", b"PK\x03\x04", 0, b""),
    (".gz", b"\x1f\x8b\x08", 0, b""),
    (".7z", b"7z\xbc\xaf\x27\x1c", 0, b""),
    (".rar", b"Rar!\x1a\x07", 0, b""),
    (".xz", b"\xfd7zXZ\0", 0, b""),
)
_KINDS = {
    **dict.fromkeys((".png", ".jpg", ".gif", ".webp", ".bmp", ".tif", ".heic", ".avif"), "image"),
    **dict.fromkeys((".mov", ".mp4", ".webm", ".mkv", ".avi"), "video"),
    **dict.fromkeys((".amr", ".silk"), "voice"),
}


def extension_of(head: bytes) -> str:
    """Return the extension, such as ".png", of a file that begins with *head*; "" when its type is not known."""
    for extension, start, place, later in _SIGNATURES:
        if head.startswith(start) and head[place : place + len(later)] == later:
            return extension
    return ""


def kind_of(head: bytes) -> str:
    """Return "image", "video" or "voice" for a file that begins with *head*, and "file" for any other."""
    return _KINDS.get(extension_of(head), "file")


def file_name(given: Optional[str], head: bytes, kind: str = "", extension: str = "") -> str:
    """Return a safe name for a file that begins with *head*.

    given: the name from the network, kept where it is usable. Where it has no extension, it gets that of the file's
    type. Without a usable name the file is called after its *kind* (by default what *head* shows), with the type's
    extension or, for a type that is not known, *extension*.
    """
    found = extension_of(head)
    name = safe_name(given or "", "")
    if not name:
        return f"{kind or kind_of(head)}{found or extension}"
    if found and not _split(name)[1]:
        return _cut(name, MAX_NAME_BYTES - len(found)) + found
    return name


def name_from_header(content_disposition: Optional[str]) -> str:
    """Return the safe file name in a Content-Disposition header, ``filename*`` before ``filename``; "" for none."""
    given = _parameters(content_disposition or "")
    for name in (_extended(given.get("filename*", "")), _plain(given.get("filename", ""))):
        if name and (safe := safe_name(name, "")):
            return safe
    return ""


def safe_name(name: str, fallback: str) -> str:
    """Return the base name of *name*, made harmless; *fallback* when nothing is left of it."""
    base = ""
    for part in re.split(r"[/\\]", name):
        base = _cleaned(part) or base
    if not base:
        return fallback
    if _DEVICE.match(base):
        base = f"_{base}"
    return _shortened(base)


def unique_in(taken: Iterable[str], name: str) -> str:
    """Return *name*, or "name (2).ext" and so on: the first that is not among *taken*, whatever its case."""
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
    """Decode RFC 5987, charset'language'percent-encoded; "" when it is not that."""
    match = _EXTENDED.fullmatch(value.strip('"'))
    if not match or match.group(1).lower() not in _CHARSETS or _BROKEN_PERCENT.search(match.group(2)):
        return ""
    try:
        return unquote_to_bytes(_bytes(match.group(2))).decode(match.group(1))
    except UnicodeDecodeError:
        return ""


def _plain(value: str) -> str:
    """Return a quoted or bare name. Percent codes, and raw UTF-8 that was read as Latin-1, are undone."""
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
    """Return *part* without what no name should have; "" for nothing, "." and ".."."""
    kept = "".join(char for char in part if unicodedata.category(char) not in _UNWANTED)
    # Windows drops dots and blanks at the end, so two names could become one there; a dot in front hides the file.
    return _FORBIDDEN.sub("_", kept).strip(" .").strip()


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
    """Return the start of *text* in at most *most* bytes of UTF-8, cut between characters."""
    return text.encode()[:most].decode("utf-8", "ignore").rstrip(". ")
