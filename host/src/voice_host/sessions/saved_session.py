"""Restores sessions whose process was lost, for callers who come back."""

from __future__ import annotations

from dataclasses import dataclass

from voice_host.observability.logs import get_logger
from voice_host.sessions.manager import VoiceAgentManager
from voice_host.sessions.refusals import ResumeRefused, SessionHere, SessionRefused
from voice_host.sessions.resume_state import ResumeState, ResumeStateError
from voice_host.sessions.resume_token import ResumeKey, is_caller, session_of
from voice_host_sdk import Caller

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SavedSession:
    """A session whose process was lost.

    Attributes:
        state: the bytes of its `ResumeState`.
        age_s: seconds since the state was made.
    """

    state: bytes
    age_s: float


async def end_lost(manager: VoiceAgentManager, saved: SavedSession) -> None:
    """End a session whose process was lost and whose caller did not come back: it is restored for its last callback."""
    try:
        state = ResumeState.from_bytes(saved.state)
        await manager.restore(state, elapsed_s=saved.age_s)
        await manager.remove(state.session_id, "lost")
    except (ResumeStateError, SessionRefused, SessionHere) as error:
        log.warning("lost_session_not_ended", agent_id=manager.agent_id, reason=str(error))


async def restore_saved(manager: VoiceAgentManager, saved: SavedSession, token: str, caller: Caller | None) -> None:
    """Restore the session of a resume token, unless the manager has it.

    Raises:
        ResumeRefused: token or caller are not those of the state, or it cannot be used here. The log says why.
        SessionRefused: `on_session_starting` failed, or the manager is closed.
    """
    session_id = session_of(token)
    if manager.session(session_id) is not None:
        return
    try:
        state = ResumeState.from_bytes(saved.state)
        if not ResumeKey(state.token_digest).matches(token):
            raise ResumeStateError("the resume state does not belong to this resume token: it may be outdated")
        if not is_caller(state.caller, caller):
            raise ResumeRefused
        await manager.restore(state, elapsed_s=saved.age_s)
    except SessionHere:
        return  # over another connection with the same token
    except ResumeStateError as error:
        log.warning("session_not_restored", agent_id=manager.agent_id, session_id=session_id, reason=str(error))
        raise ResumeRefused from None
