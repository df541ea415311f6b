"""`ResumeListener`: is told what is needed to restore sessions elsewhere."""

from __future__ import annotations

from typing import Protocol

from voice_host.sessions.checkpoint import Checkpoint


class ResumeListener(Protocol):
    """Is told of the sessions of a manager. Its methods must return at once, and must not raise."""

    def token_issued(self, session_id: str, token_digest: str | None) -> None:
        """A call has got its session. Earlier resume tokens of the session are void; None: it has no token.

        A checkpoint with this token follows at once.
        """

    def checkpoint(self, session_id: str, checkpoint: Checkpoint | None) -> bool:
        """The session can be restored from its state with this change; None: it cannot be restored any more.

        Returns:
            whether the checkpoint was taken. If not, the next one is complete.
        """

    def ended(self, session_id: str) -> None:
        """The session has ended, so that it must not be restored."""
