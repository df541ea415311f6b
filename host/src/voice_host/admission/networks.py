"""Which addresses count as one client."""

from __future__ import annotations

import ipaddress
from collections.abc import Hashable, Iterator
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

IPV6_SUBSCRIBER_BITS = 64
"""What one subscriber of IPv6 is given at least (RFC 6177): within it anybody may take a new address for each call."""

IPV6_SITE_BITS = 48
"""What one customer of a provider may be given at most: 65,536 networks of 64 bits."""

SUBSCRIBERS_PER_SITE = 4
"""All of a /48 together may use so many times the limit of one /64: a company, or customers of a small provider."""


def network_of(host: str | None) -> Network | None:
    """Return what counts as one address: an IPv4 address or the /64 of an IPv6 address.

    None for loopback, which is the operator or a proxy whose clients cannot be told apart, and for what is no address.
    """
    address = _address(host)
    if address is None or address.is_loopback:
        return None
    bits = IPV6_SUBSCRIBER_BITS if isinstance(address, ipaddress.IPv6Address) else 32
    return ipaddress.ip_network((address, bits), strict=False)


def limited_networks(host: str | None) -> Iterator[tuple[Hashable, int]]:
    """Yield what a client's address counts towards, each with the multiple of the limit that holds for it."""
    network = network_of(host)
    if network is not None:
        yield network, 1
        if isinstance(network, ipaddress.IPv6Network):
            yield network.supernet(new_prefix=IPV6_SITE_BITS), SUBSCRIBERS_PER_SITE
    elif host and _address(host) is None:
        yield host, 1  # a proxy may name what is no address


@lru_cache(maxsize=4096)
def site_of(host: str | None) -> str | None:
    """Return the IPv4 address or the IPv6 /48 of a client; None: its address says nothing about who it is."""
    network = network_of(host)
    if isinstance(network, ipaddress.IPv6Network):
        network = network.supernet(new_prefix=IPV6_SITE_BITS)
    return None if network is None else str(network)


def _address(host: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address((host or "").partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
