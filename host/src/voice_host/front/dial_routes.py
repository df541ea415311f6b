"""`POST /agents/{id}/calls` and its calls: telephone calls that the host makes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Header, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from voice_host.auth.addresses import split_address
from voice_host.auth.principal import key_of
from voice_host.fleet.service import AgentService
from voice_host.front.authorization import Authorization, origin_of
from voice_host.front.bodies import json_body, receive_json
from voice_host.front.release_routes import OPERATOR
from voice_host.front.routes import refusals
from voice_host.front.tokens import Metadata
from voice_host.observability.logs import get_logger
from voice_host.phone.carrier import CarrierError, Detection, PhoneCall
from voice_host.phone.outbound import DialOrder, DialRefused, OutboundCalls
from voice_host.settings.phone import LONGEST_CALL_S, PhoneNumber

log = get_logger(__name__)


class DialRequest(BaseModel):
    """The body of a request to call a number."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    to: PhoneNumber = Field(description="Whom to call, in E.164 form.", examples=["+493012345678"])
    from_: PhoneNumber | None = Field(
        default=None, alias="from", description="One of the agent's numbers. Default: its only one."
    )
    metadata: Metadata = Field(default_factory=dict, description="For Session.metadata.")
    ring_s: int = Field(default=30, ge=5, le=120, description="How long to let it ring.")
    max_call_s: int | None = Field(
        default=None,
        ge=10,
        le=LONGEST_CALL_S,
        description="Time limit of the call, at most phone.outbound.max_call_s, which is the default.",
    )
    machine_detection: Detection = Field(
        default="off",
        description="person: find out whether a person or a machine answers; message_end: also when it records.",
    )


_REQUEST = TypeAdapter(DialRequest)


class OutboundCall(BaseModel):
    """A call that the host makes or has made."""

    model_config = ConfigDict(populate_by_name=True)

    id: str = Field(description="Of its session.")
    agent: str
    target: str | None = Field(description="The alias or release that calls; null: production.")
    carrier: str
    to: str
    from_: str = Field(alias="from")
    status: Literal["ringing", "answered", "streaming", "over"]
    outcome: str | None = Field(
        description="busy, no-answer, failed, cancelled, completed or transferred; null: not over."
    )
    reason: str | None = Field(description="More about the outcome.")
    answered_by: str | None = Field(
        description="human, machine, machine_end, fax or unknown, as the carrier judges; null: it has not judged."
    )
    created: datetime
    answered: datetime | None
    ended: datetime | None
    duration_s: float | None = Field(description="From the answer to the end, or until now.")


def add_dial_routes(app: FastAPI, agents: AgentService, outbound: OutboundCalls, authorization: Authorization) -> None:
    """Add the routes to the host's application."""
    routes = _DialRoutes(agents, outbound, authorization)
    of_agent = "/agents/{agent_id}/calls"
    unknown: dict[int | str, dict[str, Any]] = {404: {"description": "There is no such agent, or no such call."}}
    options: dict[str, Any] = {"openapi_extra": OPERATOR, "responses": {**refusals(401, 403), **unknown}}
    meanings = {
        200: "The request was repeated: this is the call that it has made.",
        409: "This host or this agent makes no calls.",
        422: "The number may not be called, or the request is not valid.",
        429: "A limit of attempts or calls is reached.",
        502: "The carrier refused, or cannot be reached.",
    }
    described: dict[int | str, dict[str, Any]] = {code: {"description": text} for code, text in meanings.items()}
    described[200]["model"] = OutboundCall
    app.post(
        of_agent,
        status_code=201,
        response_model=OutboundCall,
        openapi_extra=OPERATOR | json_body(_REQUEST),
        responses={**options["responses"], **described},
    )(routes.dial)
    app.get(of_agent, **options)(routes.list_all)
    app.get(f"{of_agent}/{{call_id}}", **options)(routes.show)
    hang_up = {**options["responses"], 502: {"description": "The carrier did not end it: it may go on."}}
    app.delete(f"{of_agent}/{{call_id}}", status_code=204, openapi_extra=OPERATOR, responses=hang_up)(routes.hang_up)
    app.add_exception_handler(DialRefused, _answer_refused)


