"""Limits calls at once (in all, per agent, per caller, per address) and how quickly they may start."""

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

_ALL: _Key = ("max_calls", None)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call over a limit. `limit` is the setting's name, for metrics; `reason` is for the caller."""

    limit: str
    reason: str


class _Count(NamedTuple):
    """One of the counts that a call is part of, and its maximum."""

    limit: str
    who: Hashable
    most: int
    reason: str


class Lease:
    """The admission of one connection, counted under its session's id. Give it back when the connection has ended.

    Several connections of one session, of which a new one replaces an old one, count as one call. So somebody who comes
    back before the loss of the old connection was noticed is not counted twice.

    Attributes:
        session_id: of the session that the connection begins or resumes.
    """

    def __init__(self, session_id: str, give_back: Callable[[], None]) -> None:
        self.session_id = session_id
        self._give_back: Callable[[], None] | None = give_back

    def give_back(self) -> None:
        """Make room for another call. Idempotent."""
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back()

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *_: object) -> None:
        self.give_back()


class Admission:
    """Counts the calls that are connected and refuses those over a limit. Belongs to one event loop.

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
        self._leases: defaultdict[_Key, Counter[str]] = defaultdict(Counter)  # how many each session has

    def lease(
        self, session_id: str, agent_id: str, caller: Caller | None = None, client_host: str | None = None
    ) -> Lease | Refusal:
        """Admit a connection.

        A session that has a lease already is neither one more call nor a new start. So whoever asks for the lease of an
        existing session must have checked that the caller may resume it.

        Args:
            session_id: of a new session, or of the one that the caller resumes.
            agent_id: who is called.
            caller: who calls; without one there is no limit per caller.
            client_host: the client's address. Loopback is not limited per address: it is the operator, or a proxy
                whose callers cannot be told apart.
        """
        counts = list(self._counts(agent_id, caller, client_host))
        for count in counts:
            others = self._leases.get((count.limit, count.who), {}).keys() - {session_id}
            if len(others) >= count.most:
                return Refusal(count.limit, count.reason)
        if not self._is_connected(session_id) and not self._may_start(caller, client_host):
            return Refusal("max_call_starts_per_minute", "calls are started too quickly: try again in a minute")
        keys = [(count.limit, count.who) for count in counts]
        for key in keys:
            self._leases[key][session_id] += 1

        def give_back() -> None:
            for key in keys:
                self._leases[key][session_id] -= 1
                if not self._leases[key][session_id]:
                    del self._leases[key][session_id]
                if not self._leases[key]:
                    del self._leases[key]  # or every caller and address would be remembered for good

        return Lease(session_id, give_back)

    @property
    def calls(self) -> int:
        """Calls that are connected."""
        return len(self._leases.get(_ALL, ()))

    @property
    def counts(self) -> dict[tuple[str, Hashable], int]:
        """How many calls each limit counts now, by its name and whom it is for: an agent, a caller, a network."""
        return {key: len(sessions) for key, sessions in self._leases.items()}

    def _is_connected(self, session_id: str) -> bool:
        return session_id in self._leases.get(_ALL, ())

    def _may_start(self, caller: Caller | None, client_host: str | None) -> bool:
        if caller is not None and not self._starts.take((caller.issuer, caller.identity)):
            return False
        return all(self._starts.take(network, times) for network, times in limited_networks(client_host))

    def _counts(self, agent_id: str, caller: Caller | None, client_host: str | None) -> list[_Count]:
        limits = self._limits
        counts = [_Count(*_ALL, limits.max_calls, "the server takes no more calls at the moment")]
        if (most := self._agent_limit(agent_id)) is not None:
            counts.append(_Count("agent.max_calls", agent_id, most, "this agent takes no more calls at the moment"))
        if caller is not None:
            reason = "you have too many calls at once"
            who = (caller.issuer, caller.identity)
            counts.append(_Count("max_calls_per_caller", who, limits.max_calls_per_caller, reason))
        for network, times in limited_networks(client_host):
            reason = "too many calls at once from your address"
            counts.append(_Count("max_calls_per_address", network, times * limits.max_calls_per_address, reason))
        return counts
