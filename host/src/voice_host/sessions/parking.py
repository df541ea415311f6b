"""Parked sessions: they wait for callers whose connection was lost. How long, how many, and who may resume them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import partial

from voice_host.observability import metrics
from voice_host.observability.logs import get_logger
from voice_host.sessions.refusals import ResumeRefused, SessionRefused, ShuttingDown
from voice_host.sessions.resume_state import PendingRequest
from voice_host.sessions.resume_token import session_of
from voice_host.sessions.session import ManagedSession
from voice_host_sdk import Caller, Channel
from voice_host_sdk.session import EndReason

log = get_logger(__name__)

TAKE_OVER_TIMEOUT_S = 10.0
"""How long a caller who comes back waits for the last connection to be closed: its tools may be finishing."""


class Parking:
    """The parked sessions of one agent.

    Args:
        agent_id: for logs and metrics.
        sessions: all sessions of the agent, by id.
        grace_s: how long a session waits for its caller; 0: sessions are not parked.
        max_parked: if there are more, `session_to_drop` chooses one to end.
        end: ends a session, given its id, the reason and details.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        agent_id: str,
        sessions: Mapping[str, ManagedSession],
        *,
        grace_s: float,
        max_parked: int,
        end: Callable[[str, EndReason, str], object],
        clock: Callable[[], float],
    ) -> None:
        self._agent_id = agent_id
        self._sessions = sessions
        self._grace_s = grace_s
        self._max_parked = max_parked
        self._end = end
        self._clock = clock
        self.closed = False
        """Whether no more sessions are parked and resumed, since the manager is closing."""

    @property
    def allowed(self) -> bool:
        """Whether a session may be parked now."""
        return self._grace_s > 0 and not self.closed

    def keeps(self, session: ManagedSession) -> bool:
        """Whether a session waits for its caller after the connection was lost."""
        return self.allowed and _can_come_back(session)

    @property
    def count(self) -> int:
        """How many sessions are parked."""
        return len(self._parked())

    def park(self, session: ManagedSession, pending: Iterable[PendingRequest] = ()) -> None:
        """Let a session wait for its caller to come back."""
        session.parked_at = self._clock()
        metrics.SESSIONS_PARKED.labels(self._agent_id).inc()
        session.live.park(partial(self._end, session.id, "ended"), pending)
        if len(parked := self._parked()) > self._max_parked:
            dropped = session_to_drop(parked)
            log.warning(
                "parked_session_dropped", agent_id=self._agent_id, session_id=dropped.id, limit=self._max_parked
            )
            self._end(dropped.id, "lost", "")

    def unpark(self, session: ManagedSession) -> None:
        """Note that a session does not wait any more, because its caller is back or it ends."""
        if session.parked_at is not None:
            session.parked_at = None
            metrics.SESSIONS_PARKED.labels(self._agent_id).dec()

    def close(self) -> None:
        """Park and resume no more sessions."""
        self.closed = True

    def resume_token(self, session: ManagedSession) -> str | None:
        """Return a new token for the session's caller to come back with; None: sessions are not resumed."""
        return session.key.rotate(session.id) if self._grace_s > 0 and _can_come_back(session) else None

    async def resume(self, token: str, caller: Caller | None) -> ManagedSession:
        """Return the session of a resume token, once its last connection is closed. The token is used up.

        Raises:
            ResumeRefused: the token is invalid.
            ShuttingDown: the manager is closing.
            SessionRefused: the last connection was not closed in time; the token is still valid.
        """
        session = self.opened_by(token, caller)
        if session.connection is not None:
            session.connection.replace()
            try:
                async with asyncio.timeout(TAKE_OVER_TIMEOUT_S):
                    await session.disconnected.wait()
            except TimeoutError:
                raise SessionRefused("the previous connection is still being closed: try again") from None
            session = self.opened_by(token, caller)  # another connection may have taken it
        session.key.revoke()
        return session

    def opened_by(self, token: str, caller: Caller | None) -> ManagedSession:
        """Return the session of a resume token, without using the token up.

        Raises:
            ResumeRefused: the token is invalid.
            ShuttingDown: the manager is closing.
        """
        if self.closed:
            raise ShuttingDown("the server is shutting down")
        session = self._sessions.get(session_of(token))
        if session is None or not session.key.matches(token) or not session.belongs_to(caller) or self.expired(session):
            raise ResumeRefused
        return session

    def expired(self, session: ManagedSession) -> bool:
        """Whether the session's grace period is over."""
        return session.parked_at is not None and self._clock() >= session.parked_at + self._grace_s

    def _parked(self) -> list[ManagedSession]:
        return [session for session in self._sessions.values() if session.parked_at is not None]


def session_to_drop(parked: Sequence[ManagedSession]) -> ManagedSession:
    """Return the session that ends when too many are parked: the one parked first, of the caller with most of them.

    Sessions are counted by identity and by origin, and the higher count is decisive. A client may get a call token
    with a new subject for each call, and a caller may have many addresses; neither lets them push out others. Where all
    have one origin, such as a proxy's address, the count by identity decides.
    """
    identities = Counter(map(_identity, parked))
    origins = Counter(session.origin for session in parked)

    def share(session: ManagedSession) -> tuple[int, int, float]:
        of_identity = identities[_identity(session)] if _identity(session) is not None else 1
        of_origin = origins[session.origin] if session.origin is not None else 1
        return max(of_identity, of_origin), of_identity, -(session.parked_at or 0.0)

    return max(parked, key=share)


def _identity(session: ManagedSession) -> Hashable:
    caller = session.live.caller
    return None if caller is None else (caller.issuer, caller.identity)


def _can_come_back(session: ManagedSession) -> bool:
    """Whether the caller can come back with a resume token, for which only the host's own protocol has a place."""
    return session.live.channel.name == Channel().name
