"""Which addresses are public: the rest belong to this machine, to its network, or to the cloud it runs in."""

from __future__ import annotations

import ipaddress

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_PLATFORM = frozenset(
    map(
        ipaddress.ip_address,
        ("168.63.129.16", "192.0.0.192", "100.100.100.200", "fd00:ec2::254", "fd20:ce::254"),
    )
)
"""Addresses of cloud platforms that are not link-local: Azure's wire server, Oracle's classic metadata, and the
metadata of Alibaba, of AWS and of Google over IPv6."""

_CARRIERS = tuple(
    map(
        ipaddress.ip_network,
        ("::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16"),
    )
)
"""IPv6 networks whose addresses have an IPv4 address inside; that of mapped ones is looked at itself."""

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
    if not ip.is_global or ip.is_multicast or ip.is_reserved or ip in _PLATFORM:
        return False
    if isinstance(ip, ipaddress.IPv6Address) and ip.packed[8:12] in _ISATAP:
        return False
    return not any(ip in network for network in _NOT_PUBLIC if network.version == ip.version)


def is_metadata(address: str) -> bool:
    """Whether an address may lead to a cloud's metadata service, whose answers hold credentials.

    All link-local addresses count, IPv6 addresses that carry an IPv4 address, except loopback, and what is no address.
    """
    try:
        ip: IPAddress = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return True
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.is_loopback:
            return False
        ip = ip.ipv4_mapped or ip
    if isinstance(ip, ipaddress.IPv6Address) and (
        ip.packed[8:12] in _ISATAP or any(ip in network for network in _CARRIERS)
    ):
        return True
    return ip.is_link_local or ip.is_multicast or ip in _PLATFORM
