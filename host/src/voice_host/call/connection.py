"""The beginning and end of a connection: finding its session, and closing it."""

from __future__ import annotations

from dataclasses import dataclass

from voice_host.call.events import CallOver
from voice_host.call.report import CallReporter
from voice_host.clients.close_codes import CloseCode
from voice_host.clients.protocol import Opening
from voice_host.clients.transport.connection import ClientConnection
from voice_host.sessions.manager import VoiceAgentManager
from voice_host.sessions.refusals import ShuttingDown, report_refusal
from voice_host.sessions.saved_session import SavedSession, restore_saved
from voice_host.sessions.session import ManagedSession
from voice_host_sdk import Caller
from voice_host_sdk.session import EndReason


@dataclass(frozen=True, slots=True)
class CallEnd:
    """How a call ended. `code`: the close code, if it does not follow from the reason."""

    reason: EndReason
    detail: str = ""
    code: CloseCode | None = None


async def session_for(
    opening: Opening,
    manager: VoiceAgentManager,
    session_id: str,
    caller: Caller | None,
    known: Opening,
    saved: SavedSession | None = None,
) -> tuple[ManagedSession, bool]:
    """Return the session of a connection, and whether it is resumed.

    Args:
        opening: what the client sent.
        session_id: the id for a new session. A resumed one is named by its token.
        known: what the platform knows of the call. It takes precedence: a caller can't change what a call token says.
        saved: the session to resume, if the process that had it was lost.

    Raises:
        SessionRefused: no session may begin, or there is none to resume.
    """
    if opening.resume_token is not None:
        if saved is not None:
            await restore_saved(manager, saved, opening.resume_token, caller)
        return await manager.resume(opening.resume_token, caller=caller), True
    metadata = {**opening.metadata, **known.metadata}
    channel = known.channel or opening.channel
    await manager.get_or_create(session_id, caller=caller, metadata=metadata, channel=channel)
    begun = manager.session(session_id)
    if begun is None:  # created just before the shutdown
        raise ShuttingDown("the server is shutting down")
    return begun, False


async def refuse(
    client: ClientConnection,
    agent_id: str,
    code: CloseCode,
    reason: str,
    *,
    session_id: str | None,
    limit: str | None = None,
) -> None:
    """Close a connection that gets no session. `session_id` and `limit` are those of `report_refusal`."""
    report_refusal(agent_id, code, reason, session_id=session_id, limit=limit)
    await client.refuse(code, reason)


async def say_goodbye(client: ClientConnection, reporter: CallReporter, end: CallEnd) -> None:
    """Close the connection, with the code and reason for the end of the call."""
    await reporter.tell(CallOver(end.reason, end.detail))
    if end.reason == "shutdown":
        await client.close(CloseCode.DRAINING, "the server is shutting down")
    elif end.reason == "failed":
        await client.close(CloseCode.INTERNAL_ERROR, end.detail)
    else:
        await client.close(end.code or CloseCode.ENDED, end.detail, lost=end.reason == "lost")
