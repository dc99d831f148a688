"""Keeping secrets out of reprs, logs and exceptions.

First line: the type. A ``Secret`` is a str whose repr shows nothing, so dataclasses, containers and tracebacks that
print it stay clean. Second line: ``scrub``, which takes known shapes (and given values) of secrets out of a text.
"""

from __future__ import annotations

import re
from typing import Any, Iterable, List, Optional, TypeVar
from urllib.parse import quote, quote_plus, unquote, unquote_plus

HIDDEN = "***"

T = TypeVar("T")

_NAMES = (
    r"bot_token|local_token_list|context_token|typing_ticket|token|secret|encoding_aes_key|aes_?key|response_url"
    r"|authorization|upload_param|upload_full_url|full_url|encrypt(?:ed)?_query_param|x-encrypted-param"
)
# Every repetition that can fail late is bounded: these run over texts that a hostile server wrote.
_GAP = r"\s{0,8}"
_QUOTED = re.compile(
    # name, then b"value" or "value" (perhaps itself inside quoted JSON, or cut off before its closing quote)
    rf"""(?i)(\\?["'](?:{_NAMES})\\?["']{_GAP}[:=]{_GAP}b?|\b(?:{_NAMES}){_GAP}[:=]{_GAP}b?)"""
    r"""(\\?["'])(?:(?!\2)(?:\\.|.))*(?:\2|$)""",
    re.MULTILINE,
)
_LISTED = re.compile(rf"""(?i)((?:{_NAMES})\\?["']?{_GAP}[:=]{_GAP})[\[(][^\])]*(?:[\])]|$)""")
_BARE = re.compile(rf"""(?i)\b({_NAMES})({_GAP}[:=]{_GAP})(?!["'\\\s]{{0,8}}\*\*\*)(?:bearer\s+)?[^\s,;&"'\\}})\]]+""")
_BEARER = re.compile(r"""(?i)\bbearer\s{1,8}[^\s,;"'\\]+""")
_ENCODED = re.compile("%[0-9a-fA-F]{2}")
_WORD = re.compile(r"""[^\s"'<>]+""")

MIN_SCRUBBED_LENGTH = 6  # characters; shorter values stand in ordinary words and would make texts unreadable
MIN_NUMBER_LENGTH = 4  # digits; a shorter value of digits alone, such as a verify code, goes where it is a whole word


class Secret(str):
    """A str that shows ``'***'`` as its repr. Its value is read with ``str()``, formatting or any str method."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(HIDDEN)


def hide(value: T) -> T:
    """Return *value* with each str in it a Secret; anything but a str, and a list or tuple of them, as it is.

    For the first line of a public call: its own arguments are locals of its frame, which error reporters show.
    """
    hidden: Any = value
    if isinstance(value, str):
        hidden = Secret(value)
    elif isinstance(value, (list, tuple)):
        hidden = [hide(each) for each in value]
    return hidden  # type: ignore[no-any-return]


class SecretBytes(bytes):
    """Bytes, such as a key or the body of a request, that show ``b'***'`` as their repr."""

    def __repr__(self) -> str:
        return f"b{HIDDEN!r}"

    __str__ = __repr__


def scrub(text: str, secrets: Iterable[str] = ()) -> str:
    """*text* without Authorization values, named secrets, query strings of URLs, and the given *secrets*.

    Those go in each form that a server may echo them in: percent-encoded, once or twice, or decoded, slashes escaped.
    """
    for value in secrets:
        if len(value) >= MIN_SCRUBBED_LENGTH:
            for form in _echoes(str(value)):
                text = _replaced(text, form)
        elif len(value) >= MIN_NUMBER_LENGTH and value.isdecimal():
            text = re.sub(rf"(?<!\w){value}(?!\w)", HIDDEN, text)
    text = _LISTED.sub(rf"\1[{HIDDEN}]", text)
    text = _QUOTED.sub(rf"\1\2{HIDDEN}\2", text)
    text = _BEARER.sub(f"Bearer {HIDDEN}", text)
    text = _BARE.sub(rf"\1\2{HIDDEN}", text)
    return _WORD.sub(_without_query, text) if "?" in text else text


def _echoes(value: str) -> List[str]:
    """The forms of *value*, longest first, so that none is cut out of the middle of another."""
    forms = set()
    for plain in {value, unquote(value), unquote_plus(value)}:
        for safe in ("", "/"):
            once = quote(plain, safe, errors="replace")
            forms |= {once, quote(once, safe)}
        forms |= {plain, plain.replace("/", "\\/"), quote_plus(plain, errors="replace")}
    return sorted((form for form in forms if len(form) >= MIN_SCRUBBED_LENGTH), key=len, reverse=True)


def _replaced(text: str, form: str) -> str:
    """*text* without *form*, whose hex digits after a % may be small or large ones."""
    if "%" not in form:
        return text.replace(form, HIDDEN)
    return re.sub(_ENCODED.sub(r"(?i:\g<0>)", re.escape(form)), HIDDEN, text)


def _without_query(match: re.Match[str]) -> str:
    address, mark, query = match.group().partition("?")
    if "/" not in address or not query.rstrip(".,;:!?)]}"):
        return match.group()
    bracket = query.find(")")  # the address may stand in brackets
    return address + mark + HIDDEN + ("" if bracket < 0 else query[bracket:])


def scrub_exception(
    exc: BaseException, secrets: Iterable[str] = (), *, outside: Optional[BaseException] = None
) -> None:
    """Take secrets out of the texts of *exc* and of every exception behind it, and drop their tracebacks, in place.

    Foreign exceptions quote URLs and headers, and the frames of their tracebacks hold the whole request, which error
    reporters show. The cause of an error is printed with it, so it is cleaned where it is caught, before the error of
    ours is raised from it. outside: an exception that was being handled before, and is the user's; it stays as it is.
    """
    values = list(secrets)
    seen = {id(outside)}
    todo: List[Any] = [exc]
    while todo:
        current = todo.pop()
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        todo += [current.__cause__, current.__context__, getattr(current, "reason", None), *current.args]
        current.args = tuple(scrub(arg, values) if isinstance(arg, str) else arg for arg in current.args)
        current.__traceback__ = None
