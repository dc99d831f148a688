"""Addresses: a bot and a chat in one str that stays good over restarts. Decides only."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from ..errors import ConfigError

PLATFORMS = ("ilink", "aibot", "callback")


class Address(NamedTuple):
    """Where ``bot.send`` goes: a chat of one bot."""

    platform: str
    bot: str
    chat_id: str

    def __str__(self) -> str:
        return ":".join((self.platform, quote(self.bot, safe=""), quote(self.chat_id, safe="@")))


def parse_address(address: Any) -> Address:
    """*address* taken apart. ConfigError when it is none."""
    parts = address.split(":") if isinstance(address, str) else []
    if len(parts) != 3 or parts[0] not in PLATFORMS or not all(parts) or not address.isprintable() or " " in address:
        raise ConfigError("This is not an address.", remedy="Keep message.address, and give that.")
    return Address(parts[0], unquote(parts[1]), unquote(parts[2]))
