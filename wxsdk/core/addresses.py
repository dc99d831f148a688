"""Judges whether an IP address is public, by a table of its own: what ``ipaddress`` says differs between Pythons.

The table follows IANA's registries "IPv4 Special-Purpose Address Registry" and "IPv6 Special-Purpose Address Registry"
(RFC 6890 and its updates), and "Internet Protocol Version 6 Address Space" for what is handed out at all.
"""

from __future__ import annotations

import ipaddress
from typing import Tuple, Union

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

# Not globally reachable, or not meant for a single server.
SPECIAL: Tuple[Network, ...] = tuple(
    ipaddress.ip_network(each)
    for each in (
        "0.0.0.0/8",  # this network; RFC 791
        "10.0.0.0/8",  # private use; RFC 1918
        "100.64.0.0/10",  # shared by a carrier's customers; RFC 6598
        "127.0.0.0/8",  # loopback; RFC 1122
        "169.254.0.0/16",  # link-local, where clouds keep their credentials; RFC 3927
        "172.16.0.0/12",  # private use; RFC 1918
        "192.0.0.0/24",  # IETF protocol assignments; RFC 6890
        "192.0.2.0/24",  # documentation; RFC 5737
        "192.88.99.0/24",  # relays of 6to4, deprecated; RFC 7526
        "192.168.0.0/16",  # private use; RFC 1918
        "198.18.0.0/15",  # benchmarks; RFC 2544
        "198.51.100.0/24",  # documentation; RFC 5737
        "203.0.113.0/24",  # documentation; RFC 5737
        "224.0.0.0/4",  # multicast; RFC 5771
        "240.0.0.0/4",  # reserved, the broadcast address included; RFC 1112
        "2001::/23",  # IETF protocol assignments, Teredo included; RFC 2928
        "2001:db8::/32",  # documentation; RFC 3849
        "3fff::/20",  # documentation; RFC 9637
    )
)

# Inside the ranges above, and globally reachable all the same.
EXCEPTIONS: Tuple[Network, ...] = tuple(
    ipaddress.ip_network(each)
    for each in (
        "192.0.0.9/32",  # port control protocol anycast; RFC 7723
        "192.0.0.10/32",  # TURN anycast; RFC 8155
        "2001:1::1/128",  # port control protocol anycast; RFC 7723
        "2001:1::2/128",  # TURN anycast; RFC 8155
        "2001:1::3/128",  # DNS-SD SRP anycast; RFC 9665
        "2001:3::/32",  # AMT; RFC 7450
        "2001:4:112::/48",  # AS112; RFC 7535
        "2001:20::/28",  # ORCHIDv2; RFC 7343
        "2001:30::/28",  # drone remote ids; RFC 9374
    )
)

GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # the only part of IPv6 that is handed out; RFC 4291, 2.4
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # an IPv4 address in the last 32 bits; RFC 6052


def is_public(host: str) -> bool:
    """Return whether *host* is the text of a globally reachable IP address.

    Of an IPv6 address that carries an IPv4 one (mapped, 6to4, NAT64) the inner one is judged. Nothing is looked up.
    """
    try:
        address = ipaddress.ip_address(host.split("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            return _reachable(inner)
        if address not in GLOBAL_UNICAST:
            return False
    return _reachable(address)


def _reachable(address: Union[ipaddress.IPv4Address, ipaddress.IPv6Address]) -> bool:
    return any(address in each for each in EXCEPTIONS) or not any(address in each for each in SPECIAL)
