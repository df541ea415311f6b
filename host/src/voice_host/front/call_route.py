"""`WS /agents/{id}/session`: who may call whom, and who is told why not."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import FastAPI
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from voice_host.admission import Refusal as OverLimit
from voice_host.auth.gate import Gate, Refusal, Visitor
from voice_host.auth.origins import origin_allowed
from voice_host.call.connection import code_for
from voice_host.call.report import report_refusal
from voice_host.clients.close_codes import CloseCode, fit_reason
from voice_host.clients.transport.asgi import AsgiWebSocket
from voice_host.clients.transport.connection import ClientConnection
from voice_host.clients.voice_host_v1 import VoiceHostV1, chosen_subprotocol
from voice_host.fleet.local import Host, ReadyAgent
from voice_host.front.door import connection_of, origin_of
from voice_host.observability import metrics
from voice_host.plugins import BrokenAgent, DisabledAgent
from voice_host.sessions.refusals import SessionRefused
from voice_host.sessions.resume_token import new_session_id, session_of


def add_call_route(app: FastAPI, host: Host, gate: Gate, allowed_origins: Sequence[str]) -> None:
    """Add the route to the host's application. Starlette's own: FastAPI's would solve dependencies for each call."""

    async def session(ws: WebSocket) -> None:
        agent_id: str = ws.path_params["agent_id"]
        own = host.settings.for_agent(agent_id).allowed_origins
        allowed = allowed_origins if own is None else own
        if not origin_allowed(ws.headers.get("origin"), ws.headers.get("host", ""), allowed):
            await _refuse(ws, _known(host, agent_id), CloseCode.ORIGIN_NOT_ALLOWED, "this page may not call here")
            return
        # Whoever may not call is not told either which agents there are.
        visitor = await gate.admit(connection_of(ws, agent_id), "calls")
        if isinstance(visitor, Refusal):
            code = CloseCode.NOT_AUTHORISED
            if visitor.retry_after_s is not None:
                code = CloseCode.OVER_A_LIMIT
                metrics.LIMITS_EXCEEDED.labels("", "max_auth_failures_per_minute").inc()
            await _refuse(ws, _known(host, agent_id), code, visitor.reason, visitor)
            return
        await _call(ws, agent_id, visitor, host, gate)

    app.router.routes.append(WebSocketRoute("/agents/{agent_id}/session", session))


def _known(host: Host, agent_id: str) -> str:
    """Return the agent's id for metrics and logs, where anybody may write anything for one."""
    return agent_id if agent_id in host.agents else ""


async def _call(ws: WebSocket, agent_id: str, visitor: Visitor, host: Host, gate: Gate) -> None:
    agent = host.agents.get(agent_id)
    if agent is None:
        await _refuse(ws, "", CloseCode.NO_SUCH_AGENT, f"there is no agent {agent_id!r}", visitor)
    elif isinstance(agent, DisabledAgent):
        await _refuse(ws, agent_id, CloseCode.AGENT_BROKEN, "the agent is switched off", visitor)
    elif isinstance(agent, BrokenAgent):
        phase = f" ({agent.phase})" if visitor.may("metrics") else ""
        await _refuse(ws, agent_id, CloseCode.AGENT_BROKEN, f"the agent is broken{phase}", visitor)
    elif host.state != "ready":
        await _refuse(ws, agent_id, CloseCode.DRAINING, "the server is shutting down", visitor)
    else:
        await _connect(ws, agent, visitor, host, gate)


async def _connect(ws: WebSocket, agent: ReadyAgent, visitor: Visitor, host: Host, gate: Gate) -> None:
    agent_id, caller = agent.loaded.id, visitor.caller
    session_id = new_session_id()
    if (token := ws.query_params.get("resume")) is not None:
        try:
            agent.manager.check_resume(token, caller)
        except SessionRefused as refusal:
            await _refuse(ws, agent_id, code_for(refusal), str(refusal), visitor)
            return
        session_id = session_of(token)
    lease = host.admission.lease(session_id, agent_id, caller, ws.client.host if ws.client else None)
    if isinstance(lease, OverLimit):
        metrics.LIMITS_EXCEEDED.labels(agent_id, lease.limit).inc()
        await _refuse(ws, agent_id, CloseCode.OVER_A_LIMIT, lease.reason, visitor)
        return
    with lease:
        if gate.redeem(visitor):  # last of all: a call that is refused does not use the token up
            client = ClientConnection(
                AsgiWebSocket(ws), VoiceHostV1(), send_timeout_s=host.settings.limits.send_timeout_s
            )
            await agent.handler.take(client, session_id=lease.session_id, caller=caller, metadata=visitor.metadata)
        else:
            await _refuse(ws, agent_id, CloseCode.NOT_AUTHORISED, "the call token was used already", visitor)


async def _refuse(
    ws: WebSocket, agent_id: str, code: CloseCode, reason: str, who: Visitor | Refusal | None = None
) -> None:
    """Close with a code that a browser can see, which takes accepting first."""
    report_refusal(agent_id, code, reason, **origin_of(ws, who))
    await ws.accept(subprotocol=chosen_subprotocol(ws.scope.get("subprotocols", [])))
    await ws.close(code, fit_reason(reason))
