"""Routes of deployments: deploying a release, and which of an agent's releases answer calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from voice_host.fleet.service import AgentService
from voice_host.front.authorization import Authorization, origin_of
from voice_host.front.bodies import json_body, receive_json
from voice_host.front.routes import refusals
from voice_host.front.uploads import UploadTooLarge, new_folder, receive_package, remove_folder
from voice_host.observability.logs import get_logger
from voice_host.releases.deployments import Busy, ChangeRefused, Deployments, Unknown
from voice_host.releases.listing import ListedRelease
from voice_host.releases.package import AgentPackage, PackageRequirement
from voice_host.releases.release import PRODUCTION, Release
from voice_host.releases.steps import DeployRefused, Step
from voice_host.settings.field_types import AgentId, AliasName
from voice_host.tasks import failed, in_background, to_the_end

log = get_logger(__name__)

OPERATOR: dict[str, Any] = {"security": [{"bearer": []}]}
"""Security of a route that always needs a key, or the host's Unix socket."""

NDJSON = "application/x-ndjson"

KEEPALIVE_S = 15.0
"""Silence after which an empty line is sent. Proxies commonly end a response after a minute of it."""


class Choice(BaseModel):
    """The body of a request that chooses a release."""

    model_config = ConfigDict(extra="forbid")

    release: str = Field(min_length=1, max_length=200, description="The name of a release, or an alias of one.")


_CHOICE = TypeAdapter(Choice)
_TRAFFIC = TypeAdapter(dict[str, int])


class ProgressLine(BaseModel):
    """A line of the answer of `POST /deployments`. The last one is `deployed` or `failed`."""

    kind: Literal["step", "deployed", "failed"]
    step: Step | None = None
    release: Release | None = Field(default=None, description="What was deployed.")
    rollback: bool | None = Field(default=None, description="Whether `rollback` would lead back.")
    error: str | None = Field(default=None, description="Why nothing has changed.")
    hint: str | None = Field(default=None, description="What to do about it.")
    phase: str | None = Field(default=None, description="The step that failed.")


def add_release_routes(
    app: FastAPI, agents: AgentService, deployments: Deployments | str, authorization: Authorization
) -> None:
    """Add the routes to the host's application.

    Args:
        deployments: the releases; a text: why nothing can be deployed on this host.
    """
    routes = _ReleaseRoutes(agents, deployments, authorization)
    of_one = "/agents/{agent_id}"
    meanings = {
        404: "There is no such agent, release or alias.",
        409: "The agent is being changed, the release is in use, or this host has no deployments.",
        422: "The change is impossible, or a release did not start. Nothing has changed.",
    }
    described: dict[int | str, dict[str, Any]] = {code: {"description": meaning} for code, meaning in meanings.items()}
    options: dict[str, Any] = {"openapi_extra": OPERATOR, "responses": {**refusals(401, 403), **described}}
    app.post("/deployments", response_class=StreamingResponse, **options)(routes.deploy)
    app.get("/deployments", **options)(routes.list_all)
    app.get(f"{of_one}/releases", **options)(routes.list_one)
    app.delete(f"{of_one}/releases/{{name}}", status_code=204, **options)(routes.remove)
    chooses = {**options, "openapi_extra": OPERATOR | json_body(_CHOICE)}
    splits = {**options, "openapi_extra": OPERATOR | json_body(_TRAFFIC)}
    app.put(f"{of_one}/traffic", **splits)(routes.set_traffic)
    app.post(f"{of_one}/promote", **chooses)(routes.promote)
    app.post(f"{of_one}/rollback", **options)(routes.roll_back)
    app.put(f"{of_one}/aliases/{{alias}}", **chooses)(routes.set_alias)
    app.delete(f"{of_one}/aliases/{{alias}}", status_code=204, **options)(routes.remove_alias)
    app.add_exception_handler(ChangeRefused, _answer_refused)
    app.add_exception_handler(DeployRefused, _answer_refused)


async def _answer_refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, (ChangeRefused, DeployRefused))
    statuses = {Unknown: 404, Busy: 409, UploadTooLarge: 413}
    status = next((statuses[kind] for kind in type(error).__mro__ if kind in statuses), 422)
    told = {"detail": error.message, "hint": error.hint}
    return JSONResponse({name: text for name, text in told.items() if text}, status)


