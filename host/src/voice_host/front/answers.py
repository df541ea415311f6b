"""What the HTTP routes answer, as `GET /openapi.json` describes it to whoever writes a client."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SECURITY = {"bearer": {"type": "http", "scheme": "bearer", "description": "An API key or a call token."}}
ASKS_WHO: dict[str, Any] = {"security": [{"bearer": []}, {}]}
"""Of a route that asks for a key where authentication is on, and nobody where it is off."""


class Problem(BaseModel):
    """Why not, in words for people."""

    detail: str


class Health(BaseModel):
    """The process serves."""

    status: Literal["ok"]


class Readiness(BaseModel):
    """Whether calls are taken. The counts are for those who may see the metrics."""

    status: Literal["starting", "ready", "draining", "stopped"]
    agents: int = Field(default=0, description="Agents that take calls.")
    broken: int = 0
    calls: int = Field(default=0, description="Calls that are connected.")


class Providers(BaseModel):
    """The services that an agent uses, by name."""

    stt: str
    tts: str
    model: str


class ListedAgent(BaseModel):
    """One agent. A broken one says less to those who may not see the metrics."""

    model_config = ConfigDict(extra="forbid")

    id: str
    title: str
    description: str
    examples: list[str] = Field(default=[], description="Sentences a caller might begin with. Of one that is ready.")
    status: Literal["ready", "broken", "disabled"]
    distribution: str
    version: str
    providers: Providers | None = Field(default=None, description="Of one that is ready.")
    phase: str | None = Field(default=None, description="Of a broken one: how far it came.")
    error: str | None = None
    hint: str | None = None
    where: str | None = Field(default=None, description="The place in the agent's code.")
    traceback: str | None = Field(
        default=None, title="Stack trace", description="Of the agent's own code; only from `voice-host dev`."
    )


_REFUSALS = {
    401: "No key or token, or none that is good.",
    403: "A key or token that is not for this.",
    404: "There is no such agent, or this host makes no call tokens.",
    413: "The body is too long.",
    422: "The body is not as described.",
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the descriptions of refusals for a route's `responses`."""
    return {status: {"model": Problem, "description": _REFUSALS[status]} for status in statuses}
