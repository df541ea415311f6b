"""Which addresses are public: the rest belong to this machine, to its network, or to the cloud it runs in."""

from __future__ import annotations

import ipaddress

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_METADATA = frozenset(map(ipaddress.ip_address, ("168.63.129.16", "192.0.0.192")))
"""Addresses of cloud platforms that look public: Azure's wire server, Oracle's classic metadata."""

_NOT_PUBLIC = tuple(
    map(
        ipaddress.ip_network,
        (
            "192.0.0.0/24",  # protocol assignments, RFC 6890
            "192.88.99.0/24",  # relays of 6to4, RFC 7526
            "64:ff9b::/96",  # IPv4 behind a translator, RFC 6052
            "64:ff9b:1::/48",  # the same of one's own network, RFC 8215
            "2001::/23",  # protocol assignments, Teredo among them
            "2002::/16",  # 6to4: an IPv4 address inside
            "3fff::/20",  # documentation, RFC 9637
            "5f00::/16",  # segment routing, RFC 9602
            "::/8",  # mapped, compatible and translated IPv4
            "fec0::/10",  # site-local, deprecated
        ),
    )
)

_ISATAP = (b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe")
"""The third quarter of an address that has an IPv4 address in the last one (RFC 5214)."""


def is_public(address: str) -> bool:
    """Whether an address is one of the public Internet. What is no address is not.

    IPv6 addresses that carry an IPv4 address are refused altogether: which network they lead to is not ours to know.
    """
    try:
        ip: IPAddress = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if not ip.is_global or ip.is_multicast or ip.is_reserved or ip in _METADATA:
        return False
    if isinstance(ip, ipaddress.IPv6Address) and ip.packed[8:12] in _ISATAP:
        return False
    return not any(ip in network for network in _NOT_PUBLIC if network.version == ip.version)
