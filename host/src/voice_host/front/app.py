"""The HTTP and WebSocket surface of a running host."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from voice_host.auth.gate import Gate, Visitor
from voice_host.fleet.local import Host
from voice_host.front.answers import ASKS_WHO, SECURITY, Health, ListedAgent, Readiness, refusals
from voice_host.front.call_route import add_call_route
from voice_host.front.contained_routes import ContainedRoutes
from voice_host.front.cors import CrossOrigin
from voice_host.front.cross_site import SameSiteSockets
from voice_host.front.door import Door
from voice_host.front.extension_routes import add_extension_routes
from voice_host.front.headers import SecurityHeaders
from voice_host.front.host_names import KnownHosts
from voice_host.front.one_credential import OneCredential
from voice_host.front.talk_page import add_talk_page
from voice_host.front.tokens import add_token_route
from voice_host.observability.exposition import exposition
from voice_host.settings import AuthSettings

SHOWN_OF_BROKEN = ("id", "title", "description", "status", "distribution", "version")
"""Of a broken agent, to those who may call but not see how the host is: the error may name anything."""


def create_host_app(
    host: Host,
    *,
    gate: Gate | None = None,
    auth: AuthSettings | None = None,
    allowed_hosts: Sequence[str] = ("*",),
    allowed_origins: Sequence[str] = (),
    tracebacks: bool = False,
) -> FastAPI:
    """Return the application that shows `host` to the network. Whoever made the host starts and stops it.

    Args:
        host: the agents.
        gate: who may come in; default: anybody.
        auth: what is shown to whom; default: as in `[auth]`.
        allowed_hosts: names in the `Host` header that are answered, beside addresses. A page that rebinds its own name
            to this machine would pass a comparison of `Origin` and `Host`; it does not know these names.
        allowed_origins: other sites whose pages may call.
        tracebacks: whether `GET /agents` shows what a broken agent raised; for `voice-host dev` alone.

    Raises:
        ExtensionsBroken: the routes of an extension cannot be added.
    """
    gate, auth = gate or Gate(), auth or AuthSettings()
    app = FastAPI(title="voice-host", docs_url=None, redoc_url=None, openapi_url=None)
    # What is added last is outermost.
    app.add_middleware(ContainedRoutes)
    app.add_middleware(OneCredential)
    if allowed_origins:
        app.add_middleware(CrossOrigin, allowed=allowed_origins)
    app.add_middleware(SameSiteSockets, allowed=allowed_origins)
    app.add_middleware(KnownHosts, allowed_hosts=list(allowed_hosts))
    app.add_middleware(SecurityHeaders)
    door = Door(gate)
    if auth.page == "open":
        add_talk_page(app)
    open_to_all = auth.agents == "open" or not gate.closed
    _add_list(app, host, door, open_to_all=open_to_all, tracebacks=tracebacks)
    _add_health(app, host, door)
    add_token_route(app, host, door)
    add_call_route(app, host, gate, allowed_origins)
    add_extension_routes(app, host.extensions)
    return app


def _add_list(app: FastAPI, host: Host, door: Door, *, open_to_all: bool, tracebacks: bool) -> None:
    async def reader(request: Request) -> Visitor:
        if open_to_all:
            return await door.look(request) or Visitor(scopes=frozenset())
        return await door.let_in(request, "calls", "metrics")

    answers = refusals(401, 403)
    answers[200] = {"model": list[ListedAgent], "description": "The agents that the visitor may see."}

    @app.get("/agents", response_model=None, responses=answers, openapi_extra=ASKS_WHO)
    async def agents(request: Request) -> list[dict[str, Any]]:
        visitor = await reader(request)
        listed = host.describe(tracebacks=tracebacks)
        return [_shown(agent, visitor) for agent in listed if visitor.may_see(agent["id"])]

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi(request: Request) -> JSONResponse:
        await reader(request)
        described = app.openapi()
        described.setdefault("components", {})["securitySchemes"] = SECURITY
        return JSONResponse(described)


def _shown(agent: dict[str, Any], visitor: Visitor) -> dict[str, Any]:
    if agent["status"] != "broken" or visitor.may("metrics"):
        return agent
    return {name: value for name, value in agent.items() if name in SHOWN_OF_BROKEN}


def _add_health(app: FastAPI, host: Host, door: Door) -> None:
    @app.get("/health")
    async def health() -> Health:
        return Health(status="ok")

    answers = {200: "Calls are taken.", 503: "None are taken: the host starts, drains or has stopped."}
    described: dict[int | str, dict[str, Any]] = {
        status: {"model": Readiness, "description": words} for status, words in answers.items()
    }

    @app.get("/ready", response_model=None, responses=described, openapi_extra=ASKS_WHO)
    async def ready(request: Request) -> JSONResponse:
        told: dict[str, Any] = {"status": host.state}
        visitor = await door.look(request)
        if visitor is not None and visitor.may("metrics"):
            statuses = [agent["status"] for agent in host.describe()]
            told["agents"] = statuses.count("ready")
            told["broken"] = statuses.count("broken")
            told["calls"] = host.active_calls
        return JSONResponse(told, status_code=200 if host.state == "ready" else 503)

    @app.get("/metrics", include_in_schema=False)
    async def show_metrics(request: Request) -> Response:
        await door.let_in(request, "metrics")
        return await asyncio.to_thread(_metrics, host)  # the collector of process figures reads files


def _metrics(host: Host) -> Response:
    return Response(exposition(host.settings.agent_labels), media_type=CONTENT_TYPE_LATEST)
