"""The open connections of the host: how many there may be, and which one gives way to a new one."""

from __future__ import annotations

import ipaddress
from asyncio import BaseTransport, Transport
from collections import Counter
from collections.abc import Sequence
from typing import cast

from voice_host.admission.networks import Network, network_of
from voice_host.observability import metrics

DESCRIPTORS_PER_CALL = 4
"""The client's socket, one each to speech-to-text and the voice, and one to the model."""

RESERVED_DESCRIPTORS = 64
"""For the listener, the event loop, log and key files, health checks of speech services, and libraries."""


class ConnectionTable:
    """Counts the connections of a process and bounds them. Belongs to one event loop.

    At the limit a new connection replaces the one that has been idle longest: a connection without a request is worth
    less than one that may bring a call. Where none is idle, the new one is refused.

    Args:
        most: connections in all.
        most_per_address: connections from one IPv4 address or one /64 of IPv6. Loopback and proxies are exempt: whose
            connections they carry is not known before a request was read.
        proxies: addresses and networks whose forwarding headers are believed; `*` exempts every address.
    """

    def __init__(self, most: int, most_per_address: int, proxies: Sequence[str] = ()) -> None:
        self._most = most
        self._most_per_address = most_per_address
        self._trust_all = "*" in proxies
        self._proxies = [ipaddress.ip_network(proxy, strict=False) for proxy in proxies if proxy != "*"]
        self._networks: dict[BaseTransport, Network | None] = {}
        self._idle: dict[BaseTransport, None] = {}  # in the order in which they became idle
        self._per_network: Counter[Network] = Counter()

    def __len__(self) -> int:
        return len(self._networks)

    def open(self, transport: BaseTransport) -> bool:
        """Note a new connection, which is idle. False: there is no room for it, and it must be closed."""
        network = self._limited_network(transport)
        if network is not None and self._per_network[network] >= self._most_per_address:
            metrics.LIMITS_EXCEEDED.labels("", "max_connections_per_address").inc()
            if not self._evict(network):
                return False
        if len(self._networks) >= self._most:
            metrics.LIMITS_EXCEEDED.labels("", "max_connections").inc()
            if not self._evict():
                return False
        self._networks[transport] = network
        self._idle[transport] = None
        if network is not None:
            self._per_network[network] += 1
        return True

    def busy(self, transport: BaseTransport) -> None:
        """Note that a request is answered, or a call is on."""
        self._idle.pop(transport, None)

    def idle(self, transport: BaseTransport) -> None:
        """Note that nothing is asked any more."""
        if transport in self._networks:
            self._idle.setdefault(transport)

    def close(self, transport: BaseTransport) -> None:
        """Note that a connection has ended. Idempotent."""
        self._idle.pop(transport, None)
        network = self._networks.pop(transport, None)
        if network is not None:
            self._per_network[network] -= 1
            if not self._per_network[network]:
                del self._per_network[network]

    def _evict(self, network: Network | None = None) -> bool:
        """Cut the connection that has been idle longest, of one network or of all."""
        found = next((t for t in self._idle if network is None or self._networks[t] == network), None)
        if found is None:
            return False
        self.close(found)
        cast(Transport, found).abort()
        return True

    def _limited_network(self, transport: BaseTransport) -> Network | None:
        peer = transport.get_extra_info("peername")
        if self._trust_all or not isinstance(peer, tuple):
            return None
        network = network_of(peer[0])
        if network is None or self._is_proxy(peer[0]):
            return None
        return network

    def _is_proxy(self, host: str) -> bool:
        address = ipaddress.ip_address(host.partition("%")[0])
        return any(address in proxy for proxy in self._proxies)


def most_connections(asked_for: int, descriptors: int) -> int:
    """Return how many connections a process with so many file descriptors can have, if each becomes a call."""
    return max(1, min(asked_for, (descriptors - RESERVED_DESCRIPTORS) // DESCRIPTORS_PER_CALL))


def share_of_address(asked_for: int, most: int) -> int:
    """Return how many of `most` connections one address may have: half, so that busy ones leave room for others."""
    return max(1, min(asked_for, most // 2))
