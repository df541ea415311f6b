"""The one guard of requests to addresses that a model or a caller chose (SSRF): which addresses may be connected to."""

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

_EMBEDDING_IPV4 = tuple(
    map(
        ipaddress.ip_network,
        (
            "::/96",  # compatible, deprecated
            "::ffff:0:0/96",  # mapped
            "::ffff:0:0:0/96",  # translated, RFC 2765
            "64:ff9b::/96",  # behind a translator, RFC 6052
            "64:ff9b:1::/48",  # the same of one's own network, RFC 8215
            "2001::/32",  # Teredo, RFC 4380
            "2002::/16",  # 6to4, RFC 3056
        ),
    )
)

_ISATAP = (b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe")
"""The third quarter of an address that embeds an IPv4 address in the last one (RFC 5214)."""

_NOT_PUBLIC = tuple(
    map(
        ipaddress.ip_network,
        (
            "192.0.0.0/24",  # protocol assignments, RFC 6890
            "192.88.99.0/24",  # relays of 6to4, RFC 7526
            "2001::/23",  # protocol assignments
            "3fff::/20",  # documentation, RFC 9637
            "5f00::/16",  # segment routing, RFC 9602
            "::/8",  # reserved
            "fec0::/10",  # site-local, deprecated
        ),
    )
)
"""Beside those that `ipaddress` does not call global."""


def is_allowed(address: str, *, private: bool = False) -> bool:
    """Tell whether an address may be connected to: one of the public Internet.

    IPv6 addresses that embed an IPv4 address are refused: which network they lead to is not known here. So is whatever
    is not an address.

    Args:
        private: whether those of this machine and its network may be, too. Link-local ones, which clouds serve
            credentials at, and the others of metadata services never are.
    """
    try:
        ip: IPAddress = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if private and isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ip
    if ip in _PLATFORM or ip.is_link_local or ip.is_multicast:
        return False
    if private:
        return ip.is_loopback or not _embeds_ipv4(ip)
    return not (_embeds_ipv4(ip) or ip.is_reserved or _is_within(ip, _NOT_PUBLIC)) and ip.is_global


def _embeds_ipv4(ip: IPAddress) -> bool:
    return isinstance(ip, ipaddress.IPv6Address) and (ip.packed[8:12] in _ISATAP or _is_within(ip, _EMBEDDING_IPV4))


def _is_within(ip: IPAddress, networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]) -> bool:
    return any(ip in network for network in networks if network.version == ip.version)
