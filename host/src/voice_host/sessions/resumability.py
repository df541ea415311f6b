"""`ResumeListener`: is told what is needed to restore sessions elsewhere."""

from __future__ import annotations

from typing import Protocol

from voice_host.sessions.resume_state import ResumeState


class ResumeListener(Protocol):
    """Is told of the sessions of a manager. Its methods must return at once, and must not raise."""

    def token_issued(self, session_id: str, token_digest: str | None) -> None:
        """A call has got its session. Earlier resume tokens of the session are void; None: it has no token."""

    def checkpoint(self, state: ResumeState) -> None:
        """A turn has settled: the session could be restored from this state."""

    def ended(self, session_id: str) -> None:
        """The session has ended, so that it must not be restored."""
