"""How many calls there may be at once: in all, of an agent, of a caller, from an address."""

from __future__ import annotations

import ipaddress
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import NamedTuple

from voice_host.settings import LimitsSettings
from voice_host_sdk import Caller

IPV6_SITE_BITS = 64
"""What one subscriber of IPv6 is given at least (RFC 6177): within it anybody may take a new address for each call."""

_Key = tuple[str, Hashable]
"""A limit, and whose calls it counts."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call too many. `limit` is the setting's name, for metrics; `reason` is for the caller."""

    limit: str
    reason: str


class _Place(NamedTuple):
    """One of the counts a call is in, and how high it may go."""

    limit: str
    who: Hashable
    most: int
    reason: str


class Ticket:
    """A call's place. Give it back when the connection has ended: leave the `with`, or `release()`. Idempotent."""

    def __init__(self, call: object, give_back: Callable[[], None]) -> None:
        self.call = call
        """Which call it is for. Connections of one call have tickets of their own, and count once."""
        self._give_back: Callable[[], None] | None = give_back

    def release(self) -> None:
        """Make room for another call."""
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back()

    def __enter__(self) -> Ticket:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class Admission:
    """Counts the calls that are connected, and refuses those beyond a limit. Belongs to one event loop.

    Args:
        limits: `[limits]`.
        agent_limit: the limit of one agent, by id; None: it has none of its own.
    """

    def __init__(self, limits: LimitsSettings, agent_limit: Callable[[str], int | None] = lambda _: None) -> None:
        self._limits = limits
        self._agent_limit = agent_limit
        self._calls: defaultdict[_Key, Counter[object]] = defaultdict(Counter)  # the tickets of each call

    def enter(
        self,
        agent_id: str,
        caller: Caller | None = None,
        client_host: str | None = None,
        *,
        same_call_as: Ticket | None = None,
    ) -> Ticket | Refusal:
        """Take a place for a call.

        Args:
            agent_id: who is called.
            caller: who calls; without one there is no limit per caller.
            client_host: the client's address. Loopback is not limited per address: it is the operator, or a proxy
                whose callers cannot be told apart.
            same_call_as: the place of a connection that this one is about to replace.
        """
        call = same_call_as.call if same_call_as is not None else object()
        places = list(self._places(agent_id, caller, client_host))
        for place in places:
            others = self._calls.get((place.limit, place.who), {}).keys() - {call}
            if len(others) >= place.most:
                return Refusal(place.limit, place.reason)
        keys = [(place.limit, place.who) for place in places]
        for key in keys:
            self._calls[key][call] += 1

        def give_back() -> None:
            for key in keys:
                self._calls[key][call] -= 1
                if not self._calls[key][call]:
                    del self._calls[key][call]
                if not self._calls[key]:
                    del self._calls[key]  # whoever called once must not be remembered for good

        return Ticket(call, give_back)

    @property
    def calls(self) -> int:
        """Calls that have a place."""
        return len(self._calls.get(("max_calls", None), ()))

    def _places(self, agent_id: str, caller: Caller | None, client_host: str | None) -> list[_Place]:
        limits = self._limits
        places = [_Place("max_calls", None, limits.max_calls, "the server takes no more calls at the moment")]
        if (most := self._agent_limit(agent_id)) is not None:
            places.append(_Place("agent.max_calls", agent_id, most, "this agent takes no more calls at the moment"))
        if caller is not None:
            words = "you have too many calls at once"
            who = (caller.issuer, caller.identity)
            places.append(_Place("max_calls_per_caller", who, limits.max_calls_per_caller, words))
        if (network := _network(client_host)) is not None:
            words = "too many calls at once from your address"
            places.append(_Place("max_calls_per_address", network, limits.max_calls_per_address, words))
        return places


def _network(client_host: str | None) -> Hashable | None:
    """Return what counts as one address: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        address = ipaddress.ip_address((client_host or "").partition("%")[0])
    except ValueError:
        return client_host or None  # a Unix socket has no address; a proxy may name what is none
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    if address.is_loopback:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return ipaddress.ip_network((address, IPV6_SITE_BITS), strict=False)
    return address
