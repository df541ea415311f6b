"""Errors of sessions that cannot begin or be resumed."""

from __future__ import annotations

from voice_host.observability import metrics
from voice_host.observability.logs import get_logger

log = get_logger(__name__)


class SessionRefused(Exception):
    """The session cannot begin: the agent's `on_session_starting` failed."""


class ShuttingDown(SessionRefused):
    """The manager is closed or closing, and begins no more sessions."""


class ResumeRefused(SessionRefused):
    """The resume token is invalid: used, expired, another caller's, or never issued. The reason is not disclosed."""

    def __init__(self) -> None:
        super().__init__("there is no call to resume: call again without the resume token")


class SessionHere(ValueError):
    """A session cannot be restored, because the manager has it."""


def report_refusal(
    agent_id: str, code: int, reason: str, *, session_id: str | None = None, limit: str | None = None, **origin: str
) -> None:
    """Count and log a call that does not begin.

    Args:
        agent_id: who was called; empty: there is no such agent.
        code: the close code that the client gets.
        reason: as the client gets it.
        session_id: which the session would have had, and other lines about the call have; None: it is not known.
        limit: the setting whose limit it is over.
        origin: log fields that say where the call came from.
    """
    if limit is not None:
        metrics.LIMITS_EXCEEDED.labels(agent_id, limit).inc()
    metrics.CALLS_REFUSED.labels(agent_id, str(int(code))).inc()
    session = {} if session_id is None else {"session_id": session_id}
    log.info("call_refused", agent_id=agent_id, **session, code=int(code), reason=reason, **origin)
