"""Which of the sessions that wait for their callers ends when there are too many."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Hashable, Sequence
from functools import lru_cache

from voice_host.admission.networks import IPV6_SITE_BITS, network_of
from voice_host.sessions.session import HeldSession


def greediest(waiting: Sequence[HeldSession]) -> HeldSession:
    """Return the session to give up: of whoever has most sessions waiting, the one that has waited longest.

    Sessions are counted by identity and by network, and the higher count is decisive. A visitor may get a call token
    with a new subject for each call, and a caller may have many addresses; neither lets them push out others. Where all
    share one address, such as a proxy's, the count by identity decides.
    """
    identities = Counter(map(_identity, waiting))
    networks = Counter(_site(held.client_host) for held in waiting)

    def greed(held: HeldSession) -> tuple[int, int, float]:
        of_identity = identities[_identity(held)] if _identity(held) is not None else 1
        site = _site(held.client_host)
        of_network = networks[site] if site is not None else 1
        return max(of_identity, of_network), of_identity, -(held.parked_at or 0.0)

    return max(waiting, key=greed)


def _identity(held: HeldSession) -> Hashable:
    caller = held.agent.session.caller
    return None if caller is None else (caller.issuer, caller.identity)


@lru_cache(maxsize=4096)  # parsing the addresses of 1,000 sessions takes 40 ms
def _site(client_host: str | None) -> str | None:
    """Return the IPv4 address or the IPv6 /48 of the last connection; None: it says nothing about who called."""
    network = network_of(client_host)
    if isinstance(network, ipaddress.IPv6Network):
        network = network.supernet(new_prefix=IPV6_SITE_BITS)
    return None if network is None else str(network)
