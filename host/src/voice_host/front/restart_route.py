"""`POST /agents/{id}/restart`: replaces an agent's worker processes without dropping its calls."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel, Field

from voice_host.fleet.service import AgentService
from voice_host.front.authorization import Authorization, origin_of
from voice_host.front.routes import refusals
from voice_host.observability.logs import get_logger
from voice_host.supervisor.release_fleet import ReleaseFailed

log = get_logger(__name__)


@runtime_checkable
class Restartable(Protocol):
    """Agents that can be restarted: see `ReleaseFleet`."""

    async def restart(self, agent_id: str) -> None:
        """Replace the workers of an agent."""


class Restarted(BaseModel):
    """The answer to a restart."""

    agent: str
    workers: int = Field(description="How many new workers take its calls.")


def add_restart_route(app: FastAPI, agents: AgentService, authorization: Authorization) -> None:
    """Add the route to the host's application."""
    under_way: set[str] = set()
    described: dict[int | str, dict[str, Any]] = {
        404: {"description": "There is no such agent."},
        409: {"description": "It is being restarted already, or this host has no worker processes."},
        422: {"description": "The new workers do not start. The old ones continue."},
    }

    @app.post(
        "/agents/{agent_id}/restart",
        responses={**refusals(401, 403), **described},
        openapi_extra={"security": [{"bearer": []}]},
    )
    async def restart(request: Request, agent_id: str) -> Restarted:
        """Replace the workers of an agent. Calls continue in the old ones. A broken agent is tried again."""
        principal = await authorization.operator(request, "deploy", agent_id=agent_id)
        if agent_id not in agents.report.agents:
            raise HTTPException(404, f"there is no agent {agent_id!r}")
        if not isinstance(agents, Restartable):
            raise HTTPException(409, "this host runs all agents in its own process: restart the host")
        if agent_id in under_way:
            raise HTTPException(409, f"agent {agent_id!r} is being restarted already")
        under_way.add(agent_id)
        log.info("agent_restarts", agent_id=agent_id, **origin_of(request, principal))
        try:
            await agents.restart(agent_id)
        except ReleaseFailed as failed:
            raise HTTPException(422, f"{failed.report}; nothing has changed") from failed
        finally:
            under_way.discard(agent_id)
        workers = [worker for release in agents.report.agents[agent_id].releases for worker in release.workers]
        return Restarted(agent=agent_id, workers=sum(worker.status == "ready" for worker in workers))
