"""How many calls there may be at once: in all, of an agent, a caller or an address. And how quickly they may start."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import NamedTuple

from voice_host.admission.networks import limited_networks
from voice_host.admission.rates import RateLimiter
from voice_host.settings import LimitsSettings
from voice_host_sdk import Caller

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
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        limits: LimitsSettings,
        agent_limit: Callable[[str], int | None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,  # noqa: TID251 (counts calls, and is in none)
    ) -> None:
        self._limits = limits
        self._starts = RateLimiter(limits.max_call_starts_per_minute, clock)
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
        if same_call_as is None and not self._may_start(caller, client_host):
            return Refusal("max_call_starts_per_minute", "calls are started too quickly: try again in a minute")
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

    def _may_start(self, caller: Caller | None, client_host: str | None) -> bool:
        if caller is not None and not self._starts.take((caller.issuer, caller.identity)):
            return False
        return all(self._starts.take(network, times) for network, times in limited_networks(client_host))

    def _places(self, agent_id: str, caller: Caller | None, client_host: str | None) -> list[_Place]:
        limits = self._limits
        places = [_Place("max_calls", None, limits.max_calls, "the server takes no more calls at the moment")]
        if (most := self._agent_limit(agent_id)) is not None:
            places.append(_Place("agent.max_calls", agent_id, most, "this agent takes no more calls at the moment"))
        if caller is not None:
            words = "you have too many calls at once"
            who = (caller.issuer, caller.identity)
            places.append(_Place("max_calls_per_caller", who, limits.max_calls_per_caller, words))
        for network, times in limited_networks(client_host):
            words = "too many calls at once from your address"
            places.append(_Place("max_calls_per_address", network, times * limits.max_calls_per_address, words))
        return places
