"""Checks settings and arguments for every configuration class: one rule per kind of value, one wording of a refusal.

A check is a function of a setting's name and its value. It returns the value to keep, or raises ConfigError. A
configuration class lists one check per field and calls ``check_settings`` when it is made::

    CHECKS = {"api_timeout": seconds, "max_workers": count(1, MAX_THREADS), "proxy": proxy}

No refusal quotes a setting's value: a secret may have been put in the wrong place.
"""

from __future__ import annotations

import functools
import inspect
import re
from dataclasses import fields
from typing import Any, Callable, List, Mapping, Optional, Pattern, Sequence, Tuple, Type, TypeVar
from urllib.parse import SplitResult, urlsplit

from ..errors import ConfigError
from .redact import Secret, hide

T = TypeVar("T")
Check = Callable[[str, Any], Any]

MAX_SECONDS = 366 * 86400.0  # s, a year; a longer wait is a slip, and operating systems cannot wait for arbitrary ones
MAX_THREADS = 10_000  # a process cannot hold many more
MAX_COUNT = 10_000_000  # of ids, messages, tries; more would be kept in gigabytes
MAX_BYTES = 1 << 50  # B; a pebibyte, above any file
MAX_HEADER_CHARS = 8192  # common servers refuse a header line longer than this
SECRET_SETTINGS = ("token", "secret", "proxy", "encoding_aes_key")  # of all configuration classes
UNLIMITED = -1  # attempts; api
DEFAULT_PORTS = {"https": 443, "http": 80, "wss": 443, "ws": 80}

_TOKEN = re.compile(r"[\x21-\x7e]*")
_HOST = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*|\[[0-9A-Fa-f:.]+\]")


# -- settings of a class ----------------------------------------


def by_name_after(last: str) -> Callable[[Type[T]], Type[T]]:
    """Decorate a dataclass: its fields behind *last* are given by name only, so their order is no contract.

    A position too many is a TypeError that names the first of them. ``inspect.signature`` shows it as well.
    """

    def decorate(cls: Type[T]) -> Type[T]:
        dataclass_: Any = cls
        made = dataclass_.__init__
        names = [each.name for each in fields(dataclass_)]
        count = names.index(last) + 1
        secret = {names.index(name) for name in SECRET_SETTINGS if name in names}

        @functools.wraps(made)
        def init(self: Any, *args: Any, **settings: Any) -> None:
            # At once, so that no frame of an error shows one in the clear.
            args = tuple(hide(value) if index in secret else value for index, value in enumerate(args))
            settings = {name: hide(value) if name in SECRET_SETTINGS else value for name, value in settings.items()}
            if len(args) > count:
                raise TypeError(f"{cls.__name__} takes {names[count]} and what follows it by name only.")
            made(self, *args, **settings)

        init.__signature__ = _by_name(inspect.signature(made), count + 1)  # type: ignore[attr-defined]
        dataclass_.__init__ = init
        return cls

    return decorate


def _by_name(signature: inspect.Signature, count: int) -> inspect.Signature:
    """Return *signature* with all parameters but the first *count* keyword-only."""
    given: List[inspect.Parameter] = list(signature.parameters.values())
    later = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in given[count:]]
    return signature.replace(parameters=[*given[:count], *later])


def check_settings(settings: Any, checks: Mapping[str, Check]) -> None:
    """Replace each field of the frozen dataclass *settings* by what its check makes of it. Raises ConfigError."""
    for each in fields(settings):
        value = checks[each.name](each.name, getattr(settings, each.name))
        object.__setattr__(settings, each.name, value)


def refusal(name: str, wanted: str) -> ConfigError:
    """Make the error for an unusable value of *name*; *wanted* completes "Give …"."""
    return ConfigError(f"{name} is not usable.", remedy=f"Give {wanted}.")


# -- arguments of a call ----------------------------------------


def check_seconds(name: str, value: Any, *, above_zero: bool = False) -> float:
    """Return the argument *name* as seconds; what is below 0, such as the time left until a past moment, becomes 0.

    Raises ConfigError with the name and the value unless it is a number of at most a year. above_zero: 0 and less are
    refused.
    """
    usable = _is_number(value) and abs(value) <= MAX_SECONDS  # NaN and infinity fail the comparison
    if not usable or (above_zero and value <= 0):
        wanted = "Give a number of seconds above 0" if above_zero else "Give a number of seconds"
        raise ConfigError(f"{name} is {value!r:.40}.", remedy=f"{wanted}, at most a year.")
    return max(float(value), 0.0)


def check_patience(name: str, value: Any) -> Optional[float]:
    """Check as ``check_seconds`` does, where None, for no limit, is allowed as well."""
    return None if value is None else check_seconds(name, value)


# -- checks: numbers and flags ----------------------------------------


def seconds(name: str, value: Any) -> float:
    """Check for a duration above 0, of at most a year."""
    if not _is_number(value) or not 0 < value <= MAX_SECONDS:
        raise refusal(name, "a number of seconds above 0, at most a year")
    return float(value)


def seconds_or_zero(name: str, value: Any) -> float:
    """Check for a duration that may be 0, of at most a year."""
    if not _is_number(value) or not 0 <= value <= MAX_SECONDS:
        raise refusal(name, "a number of seconds from 0, at most a year")
    return float(value)


def rate(name: str, value: Any) -> float:
    """Check for a number a second, above 0."""
    if not _is_number(value) or not 0 < value <= MAX_COUNT:
        raise refusal(name, f"a number above 0, up to {MAX_COUNT:,}")
    return float(value)


