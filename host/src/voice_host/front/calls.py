"""`Calls`: authenticates callers, and admits their calls or refuses them. For all protocols over a WebSocket."""

from __future__ import annotations

from typing import NamedTuple

from starlette.websockets import WebSocket

from voice_host.admission import Admission, Lease
from voice_host.auth.addresses import split_address
from voice_host.auth.authentication import Authentication
from voice_host.auth.origins import origin_allowed
from voice_host.auth.principal import AuthFailure, Principal
from voice_host.clients.choice import ProtocolChoice
from voice_host.clients.close_codes import CloseCode, code_for
from voice_host.clients.protocol import Opening
from voice_host.clients.transport.asgi import AsgiWebSocket
from voice_host.clients.transport.connection import ClientConnection
from voice_host.fleet.availability import why_unavailable
from voice_host.fleet.service import AgentService
from voice_host.front.authorization import connection_of, origin_of
from voice_host.front.reload import LiveSettings
from voice_host.observability import metrics
from voice_host.sessions.refusals import SessionRefused, report_refusal
from voice_host.sessions.resume_token import new_session_id, session_of


class _Refused(NamedTuple):
    """A refused call. `reason` is sent to the client."""

    code: CloseCode
    reason: str
    who: Principal | AuthFailure | None = None


class Calls:
    """Runs the calls of clients that connect over a WebSocket, whatever their protocol is."""

    def __init__(
        self, agents: AgentService, live: LiveSettings, authentication: Authentication, admission: Admission
    ) -> None:
        self._agents = agents
        self._live = live
        self._authentication = authentication
        self._admission = admission

    async def answer(self, ws: WebSocket, address: str, choice: ProtocolChoice, *, resume: str | None = None) -> None:
        """Run one call, from the request to the end of its connection, or refuse it.

        Args:
            ws: not accepted yet.
            address: of the agent, as in `auth.addresses`.
            choice: the client's protocol.
            resume: the resume token, if the client continues a call.
        """
        client = self._connection(ws, choice)
        agent_id, target = split_address(address)
        principal = await self._authorized(ws, agent_id, target)
        if isinstance(principal, _Refused):
            await self._refuse(ws, client, agent_id, principal)
            return
        refused = self._unavailable(agent_id, target, principal)
        lease = refused or await self._lease(ws, agent_id, target, principal, resume)
        if isinstance(lease, _Refused):
            await self._refuse(ws, client, agent_id, lease)
            return
        try:
            if not self._authentication.redeem(principal):  # last, so that a refused call does not use it up
                used = _Refused(CloseCode.NOT_AUTHORISED, "the call token was used already", principal)
                await self._refuse(ws, client, agent_id, used)
                return
            await self._agents.take(client, lease, Opening(principal.metadata, resume))
        finally:
            self._admission.give_back(lease)

    async def refuse(self, ws: WebSocket, choice: ProtocolChoice, code: CloseCode, reason: str) -> None:
        """Refuse a request that is not a call of the protocol, whoever it comes from."""
        await self._refuse(ws, self._connection(ws, choice), "", _Refused(code, reason))

    def _connection(self, ws: WebSocket, choice: ProtocolChoice) -> ClientConnection:
        return ClientConnection(AsgiWebSocket(ws), choice, send_timeout_s=self._live.current.limits.send_timeout_s)

    async def _authorized(self, ws: WebSocket, agent_id: str, target: str | None) -> Principal | _Refused:
        settings = self._live.current
        own = settings.for_agent(agent_id).allowed_origins
        allowed = settings.server.allowed_origins if own is None else own
        if not origin_allowed(ws.headers.get("origin"), ws.headers.get("host", ""), allowed):
            return _Refused(CloseCode.ORIGIN_NOT_ALLOWED, "this page may not call here")
        # Before the agent is looked up, so that unauthenticated clients cannot find out which agents exist.
        found = await self._authentication.authorize(connection_of(ws, agent_id), "calls")
        if isinstance(found, Principal):
            if not found.may_call(agent_id, target):
                return _Refused(CloseCode.NOT_AUTHORISED, "the call token is for another address of this agent", found)
            return found
        if found.retry_after_s is None:
            return _Refused(CloseCode.NOT_AUTHORISED, found.reason, found)
        metrics.LIMITS_EXCEEDED.labels("", "max_auth_failures_per_minute").inc()
        return _Refused(CloseCode.OVER_A_LIMIT, found.reason, found)

    def _unavailable(self, agent_id: str, target: str | None, principal: Principal) -> _Refused | None:
        found = why_unavailable(self._agents.report, agent_id, target)
        if found is None:
            return None
        phase = f" ({found.phase})" if found.phase and principal.may("metrics") else ""
        return _Refused(found.code, found.reason + phase, principal)

    async def _lease(
        self, ws: WebSocket, agent_id: str, target: str | None, principal: Principal, resume: str | None
    ) -> Lease | _Refused:
        """Admit the call under its session id: a new one, or the one in the resume token."""
        session_id = new_session_id()
        if resume is not None:
            try:
                await self._agents.check_resume(agent_id, resume, principal.caller)
            except SessionRefused as refusal:
                return _Refused(code_for(refusal), str(refusal), principal)
            session_id = session_of(resume)
        client_host = ws.client.host if ws.client else None
        lease = self._admission.lease(session_id, agent_id, principal.caller, client_host, target=target)
        if isinstance(lease, Lease):
            return lease
        metrics.LIMITS_EXCEEDED.labels(agent_id, lease.limit).inc()
        return _Refused(CloseCode.OVER_A_LIMIT, lease.reason, principal)

    async def _refuse(self, ws: WebSocket, client: ClientConnection, agent_id: str, refused: _Refused) -> None:
        """Close with a code. The connection must be accepted first, or a browser would not see the code."""
        known = agent_id if agent_id in self._agents.report.agents else ""  # the id in the path is arbitrary text
        report_refusal(known, refused.code, refused.reason, **origin_of(ws, refused.who))
        await client.accept()
        await client.refuse(refused.code, refused.reason)
