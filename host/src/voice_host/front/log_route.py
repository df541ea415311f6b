"""`GET /agents/{id}/logs`: the latest log lines about an agent, and those that come."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import StreamingResponse
from starlette.datastructures import QueryParams

from voice_host.fleet.service import AgentService
from voice_host.front.authorization import Authorization
from voice_host.front.routes import OPTIONAL_AUTH, refusals
from voice_host.observability.agent_logs import MAX_FOLLOWERS, MAX_LINES, AgentLogs, TooManyFollowers

DEFAULT_LINES = 100

HEARTBEAT_S = 15.0
"""How often an empty line is sent when there is nothing else, so that proxies keep the connection and a client that is
gone is noticed."""

NDJSON = "application/x-ndjson"

_PARAMETERS = [
    {
        "name": "lines",
        "in": "query",
        "schema": {"type": "integer", "minimum": 0, "maximum": MAX_LINES, "default": DEFAULT_LINES},
        "description": "How many of the latest lines.",
    },
    {
        "name": "follow",
        "in": "query",
        "schema": {"type": "boolean", "default": False},
        "description": "Whether to go on with the lines that come. An empty line every 15 s shows that there are none.",
    },
]


def add_log_route(app: FastAPI, agents: AgentService, logs: AgentLogs, authorization: Authorization) -> None:
    """Add the route to the host's application."""
    content = {NDJSON: {"schema": {"type": "string"}}}
    described = {200: {"content": content, "description": "A JSON object per line."}, **refusals(401, 403, 404, 422)}

    @app.get(
        "/agents/{agent_id}/logs",
        response_class=Response,
        responses=described,
        openapi_extra={"parameters": _PARAMETERS, **OPTIONAL_AUTH},
    )
    async def agent_logs(request: Request, agent_id: str) -> Response:
        await authorization.operator(request, "logs", agent_id=agent_id)
        if agent_id not in agents.report.agents:
            raise HTTPException(404, f"there is no agent {agent_id!r}")
        lines = _lines(request.query_params)
        if not _flag(request.query_params, "follow"):
            return Response(_text(logs.latest(agent_id, lines)), media_type=NDJSON)
        following = logs.follow(agent_id, lines, HEARTBEAT_S)
        try:
            first = await anext(following, None)
        except TooManyFollowers:
            raise HTTPException(429, f"{MAX_FOLLOWERS} clients follow logs already") from None
        return StreamingResponse(_streamed(first, following), media_type=NDJSON)


async def _streamed(first: list[str] | None, following: AsyncGenerator[list[str], None]) -> AsyncIterator[str]:
    async with aclosing(following):
        if first is not None:
            yield _text(first) or "\n"
            async for lines in following:
                yield _text(lines) or "\n"


def _text(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _lines(query: QueryParams) -> int:
    text = query.get("lines", str(DEFAULT_LINES))
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and int(text) <= MAX_LINES):
        raise HTTPException(422, f"lines: must be a number from 0 to {MAX_LINES}")
    return int(text)


def _flag(query: QueryParams, name: str) -> bool:
    flags = {"true": True, "1": True, "false": False, "0": False}
    if (text := query.get(name, "false").lower()) not in flags:
        raise HTTPException(422, f"{name}: must be true or false")
    return flags[text]