class _ReleaseRoutes:
    def __init__(self, agents: AgentService, deployments: Deployments | str, authorization: Authorization) -> None:
        self._agents = agents
        self._found = deployments
        self._authorization = authorization

    @property
    def _deployments(self) -> Deployments:
        if isinstance(self._found, str):
            raise HTTPException(409, self._found)
        return self._found

    def _listing(self, agent_id: str | None = None) -> list[ListedRelease]:
        return self._deployments.listing(self._agents.report.agents, agent_id)

    async def list_all(self, request: Request) -> list[ListedRelease]:
        """List the releases of all agents that the key is for."""
        principal = await self._authorization.operator(request, "deploy")
        return [release for release in self._listing() if principal.may_see(release.agent)]

    async def list_one(self, request: Request, agent_id: str) -> list[ListedRelease]:
        """List the releases of an agent."""
        await self._authorization.operator(request, "deploy", agent_id=agent_id)
        return self._listing(agent_id)

    async def set_traffic(self, request: Request, agent_id: str) -> list[ListedRelease]:
        """Split production's calls between releases: percentages by name, which add up to 100."""
        await self._authorization.operator(request, "deploy", agent_id=agent_id)
        traffic = await receive_json(request, _TRAFFIC)
        await self._deployments.set_traffic(agent_id, traffic)
        return self._listing(agent_id)

    async def promote(self, request: Request, agent_id: str) -> list[ListedRelease]:
        """Send all of production's calls to one release."""
        await self._authorization.operator(request, "deploy", agent_id=agent_id)
        choice = await receive_json(request, _CHOICE)
        await self._deployments.promote(agent_id, choice.release)
        return self._listing(agent_id)

    async def roll_back(self, request: Request, agent_id: str) -> list[ListedRelease]:
        """Restore the traffic before its last change."""
        await self._authorization.operator(request, "deploy", agent_id=agent_id)
        await self._deployments.rollback(agent_id)
        return self._listing(agent_id)

    async def set_alias(self, request: Request, agent_id: str, alias: AliasName) -> list[ListedRelease]:
        """Let an alias name a release."""
        await self._authorization.operator(request, "deploy", agent_id=agent_id)
        choice = await receive_json(request, _CHOICE)
        await self._deployments.set_alias(agent_id, alias, choice.release)
        return self._listing(agent_id)

    async def remove_alias(self, request: Request, agent_id: str, alias: AliasName) -> None:
        """Remove an alias. Its calls are finished."""
        await self._authorization.operator(request, "deploy", agent_id=agent_id)
        await self._deployments.remove_alias(agent_id, alias)

    async def remove(self, request: Request, agent_id: str, name: str) -> None:
        """Remove a release that is not in use."""
        await self._authorization.operator(request, "deploy", agent_id=agent_id)
        await self._deployments.remove(agent_id, name)

    async def deploy(
        self,
        request: Request,
        agent: AgentId | None = None,
        to: AliasName = PRODUCTION,
        percent: Annotated[int | None, Query(ge=0, le=100)] = None,
        requirement: Annotated[str | None, Query(min_length=1, max_length=1000)] = None,
        filename: Annotated[str | None, Query(min_length=1, max_length=255)] = None,
    ) -> Response:
        """Deploy an agent: a requirement, or the wheel or source archive in the body, whose name is `filename`.

        The answer has a line for each step as it happens. If the connection is lost before the release gets calls, the
        deployment is undone.
        """
        principal = await self._authorization.operator(request, "deploy", agent_id=agent)
        deployments = self._deployments
        if agent is None and principal.agents is not None:
            if len(principal.agents) != 1:
                raise HTTPException(422, "the key is for several agents: name one with the parameter `agent`")
            [agent] = principal.agents
        if (requirement is None) == (filename is None):
            raise HTTPException(422, "give either a `requirement`, or the `filename` of what is in the body")
        package: AgentPackage
        if filename is None:
            package, folder = PackageRequirement(requirement or ""), None
        else:
            folder = await asyncio.to_thread(new_folder, deployments.uploads)
            package = await self._receive(request, filename, folder)
        log.info("deploying", package=str(package), agent_id=agent, alias=to, **origin_of(request, principal))
        lines: asyncio.Queue[ProgressLine] = asyncio.Queue()

        def report(step: Step) -> None:
            lines.put_nowait(ProgressLine(kind="step", step=step))

        work = deployments.begin(package, agent, alias=to, percent=percent, progress=report)
        work.add_done_callback(lambda done: lines.put_nowait(_last_line(done, deployments)))
        if folder is not None:
            work.add_done_callback(lambda _: in_background(asyncio.to_thread(remove_folder, folder), "remove-upload"))
        first = await lines.get()
        if first.kind == "failed" and not work.cancelled() and isinstance(error := work.exception(), ChangeRefused):
            raise error  # nothing was begun
        return StreamingResponse(_stream(first, lines, work), media_type=NDJSON)

    async def _receive(self, request: Request, filename: str, folder: Path) -> AgentPackage:
        try:
            return await receive_package(request.stream(), filename, folder)
        except BaseException:
            await to_the_end(asyncio.to_thread(remove_folder, folder))
            raise


async def _stream(
    first: ProgressLine, lines: asyncio.Queue[ProgressLine], work: asyncio.Task[Release]
) -> AsyncIterator[str]:
    """Yield the lines of a deployment. It is undone if nobody reads them any more."""
    line: ProgressLine | None = first
    try:
        while line is None or line.kind == "step":
            yield "\n" if line is None else _text(line)
            try:
                async with asyncio.timeout(KEEPALIVE_S):
                    line = await lines.get()
            except TimeoutError:
                line = None
        yield _text(line)
    finally:
        work.cancel()


def _text(line: ProgressLine) -> str:
    return line.model_dump_json(exclude_none=True) + "\n"


def _last_line(work: asyncio.Task[Release], deployments: Deployments) -> ProgressLine:
    """Return what came of a deployment."""
    if work.cancelled():
        return ProgressLine(kind="failed", error="the deployment was cancelled", phase="cancelled")
    match work.exception():
        case None:
            release = work.result()
            back = any(each.rollback for each in deployments.listing({}, release.agent_id))
            return ProgressLine(kind="deployed", release=release, rollback=back)
        case DeployRefused() as refused:
            phase = str(refused.report.phase) if refused.report else refused.phase
            return ProgressLine(kind="failed", error=refused.message, hint=refused.hint, phase=phase)
        case ChangeRefused() as refused:
            return ProgressLine(kind="failed", error=refused.message, hint=refused.hint)
        case error:
            failed("deploy", error)
    return ProgressLine(kind="failed", error="the host failed to deploy it", hint="the log of the host says more")
