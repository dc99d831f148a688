"""Which addresses are public. Nothing here is resolved, and nothing connected to."""

from __future__ import annotations

import ipaddress

import pytest

from wxsdk.core.addresses import EXCEPTIONS, GLOBAL_UNICAST, SPECIAL, is_public


@pytest.mark.parametrize(
    "host",
    [
        *("8.8.8.8", "1.1.1.1", "223.255.255.254", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0"),
        *("172.15.255.255", "172.32.0.0", "192.0.1.0", "192.0.0.9", "192.0.0.10", "198.17.255.255", "198.20.0.0"),
        *("192.31.196.1", "192.52.193.1", "192.175.48.1"),  # AS112 and AMT: special, and globally reachable
        *("2606:4700::1111", "2001:4860::1", "2620:4f:8000::1", "2001:1::1", "2001:4:112::1", "2001:20::1"),
        *("::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"),
    ],
)
def test_a_globally_reachable_address_is_public(host: str) -> None:
    assert is_public(host)


@pytest.mark.parametrize(
    "host",
    [
        *("0.0.0.0", "0.1.2.3", "10.1.2.3", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.255"),
        *("169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.8", "192.0.0.11", "192.0.0.170"),
        *("192.0.0.255", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.7"),
        *("203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "::2", "::7f00:1", "fe80::1", "fe80::1%eth0", "febf::1", "fec0::1", "feff::1", "fc00::1"),
        *("fd00::1", "ff02::1", "100::1", "100:0:0:1::1", "5f00::1", "4000::1", "2001::1", "2001:2::1", "2001:10::1"),
        *("2001:db8::1", "3fff::1", "3fff:fff::1", "64:ff9b:1::1"),
        *("::ffff:10.0.0.1", "::ffff:192.0.0.8", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::"),
        *("example.com", "", "localhost", "127.1", "0x7f000001", "2130706433", "010.0.0.1", "[::1]", "::1%", "1.2.3"),
    ],
)
def test_any_other_address_and_whatever_is_none_is_not_public(host: str) -> None:
    assert not is_public(host)


def test_the_first_and_the_last_address_of_each_special_range_are_not_public() -> None:
    for network in SPECIAL:
        for address in (network[0], network[-1]):
            exempt = any(address.version == each.version and address in each for each in EXCEPTIONS)
            assert is_public(str(address)) is exempt, str(address)


def test_every_exception_lies_in_a_special_range() -> None:
    for each in EXCEPTIONS:
        assert any(
            each.version == network.version and ipaddress.ip_address(each[0]) in network for network in SPECIAL
        ), str(each)
    assert GLOBAL_UNICAST.version == 6
