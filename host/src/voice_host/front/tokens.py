"""`POST /agents/{id}/tokens`: call tokens for browsers, requested by a server with an API key."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError, WithJsonSchema

from voice_host.auth.addresses import agent_address, split_address
from voice_host.auth.call_tokens import CallToken, CallTokens
from voice_host.auth.principal import Principal
from voice_host.fleet.availability import targets_of
from voice_host.fleet.service import AgentService
from voice_host.front.authorization import Authorization, origin_of
from voice_host.front.bodies import receive_body, refused_body
from voice_host.front.routes import OPTIONAL_AUTH, refusals
from voice_host.observability.logs import get_logger
from voice_host.settings import explain

log = get_logger(__name__)

DEFAULT_TTL_S = 300
"""A browser calls within seconds; the rest is for slow users, and for granting access to the microphone."""

MAX_METADATA_BYTES = 2048
"""Size as ASCII JSON, as it is in the token. A longer token would not fit into a header."""

MAX_SUBJECT = 200

NO_TOKENS = "this host makes no call tokens: its settings have no [auth] keys_file"


def _small(metadata: dict[str, JsonValue]) -> dict[str, JsonValue]:
    size = len(json.dumps(metadata, separators=(",", ":"), allow_nan=False))
    if size > MAX_METADATA_BYTES:
        raise ValueError(f"must be at most {MAX_METADATA_BYTES} bytes as JSON in ASCII, not {size}")
    return metadata


def _encodable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be printable text")
    return text


_ANY_OBJECT = WithJsonSchema({"type": "object", "additionalProperties": True})
"""A schema without references, which pydantic's own has, to definitions that the OpenAPI document lacks."""

Metadata = Annotated[dict[str, JsonValue], AfterValidator(_small), _ANY_OBJECT]
"""What clients give for `Session.metadata`."""


class TokenRequest(BaseModel):
    """The body of the request. All fields are optional, and so is the body."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    ttl_s: int | None = Field(default=None, ge=1, description="How long it can be used to start a call.")
    subject: Annotated[str, AfterValidator(_encodable)] | None = Field(
        default=None, min_length=1, max_length=MAX_SUBJECT
    )
    metadata: Metadata = Field(default_factory=dict)
    single_use: bool = False


class TokenAnswer(BaseModel):
    """The response. The token is not shown again."""

    token: str
    agent: str
    subject: str
    single_use: bool
    expires_at: datetime
    expires_in_s: int


def add_token_route(app: FastAPI, agents: AgentService, authorization: Authorization) -> None:
    """Add the route to the host's application."""
    body_schema = {"content": {"application/json": {"schema": TokenRequest.model_json_schema()}}}

    @app.post(
        "/agents/{agent_id}/tokens",
        status_code=201,
        responses=refusals(401, 403, 404, 413, 422),
        openapi_extra={"requestBody": body_schema, **OPTIONAL_AUTH},
    )
    async def make_token(request: Request, agent_id: str) -> TokenAnswer:
        agent_id, target = split_address(agent_id)
        principal = await authorization.require(request, "tokens", agent_id=agent_id)
        if (tokens := authorization.authentication.tokens) is None:
            raise HTTPException(404, NO_TOKENS)
        require_address(agents, agent_id, target)
        wanted = _parsed(await receive_body(request))
        ttl_s = min(DEFAULT_TTL_S, tokens.max_ttl_s) if wanted.ttl_s is None else wanted.ttl_s
        if ttl_s > tokens.max_ttl_s:
            raise refused_body(422, f"ttl_s: must be from 1 to {tokens.max_ttl_s}, not {ttl_s}")
        holding = {"subject": wanted.subject, "metadata": wanted.metadata, "single_use": wanted.single_use}
        text, made = mint(tokens, request, principal, agent_id, ttl_s=ttl_s, target=target, **holding)
        return TokenAnswer(
            token=text,
            agent=agent_address(made.agent_id, made.target),
            subject=made.subject,
            single_use=made.single_use,
            expires_at=datetime.fromtimestamp(made.expires_at, UTC),
            expires_in_s=ttl_s,
        )


def require_address(agents: AgentService, agent_id: str, target: str | None) -> None:
    """Check that a token can be made for an agent, and for one of its releases or aliases.

    Raises:
        HTTPException: 404.
    """
    if (agent := agents.report.agents.get(agent_id)) is None:
        raise HTTPException(404, f"there is no agent {agent_id!r}")
    if target is not None and target not in targets_of(agent):
        raise HTTPException(404, f"{agent_id} has no release or alias {target!r}")


def mint(
    tokens: CallTokens, request: Request, principal: Principal, agent_id: str, *, ttl_s: int, **holding: Any
) -> tuple[str, CallToken]:
    """Make a token in the name of the client of a request, and log it. `holding`: as for `CallTokens.mint`."""
    text, made = tokens.mint(agent_id, ttl_s=ttl_s, key_id=principal.key_id, maker=principal.mark, **holding)
    log.info(
        "token_minted",
        agent_id=agent_id,
        token_id=made.id,
        expires_in_s=ttl_s,
        single_use=made.single_use,
        **origin_of(request, principal),
    )
    return text, made


def _parsed(body: bytes) -> TokenRequest:
    if not body:
        return TokenRequest()
    try:
        return TokenRequest.model_validate_json(body)
    except ValidationError as error:
        if any(details["loc"] == () for details in error.errors(include_url=False)):
            raise refused_body(422, "the body must be a JSON object") from None
        raise refused_body(422, "; ".join(str(problem) for problem in explain(error, TokenRequest))) from None
