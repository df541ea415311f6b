"""Which of the sessions that wait for their callers ends when there are too many."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Hashable, Sequence

from voice_host.agent.held_session import HeldSession
from voice_host.limits.networks import IPV6_SITE_BITS, network_of


def greediest(waiting: Sequence[HeldSession]) -> HeldSession:
    """Return the session to give up: of whoever has most sessions waiting, the one that has waited longest.

    Sessions are counted by identity and by network, and the higher count is decisive. A visitor may get a call token
    with a new subject for each call, and a caller may have many addresses; neither lets them push out others. Where all
    share one address, such as a proxy's, the count by identity decides.
    """
    identities = Counter(map(_identity, waiting))
    networks = Counter(map(_network, waiting))

    def greed(held: HeldSession) -> tuple[int, int, float]:
        of_identity = identities[_identity(held)] if _identity(held) is not None else 1
        of_network = networks[_network(held)] if _network(held) is not None else 1
        return max(of_identity, of_network), of_identity, -(held.parked_at or 0.0)

    return max(waiting, key=greed)


def _identity(held: HeldSession) -> Hashable:
    caller = held.agent.session.caller
    return None if caller is None else (caller.issuer, caller.identity)


def _network(held: HeldSession) -> Hashable:
    """Return the IPv4 address or the IPv6 /48 of the last connection; None: it says nothing about who called."""
    network = network_of(held.client_host)
    if isinstance(network, ipaddress.IPv6Network):
        return network.supernet(new_prefix=IPV6_SITE_BITS)
    return network
