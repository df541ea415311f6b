"""`POST /v1/realtime/client_secrets`: call tokens for clients that speak OpenAI Realtime."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from voice_host.auth.addresses import agent_address, split_address
from voice_host.auth.call_tokens import CLIENT_SECRET_PREFIX
from voice_host.clients.openai_realtime.session import Session
from voice_host.fleet.service import AgentService
from voice_host.front.authorization import Authorization
from voice_host.front.bodies import json_body, receive_body
from voice_host.front.openai_errors import OpenAIRefusal, invalid_parameter, openai_error, openai_refusals
from voice_host.front.routes import OPTIONAL_AUTH
from voice_host.front.tokens import MAX_SUBJECT, NO_TOKENS, mint, require_address
from voice_host.sessions.resume_token import new_session_id
from voice_host.settings import explain

PATH = "/v1/realtime/client_secrets"

SUBJECT_HEADER = "openai-safety-identifier"
"""OpenAI's header for the end user that a request is made for: here the subject of the call token."""

DEFAULT_TTL_S = 600
"""OpenAI's, for clients that rely on it. A host whose tokens live shorter uses the longest life of those."""

_OPEN = "Calls need no key here: connect with any text in place of a client secret, such as ek_none"

MAX_SESSION_BYTES = 131072
"""Of the body, with the instructions and tools of a backend written for OpenAI, though the agent has its own: OpenAI
takes instructions of 16,384 tokens, some 64 KB."""


class ExpiresAfter(BaseModel):
    """How long the secret can be used to begin a session."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    anchor: Literal["created_at"] = "created_at"
    seconds: int = Field(default=DEFAULT_TTL_S, ge=10, le=7200)


class SessionRequest(BaseModel):
    """The session. Everything else in it is the agent's to decide, and is ignored."""

    model_config = ConfigDict(extra="allow", strict=True, hide_input_in_errors=True)

    type: Literal["realtime"] = "realtime"
    model: str = Field(description="The address of an agent: `front-desk`, or `front-desk@staging`.")


class ClientSecretRequest(BaseModel):
    """The body of the request."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    expires_after: ExpiresAfter | None = None
    session: SessionRequest


class ClientSecret(BaseModel):
    """The response. The value is not shown again."""

    value: str
    expires_at: int = Field(description="Seconds since the epoch.")
    session: dict[str, Any] = Field(description="As a session begins; a client may then choose its audio formats.")


def add_client_secret_route(app: FastAPI, agents: AgentService, authorization: Authorization) -> None:
    """Add the route to the host's application."""

    async def make(request: Request) -> ClientSecret:
        principal = await authorization.require(request, "tokens")
        if (tokens := authorization.authentication.tokens) is None:
            reason = NO_TOKENS if authorization.authentication.required else f"{NO_TOKENS}. {_OPEN}"
            raise OpenAIRefusal(404, "client_secrets_unavailable", reason)
        wanted = _parsed(await receive_body(request, MAX_SESSION_BYTES))
        agent_id, target = split_address(wanted.session.model)
        authorization.require_agent(request, principal, "tokens", agent_id)
        require_address(agents, agent_id, target)
        ttl_s = _lifetime(wanted.expires_after, tokens.max_ttl_s)
        subject = _subject(request)
        text, made = mint(tokens, request, principal, agent_id, ttl_s=ttl_s, subject=subject, target=target)
        session = Session(agent_address(agent_id, target))
        session.id = f"sess_{new_session_id()}"
        return ClientSecret(value=CLIENT_SECRET_PREFIX + text, expires_at=made.expires_at, session=session.effective())

    @app.post(
        PATH,
        response_model=ClientSecret,
        responses=openai_refusals(400, 401, 403, 404, 413),
        openapi_extra={**json_body(TypeAdapter(ClientSecretRequest)), **OPTIONAL_AUTH},
    )
    async def make_client_secret(request: Request) -> ClientSecret | JSONResponse:
        try:
            return await make(request)
        except HTTPException as refused:
            return openai_error(refused)


def _lifetime(wanted: ExpiresAfter | None, max_ttl_s: int) -> int:
    if wanted is None:
        return min(DEFAULT_TTL_S, max_ttl_s)
    if wanted.seconds > max_ttl_s:
        reason = f"this host allows at most {max_ttl_s} ([auth] token_max_ttl_s), not {wanted.seconds}"
        raise invalid_parameter("expires_after.seconds", f"expires_after.seconds: {reason}")
    return wanted.seconds


def _subject(request: Request) -> str | None:
    subject = request.headers.get(SUBJECT_HEADER)
    if subject is not None and not (subject.isprintable() and 0 < len(subject) <= MAX_SUBJECT):
        raise invalid_parameter(SUBJECT_HEADER, f"{SUBJECT_HEADER}: must be 1 to {MAX_SUBJECT} printable characters")
    return subject


def _parsed(body: bytes) -> ClientSecretRequest:
    try:
        return ClientSecretRequest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        param = ".".join(str(part) for part in first["loc"]) or None
        if param is None:
            raise invalid_parameter(None, "the body must be a JSON object", "invalid_json") from None
        codes = {"missing": "missing_required_parameter", "extra_forbidden": "unknown_parameter"}
        problems = "; ".join(str(problem) for problem in explain(error, ClientSecretRequest))
        raise invalid_parameter(param, problems, codes.get(first["type"], "invalid_value")) from None
