"""The two ends of a connection: the session it gets, and how it is closed."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.websockets import WebSocket

from voice_host.call.events import CallOver
from voice_host.call.report import CallReporter, report_refusal
from voice_host.clients.client_link import ClientLink
from voice_host.clients.close_codes import CloseCode
from voice_host.sessions.manager import VoiceAgentManager
from voice_host.sessions.refusals import ResumeRefused, SessionRefused, ShuttingDown
from voice_host.sessions.session import HeldSession
from voice_host_sdk import Caller
from voice_host_sdk.session import EndReason

_CREDENTIALS = {"token", "resume"}


@dataclass(frozen=True, slots=True)
class CallEnd:
    """How a call ended: the kind, words, and the close code where it is not the one that goes with the kind."""

    reason: EndReason
    detail: str = ""
    code: CloseCode | None = None


def metadata_of(ws: WebSocket, signed: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    """What the connection sent along: the query's parameters, less those that are credentials.

    `signed` is laid over it: what a call token says, a caller's own parameter must not change.
    """
    return {key: value for key, value in ws.query_params.items() if key not in _CREDENTIALS} | dict(signed or {})


async def session_for(
    ws: WebSocket, manager: VoiceAgentManager, caller: Caller | None, signed: Mapping[str, Any] | None = None
) -> tuple[HeldSession, bool]:
    """Return the session of a connection, and whether it is one that the caller comes back to.

    Raises:
        SessionRefused: none may begin, or there is none to come back to.
    """
    if (token := ws.query_params.get("resume")) is not None:
        return await manager.resume(token, caller=caller), True
    session_id = secrets.token_urlsafe(16)
    await manager.get_or_create(session_id, caller=caller, metadata=metadata_of(ws, signed))
    begun = manager.held(session_id)
    if begun is None:  # it began just before everything ended
        raise ShuttingDown("the server is shutting down")
    return begun, False


async def refuse(link: ClientLink, agent_id: str, code: CloseCode, reason: str, *, limit: str | None = None) -> None:
    """Close a connection that gets no session. `limit`: the setting whose limit it is over."""
    report_refusal(agent_id, code, reason, limit=limit)
    await link.close(code, reason)


def code_for(refusal: SessionRefused) -> CloseCode:
    """Return the close code of a connection that gets no session."""
    if isinstance(refusal, ShuttingDown):
        return CloseCode.DRAINING
    return CloseCode.NOT_AUTHORISED if isinstance(refusal, ResumeRefused) else CloseCode.COULD_NOT_START


def said_goodbye(disconnect: Mapping[str, Any]) -> bool:
    """Whether the client closed on purpose: with 1000, or with a close frame that has no code.

    A connection that broke may come as 1005, too; but only a close frame has a reason.
    """
    code = disconnect.get("code")
    return code == 1000 or (code == 1005 and "reason" in disconnect)


async def say_goodbye(link: ClientLink, reporter: CallReporter, end: CallEnd) -> None:
    """Close the connection with the code and the reason that fit the end of the call."""
    await reporter.tell(CallOver(end.reason, end.detail))
    if end.reason == "shutdown":
        await link.close(CloseCode.DRAINING, "the server is shutting down")
    elif end.reason == "failed":
        await link.close(CloseCode.INTERNAL_ERROR, end.detail)
    else:
        await link.close(end.code or CloseCode.ENDED, end.detail)
