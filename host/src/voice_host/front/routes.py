"""HTTP routes: the list of agents, health, readiness, metrics, and the OpenAPI document."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, ConfigDict, Field, create_model

from voice_host.auth.principal import Principal
from voice_host.fleet.report import AgentReport, ReleaseReport
from voice_host.fleet.service import AgentService, State
from voice_host.front.authorization import Authorization
from voice_host.front.exposition import exposition
from voice_host.observability.figures import Figures, own_calls
from voice_host.observability.recent import Recent
from voice_host.settings import Settings

SECURITY = {"bearer": {"type": "http", "scheme": "bearer", "description": "An API key or a call token."}}
OPTIONAL_AUTH: dict[str, Any] = {"security": [{"bearer": []}, {}]}
"""Security of a route that requires a key only if authentication is on."""

_ALWAYS = ("id", "title", "description", "status", "distribution", "version")
_OF_READY = ("examples", "providers", "speech_problem", "speech_notices")
_OF_BROKEN = ("phase", "error", "hint", "where")
"""Shown only with the scope `metrics`, since errors may contain anything."""
_FOR_DEVELOPERS = ("traceback",)


class ListedRelease(ReleaseReport):
    """A release of an agent, with its recent figures."""

    recent: Recent | None = None


class Problem(BaseModel):
    """The reason for which a request is refused."""

    detail: str


class Health(BaseModel):
    """The process serves."""

    status: Literal["ok"]


class Readiness(BaseModel):
    """Whether calls are taken. The counts are only shown with the scope `metrics`."""

    status: State
    agents: int = Field(default=0, description="Agents that take calls.")
    broken: int = 0
    calls: int = Field(default=0, description="Connected calls.")


ListedAgent = create_model(
    "ListedAgent",
    __config__=ConfigDict(extra="forbid"),
    __doc__="One agent. Details of a broken agent, and all figures, are only shown with the scope `metrics`.",
    status=(Literal["ready", "broken", "disabled"], ...),
    releases=(tuple[ListedRelease, ...] | None, Field(None, description="Only where agents run in worker processes.")),
    calls=(int | None, Field(None, description="Calls connected now.")),
    recent=(Recent | None, None),
    **{  # type: ignore[call-overload]
        name: (field.annotation, field)
        for name, field in AgentReport.model_fields.items()
        if name in (*_ALWAYS, *_OF_READY, *_OF_BROKEN, *_FOR_DEVELOPERS) and name != "status"
    },
)
"""The part of an `AgentReport` that `GET /agents` shows, with the agent's figures."""

_REFUSALS = {
    400: "The body is invalid.",
    401: "There is no valid key or token.",
    403: "The key or token does not allow this.",
    404: "There is no such agent, or this host makes no call tokens.",
    413: "The body is too long.",
    422: "The body is invalid.",
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the descriptions of error responses for a route's `responses`."""
    return {status: {"model": Problem, "description": _REFUSALS[status]} for status in statuses}


def listed(
    agent: AgentReport,
    *,
    errors: bool = True,
    tracebacks: bool = False,
    figures: Figures | None = None,
    calls: int = 0,
) -> dict[str, Any]:
    """Return an agent as `GET /agents` lists it.

    Args:
        errors: whether to include why a broken agent is broken, and its releases and workers.
        tracebacks: whether to include its traceback, for its developer.
        figures: where its figures come from, if they are to be included.
        calls: its calls in this process.
    """
    names = set(_ALWAYS)
    if agent.status == "ready":
        names.update(_OF_READY)
    elif agent.status == "broken" and errors:
        names.update(_OF_BROKEN, _FOR_DEVELOPERS if tracebacks else ())
    shown = agent.model_dump(mode="json", include=names, exclude_none=True)
    if errors and agent.releases:
        shown["releases"] = [_listed_release(agent.id, release, figures) for release in agent.releases]
    if figures is not None:
        shown["calls"] = calls + sum(worker.calls for release in agent.releases for worker in release.workers)
        shown["recent"] = figures.recent(agent.id).model_dump(mode="json")
    return shown


def _listed_release(agent_id: str, release: ReleaseReport, figures: Figures | None) -> dict[str, Any]:
    shown = release.model_dump(mode="json")
    if figures is not None:
        shown["recent"] = figures.recent(agent_id, release.name).model_dump(mode="json")
    return shown


def add_routes(
    app: FastAPI,
    agents: AgentService,
    settings: Settings,
    authorization: Authorization,
    *,
    tracebacks: bool = False,
) -> None:
    """Add the routes to the host's application. `tracebacks`: as for `listed`."""
    _add_list(app, agents, settings, authorization, tracebacks=tracebacks)
    _add_health(app, agents, settings, authorization)


def _add_list(
    app: FastAPI, agents: AgentService, settings: Settings, authorization: Authorization, *, tracebacks: bool
) -> None:
    open_to_all = settings.auth.agents == "open" or not authorization.authentication.required

    async def reader(request: Request) -> Principal:
        if open_to_all:
            return await authorization.identify(request) or Principal(scopes=frozenset())
        return await authorization.require(request, "calls", "metrics")

    responses = refusals(401, 403)
    listing = list[ListedAgent]  # type: ignore[valid-type]
    responses[200] = {"model": listing, "description": "The agents that the client may see."}

    @app.get("/agents", response_model=None, responses=responses, openapi_extra=OPTIONAL_AUTH)
    async def list_agents(request: Request) -> list[dict[str, Any]]:
        principal = await reader(request)
        errors = principal.may("metrics")
        figures = agents.figures if errors else None
        calls = own_calls() if errors else {}
        if errors:
            await agents.measure()
        return [
            listed(agent, errors=errors, tracebacks=tracebacks, figures=figures, calls=calls.get(agent.id, 0))
            for agent in agents.report.agents.values()
            if principal.may_see(agent.id)
        ]

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi(request: Request) -> JSONResponse:
        await reader(request)
        described = app.openapi()
        described.setdefault("components", {})["securitySchemes"] = SECURITY
        return JSONResponse(described)


def _add_health(app: FastAPI, agents: AgentService, settings: Settings, authorization: Authorization) -> None:
    @app.get("/health")
    async def health() -> Health:
        return Health(status="ok")

    meanings = {200: "Calls are taken.", 503: "No calls are taken: the host is starting, draining or stopped."}
    responses: dict[int | str, dict[str, Any]] = {
        status: {"model": Readiness, "description": meaning} for status, meaning in meanings.items()
    }

    @app.get("/ready", response_model=None, responses=responses, openapi_extra=OPTIONAL_AUTH)
    async def ready(request: Request) -> JSONResponse:
        report = agents.report
        answer: dict[str, Any] = {"status": report.state}
        principal = await authorization.identify(request)
        if principal is not None and principal.may("metrics"):
            answer |= {"agents": report.ready, "broken": report.broken, "calls": agents.connected}
        return JSONResponse(answer, status_code=200 if report.state == "ready" else 503)

    @app.get("/metrics", include_in_schema=False)
    async def show_metrics(request: Request) -> Response:
        await authorization.require(request, "metrics")
        await agents.measure()
        reports = list(agents.report.agents.values())
        text = await asyncio.to_thread(exposition, settings.agent_labels, agents.figures, reports)
        return Response(text, media_type=CONTENT_TYPE_LATEST)
