"""Which addresses count as one client."""

from __future__ import annotations

import ipaddress
from collections.abc import Hashable, Iterator
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

IPV6_SUBSCRIBER_BITS = 64
"""The smallest IPv6 network of a subscriber (RFC 6177), who may use a new address of it for each call."""

IPV6_SITE_BITS = 48
"""The largest usual IPv6 network of a customer: 65,536 networks of /64."""

SUBSCRIBERS_PER_SITE = 4
"""The limit of a /48 as a multiple of that of a /64. It may be a company, or the customers of a small provider."""


@lru_cache(maxsize=4096)
def network_of(host: str | None) -> Network | None:
    """Return the network that counts as one address: an IPv4 address, or the /64 of an IPv6 address.

    None for loopback (the operator, or a proxy whose clients cannot be distinguished) and for invalid addresses.
    """
    address = _address(host)
    if address is None or address.is_loopback:
        return None
    bits = IPV6_SUBSCRIBER_BITS if isinstance(address, ipaddress.IPv6Address) else 32
    return ipaddress.ip_network((address, bits), strict=False)


def limited_networks(host: str | None) -> Iterator[tuple[Hashable, int]]:
    """Yield the networks that an address counts towards, each with the multiple of the limit that applies to it."""
    network = network_of(host)
    if network is not None:
        yield network, 1
        if isinstance(network, ipaddress.IPv6Network):
            yield network.supernet(new_prefix=IPV6_SITE_BITS), SUBSCRIBERS_PER_SITE
    elif host and _address(host) is None:
        yield host, 1  # a proxy may send something that is no address


@lru_cache(maxsize=4096)
def site_of(host: str | None) -> str | None:
    """Return the IPv4 address or the IPv6 /48 of a client; None: its address does not identify it."""
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
