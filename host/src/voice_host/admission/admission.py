"""Limits concurrent calls (in total, per agent, per caller, per address) and the rate at which calls start."""

from __future__ import annotations

import itertools
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

from pydantic import PlainSerializer

from voice_host.admission.networks import limited_networks
from voice_host.admission.rates import RateLimiter
from voice_host.plain_data import plain_caller
from voice_host.settings import LimitsSettings
from voice_host_sdk import Caller

_Key = tuple[str, Hashable]
"""The name of a limit, and the agent, caller or network whose calls it counts."""

_ALL: _Key = ("max_calls", None)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call that exceeds a limit. `limit` is the name of the setting, for metrics; `reason` is sent to the client."""

    limit: str
    reason: str


class _Count(NamedTuple):
    """A count that a call is part of, with its maximum."""

    limit: str
    who: Hashable
    most: int
    reason: str


@dataclass(frozen=True, slots=True)
class Lease:
    """The admission of one connection, until `Admission.give_back`. Plain data that can be sent as JSON.

    Attributes:
        session_id: the session that the connection begins or resumes.
        agent_id: the agent that is called.
        caller: who calls; None: callers are not authenticated. Only claims that are JSON are sent.
        number: distinguishes the leases of one session.
        target: the alias or release that was called; None: production.
        version: of this format.
    """

    session_id: str
    agent_id: str
    caller: Annotated[Caller | None, PlainSerializer(plain_caller)]
    number: int
    target: str | None = None
    version: Literal[1] = 1


class Admission:
    """Counts connected calls, and refuses new ones over a limit. Belongs to one event loop.

    Calls are counted by session, so a caller who reconnects before the loss of the old connection is noticed is not
    counted twice.

    Args:
        limits: `[limits]`.
        agent_limit: returns the limit of an agent, given its id; None: it has none of its own.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        limits: LimitsSettings,
        agent_limit: Callable[[str], int | None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,  # noqa: TID251 (outside of any call)
    ) -> None:
        self._limits = limits
        self._starts = RateLimiter(limits.max_call_starts_per_minute, clock)
        self._agent_limit = agent_limit
        self._sessions: defaultdict[_Key, Counter[str]] = defaultdict(Counter)  # number of leases by session
        self._leases: dict[int, list[_Key]] = {}  # the counts of each lease
        self._numbers = itertools.count(1)

    def lease(
        self,
        session_id: str,
        agent_id: str,
        caller: Caller | None = None,
        client_host: str | None = None,
        *,
        target: str | None = None,
    ) -> Lease | Refusal:
        """Admit a connection.

        Another lease of the same session counts neither as a further call nor as a new start. So check beforehand that
        the caller may resume that session.

        Args:
            session_id: of a new session, or of the one that the caller resumes.
            agent_id: who is called.
            caller: who calls; without one there is no limit per caller.
            client_host: the client's address. Loopback has no limit per address: it is the operator, or a proxy whose
                callers cannot be distinguished.
            target: the alias or release that is called; None: production. All of them count for the agent.
        """
        counts = list(self._counts(agent_id, caller, client_host))
        for count in counts:
            others = self._sessions.get((count.limit, count.who), {}).keys() - {session_id}
            if len(others) >= count.most:
                return Refusal(count.limit, count.reason)
        if not self._is_connected(session_id) and not self._may_start(caller, client_host):
            return Refusal("max_call_starts_per_minute", "calls are started too quickly: try again in a minute")
        lease = Lease(session_id, agent_id, caller, next(self._numbers), target)
        self._leases[lease.number] = keys = [(count.limit, count.who) for count in counts]
        for key in keys:
            self._sessions[key][session_id] += 1
        return lease

    def give_back(self, lease: Lease) -> None:
        """End a lease, since its connection has ended. Idempotent."""
        for key in self._leases.pop(lease.number, ()):
            sessions = self._sessions[key]
            sessions[lease.session_id] -= 1
            if not sessions[lease.session_id]:
                del sessions[lease.session_id]
            if not sessions:
                del self._sessions[key]  # otherwise the table grows with every caller and address

    @property
    def calls(self) -> int:
        """Calls that are connected."""
        return len(self._sessions.get(_ALL, ()))

    @property
    def counts(self) -> dict[tuple[str, Hashable], int]:
        """The current count of each limit, by its name and its agent, caller or network."""
        return {key: len(sessions) for key, sessions in self._sessions.items()}

    def _is_connected(self, session_id: str) -> bool:
        return session_id in self._sessions.get(_ALL, ())

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
