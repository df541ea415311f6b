"""Protection against SSRF: which IP addresses may be connected to for a model or a caller."""

from __future__ import annotations

import ipaddress

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_PLATFORM = frozenset(
    map(
        ipaddress.ip_address,
        ("168.63.129.16", "192.0.0.192", "100.100.100.200", "fd00:ec2::254", "fd20:ce::254"),
    )
)
"""Metadata services of clouds that are not link-local: Azure's wire server, Oracle's classic metadata, and the
metadata of Alibaba, of AWS and of Google over IPv6."""

_EMBEDDING_IPV4 = tuple(
    map(
        ipaddress.ip_network,
        (
            "::/96",  # IPv4-compatible, deprecated
            "::ffff:0:0/96",  # IPv4-mapped
            "::ffff:0:0:0/96",  # IPv4-translated, RFC 2765
            "64:ff9b::/96",  # NAT64, RFC 6052
            "64:ff9b:1::/48",  # local NAT64, RFC 8215
            "2001::/32",  # Teredo, RFC 4380
            "2002::/16",  # 6to4, RFC 3056
        ),
    )
)

_ISATAP = (b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe")
"""The third quarter of an ISATAP address, whose last quarter is an IPv4 address (RFC 5214)."""

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
"""Refused in addition to those that `ipaddress` does not consider global."""


def is_allowed(address: str, *, private: bool = False) -> bool:
    """Whether an address may be connected to, because it is on the public Internet.

    IPv6 addresses that embed an IPv4 address are refused, since it is unknown where they lead; so are invalid ones.

    Args:
        private: whether to allow addresses of this machine and its network. Metadata services of clouds, which hand out
            credentials, and other link-local addresses are always refused.
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
