from __future__ import annotations

from typing import Any

import pytest

from wxsdk.bot.address import Address, parse_address
from wxsdk.errors import ConfigError


@pytest.mark.parametrize(
    "address",
    [
        Address("ilink", "ilink", "o9cq80@im.wechat"),
        Address("aibot", "shop: 1/2", "微信 group%"),
        Address("callback", "a", "b"),
    ],
)
def test_an_address_survives_being_a_str(address: Address) -> None:
    assert parse_address(str(address)) == address
    assert str(address).isprintable()
    assert " " not in str(address)


@pytest.mark.parametrize("text", ["", "alice", "ilink:a", "ilink::b", "fax:a:b", "ilink:a:b:c", "ilink:a:b c", None, 5])
def test_what_is_no_address_is_refused(text: Any) -> None:
    with pytest.raises(ConfigError, match="not an address"):
        parse_address(text)