async def _answer_refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, DialRefused)
    told = {"detail": str(error), "hint": error.hint}
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    return JSONResponse({name: text for name, text in told.items() if text}, error.status, headers)


class _DialRoutes:
    def __init__(self, agents: AgentService, outbound: OutboundCalls, authorization: Authorization) -> None:
        self._agents = agents
        self._outbound = outbound
        self._authorization = authorization

    async def dial(
        self,
        request: Request,
        response: Response,
        agent_id: str,
        idempotency_key: Annotated[
            str | None,
            Header(
                min_length=1,
                max_length=200,
                description="A name for the request. If it is repeated with the same name, nobody is called again.",
            ),
        ] = None,
    ) -> OutboundCall:
        """Call a number. The answer comes when it begins to ring; the call's status says what happens then."""
        agent, _ = split_address(agent_id)
        principal = await self._authorization.operator(request, "dial", agent_id=agent)
        self._require_agent(agent)
        body = await receive_json(request, _REQUEST)
        order = DialOrder(
            agent_id, body.to, body.from_, body.metadata, body.ring_s, body.max_call_s, body.machine_detection
        )
        call, repeated = await self._outbound.dial(
            order, key_id=key_of(principal.caller), repeatable_as=idempotency_key
        )
        if repeated:
            response.status_code = 200
        else:
            fields = {"session_id": call.lease.session_id, "carrier": call.channel.name}
            log.info("phone_call_made", agent_id=agent, **fields, **origin_of(request, principal))
        return _shown(call)

    async def list_all(self, request: Request, agent_id: str) -> list[OutboundCall]:
        """List the calls that the host has made for an agent, the newest first. It remembers the latest 1,000."""
        agent = await self._authorized(request, agent_id)
        return [_shown(call) for call in self._outbound.of_agent(agent)]

    async def show(self, request: Request, agent_id: str, call_id: str) -> OutboundCall:
        """Show what has become of a call."""
        return _shown(self._found(await self._authorized(request, agent_id), call_id))

    async def hang_up(self, request: Request, agent_id: str, call_id: str) -> None:
        """End a call, also one that rings. That it is over already is no error."""
        call = self._found(await self._authorized(request, agent_id), call_id)
        try:
            await self._outbound.hang_up(call)
        except CarrierError as error:
            raise HTTPException(502, str(error)) from error

    async def _authorized(self, request: Request, address: str) -> str:
        agent_id, _ = split_address(address)
        await self._authorization.operator(request, "dial", agent_id=agent_id)
        self._require_agent(agent_id)
        return agent_id

    def _require_agent(self, agent_id: str) -> None:
        if agent_id not in self._agents.report.agents:
            raise HTTPException(404, f"there is no agent {agent_id!r}")

    def _found(self, agent_id: str, call_id: str) -> PhoneCall:
        call = self._outbound.find(agent_id, call_id)
        if call is None:
            raise HTTPException(404, f"there is no such call of {agent_id}, or it is not remembered any more")
        return call


def _shown(call: PhoneCall) -> OutboundCall:
    def at(time_s: float | None) -> datetime | None:
        return None if time_s is None else call.created + timedelta(seconds=time_s - call.created_s)

    return OutboundCall(
        id=call.lease.session_id,
        agent=call.lease.agent_id,
        target=call.lease.target,
        carrier=call.channel.name,
        to=call.channel.to_number or "",
        **{"from": call.channel.from_number or ""},
        status=call.status,
        outcome=call.outcome if call.status == "over" else None,
        reason=call.reason or None,
        answered_by=call.answer.by if call.answer else None,
        created=call.created,
        answered=at(call.answered_s),
        ended=at(call.ended_s),
        duration_s=call.duration_s,
    )