def count(least: int, most: int = MAX_COUNT) -> Check:
    """Make a check for an int from *least* to *most*."""

    def check(name: str, value: Any) -> int:
        if not _is_whole(value) or not least <= value <= most:
            raise refusal(name, f"a whole number from {least:,} to {most:,}")
        return int(value)

    return check


def attempts(name: str, value: Any) -> int:
    """Check for a number of attempts of at least 1, or -1 for no limit."""
    if not _is_whole(value) or not (value == UNLIMITED or 1 <= value <= MAX_COUNT):
        raise refusal(name, f"a whole number from 1 to {MAX_COUNT:,}, or -1 for no limit")
    return int(value)


def whole_number(name: str, value: Any) -> int:
    """Check for an int of any size."""
    if not _is_whole(value):
        raise refusal(name, "a whole number")
    return int(value)


def flag(name: str, value: Any) -> bool:
    """Check for True or False."""
    if not isinstance(value, bool):
        raise refusal(name, "True or False")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


# -- checks: text ----------------------------------------


def text(name: str, value: Any) -> str:
    """Check for text with more than white space in it."""
    if not isinstance(value, str) or not value.strip():
        raise refusal(name, "text that is not empty")
    try:
        value.encode()
    except UnicodeEncodeError:
        # "from None": the cause would quote the value
        raise refusal(name, "text without halves of characters (lone surrogates)") from None
    return value


def secret(name: str, value: Any) -> Secret:
    """Check for text that is kept secret from now on."""
    return Secret(text(name, value))


def header_token(name: str, value: Any) -> Secret:
    """Check for a token that fits into a header; "" is allowed. It is kept secret from now on."""
    if not isinstance(value, str) or len(value) > MAX_HEADER_CHARS or not _TOKEN.fullmatch(value):
        raise refusal(name, "printable ASCII text without spaces")
    return Secret(value)


def matching(pattern: Pattern[str], wanted: str) -> Check:
    """Make a check for text that *pattern* matches as a whole; *wanted* says it in words."""

    def check(name: str, value: Any) -> str:
        if not isinstance(value, str) or pattern.fullmatch(value) is None:
            raise refusal(name, wanted)
        return value

    return check


def one_of(*choices: str) -> Check:
    """Make a check for one of *choices*."""

    def check(name: str, value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            raise refusal(name, " or ".join(f'"{choice}"' for choice in choices))
        return value

    return check


# -- checks: addresses ----------------------------------------


def server(*schemes: str, query: bool = False) -> Check:
    """Make a check for a server's URL, which is kept in one spelling: see ``server_url``."""
    return lambda name, value: server_url(name, value, schemes=schemes, query=query)


def proxy(name: str, value: Any) -> Optional[str]:
    """Check for the URL of an HTTP proxy, which is kept secret; "" (no proxy) and None (the environment's) are too."""
    if value is None or value == "":
        return value  # type: ignore[no-any-return]
    check_url(name, value, schemes=("http",), login=True)
    return Secret(value)


def check_url(
    name: str, url: object, *, schemes: Sequence[str] = ("https", "http"), login: bool = False, query: bool = False
) -> SplitResult:
    """Return the parts of *url*; ConfigError unless it is scheme://host[:port][/path] in ASCII and nothing else.

    login: user:password@ is allowed. query: ?name=value is.
    """
    wanted = f"{' or '.join(f'{scheme}://host' for scheme in schemes)}, with port and path if need be"
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise refusal(name, wanted)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise refusal(name, wanted) from None  # the cause would quote the value
    extras = "#" in url or ("?" in url and not query) or (parts.username is not None and not login)
    if parts.scheme not in schemes or not _HOST.fullmatch(_host(parts)) or port == 0 or extras:
        del parts  # they are plain text, and error reporters show locals
        raise refusal(name, wanted)
    return parts


def server_url(name: str, url: object, *, schemes: Sequence[str] = ("https", "http"), query: bool = False) -> str:
    """Return *url* as every other spelling of the same server is written, too; ConfigError as ``check_url`` raises it.

    Scheme and host in small letters, no port that goes without saying, no slash at the end.
    """
    parts = check_url(name, url, schemes=schemes, query=query)
    port = "" if parts.port in (None, DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    question = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{_host(parts)}{port}{parts.path.rstrip('/')}{question}"


def hosts(name: str, value: Any) -> Tuple[str, ...]:
    """Check for a collection of host names, kept as a tuple in small letters."""
    if isinstance(value, (str, bytes)):
        raise refusal(name, 'a tuple of host names such as ("example.com",)')
    try:
        listed = tuple(value)
    except TypeError:
        raise refusal(name, 'a tuple of host names such as ("example.com",)') from None
    if not all(isinstance(host, str) and _HOST.fullmatch(host) for host in listed):
        raise refusal(name, "host names without scheme, port and path")
    return tuple(host.lower() for host in listed)


def _host(parts: SplitResult) -> str:
    """Return the host of *parts* as it stands in a URL, in small letters."""
    host = parts.hostname or ""
    return f"[{host}]" if ":" in host else host


# -- checks: objects ----------------------------------------


def having(*choices: Tuple[str, ...]) -> Check:
    """Make a check for an object that has one method of each of *choices*."""

    def check(name: str, value: Any) -> Any:
        for choice in choices:
            if not any(callable(getattr(value, method, None)) for method in choice):
                raise refusal(name, f"an object with a method {' or '.join(choice)}")
        return value

    return check


def optional(check: Check) -> Check:
    """Make a check that allows None besides what *check* allows."""
    return lambda name, value: None if value is None else check(name, value)
