"""Why a call was refused or ended, as WebSocket close codes."""

from __future__ import annotations

from enum import IntEnum

from voice_host.sessions.refusals import ResumeRefused, SessionRefused, ShuttingDown

MAX_REASON_BYTES = 123
"""RFC 6455: a control frame carries 125 bytes, two of them the code."""


class CloseCode(IntEnum):
    """The codes of the call protocol."""

    ENDED = 1000
    INTERNAL_ERROR = 1011
    COME_BACK = 1012
    NOT_AUTHORISED = 4401
    ORIGIN_NOT_ALLOWED = 4403
    NO_SUCH_AGENT = 4404
    OVER_A_LIMIT = 4429
    COULD_NOT_START = 4500
    AGENT_BROKEN = 4503
    DRAINING = 4504


def fit_reason(reason: str) -> str:
    """Truncate a reason to what a close frame can carry, without splitting a character."""
    return reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")


def code_for(refusal: SessionRefused) -> CloseCode:
    """Return the close code of a connection that gets no session."""
    if isinstance(refusal, ShuttingDown):
        return CloseCode.DRAINING
    return CloseCode.NOT_AUTHORISED if isinstance(refusal, ResumeRefused) else CloseCode.COULD_NOT_START
