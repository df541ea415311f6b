"""`AgentReport`: the status of an agent, as plain data that can be sent between processes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from voice_host.plugins import DisabledAgent, LoadedAgent, Phase
from voice_host.plugins.phases import BrokenPlugin, DiscoveredExtension, DiscoveredPlugin, LoadedPlugin
from voice_host.settings import Settings

Status = Literal["installed", "ready", "broken", "disabled", "not allowed"]
"""`installed`: only its metadata was read."""

Outcome = DiscoveredPlugin | BrokenPlugin | LoadedPlugin


class Providers(BaseModel):
    """The names of the services that an agent uses."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stt: str
    tts: str
    model: str


class WorkerReport(BaseModel):
    """A worker process of a release. Sizes in bytes, times in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int = Field(description="Among the workers of its release and alias, from 1.")
    alias: str = "production"
    pid: int | None = None
    status: Literal["starting", "ready", "retiring", "waiting"] = Field(
        description="waiting: it ended, and is started again after a while."
    )
    calls: int = 0
    parked: int = Field(default=0, description="Sessions that wait for their callers.")
    memory_bytes: int = 0
    cpu_s: float = Field(default=0.0, description="CPU time that it has used.")
    up_s: float = 0.0


class ReleaseReport(BaseModel):
    """A release of an agent that runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str
    traffic: int = Field(default=0, description="Its share of production's calls, in percent.")
    aliases: tuple[str, ...] = ()
    own_environment: bool = Field(default=False, description="Whether it was deployed, rather than installed.")
    status: Literal["ready", "starting", "retiring", "broken"]
    restarts: int = Field(default=0, description="Workers that were started again because they ended.")
    workers: tuple[WorkerReport, ...] = ()


class AgentReport(BaseModel):
    """The status of one agent or extension. Times in ms."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    report_version: Literal[1] = Field(default=1, description="Of this format.")
    id: str
    kind: Literal["agent", "extension"] = "agent"
    status: Status
    distribution: str | None = Field(default=None, description="The pip package it comes from; None: not installed.")
    version: str | None = None
    entry_point: str | None = None
    sdk_requirement: str | None = Field(default=None, description="The range of voice-host-sdk that it declares.")
    allowed: bool = Field(default=True, description="Whether the allow-list lets it run.")
    enabled: bool = True
    required: bool = Field(default=False, description="Whether the host must not start without it.")

    title: str = ""
    description: str = ""
    examples: tuple[str, ...] | None = Field(
        default=None, description="Example sentences to begin with. Only of a ready agent."
    )
    providers: Providers | None = Field(default=None, description="Only of a ready agent.")
    speech_problem: str | None = Field(
        default=None, description="Why there is no speech, and what to do about it. Only of a ready agent."
    )
    speech_notices: tuple[str, ...] | None = Field(
        default=None, description="Limitations of its speech services. Only of a ready agent."
    )
    warnings: tuple[str, ...] = Field(default=(), description="Problems to fix that do not prevent it from running.")
    import_ms: float | None = Field(default=None, description="None: it was not imported.")

    releases: tuple[ReleaseReport, ...] = Field(default=(), description="Only where agents run in worker processes.")

    phase: Phase = Field(
        default=Phase.DISCOVERED, description="The last phase it passed; if it is broken, the phase that failed."
    )
    error: str | None = Field(default=None, description="Why it is broken.")
    hint: str | None = Field(default=None, description="What to do about it.")
    where: str | None = Field(default=None, description="The location in the agent's code.")
    traceback: Annotated[str | None, Field(repr=False)] = Field(
        default=None, title="Stack trace", description="Of the agent's own code; only for its developer."
    )

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        hint = f"; {self.hint}" if self.hint else ""
        return f"agent {self.id} is broken, it was not {self.phase}: {self.error}{place}{hint}"


def report_of(outcome: Outcome, settings: Settings, **more: Any) -> AgentReport:
    """Return the report of an outcome of discovery or loading. `more`: fields to add or replace."""
    found = outcome if isinstance(outcome, DiscoveredPlugin) else outcome.discovered
    fields: dict[str, Any] = {
        "id": found.id,
        "status": "installed",
        "title": found.id,
        "distribution": found.distribution or None,
        "version": found.version or None,
        "entry_point": found.entry_point,
        "sdk_requirement": found.sdk_requirement,
    }
    if isinstance(found, DiscoveredExtension):
        fields |= {"kind": "extension", "allowed": settings.extensions.allows(found.id)}
    else:
        fields |= {
            "allowed": settings.agents.allows(found.id),
            "enabled": settings.for_agent(found.id).enabled,
            "required": found.id in settings.agents.required,
        }
    match outcome:
        case BrokenPlugin():
            fields |= {
                "status": "disabled" if isinstance(outcome, DisabledAgent) else "broken",
                "phase": outcome.phase,
                "error": outcome.error,
                "hint": outcome.hint,
                "where": outcome.where,
                "import_ms": outcome.import_ms,
                "traceback": outcome.traceback,
            }
        case LoadedPlugin():
            fields |= {"import_ms": outcome.import_ms, "warnings": outcome.warnings, "phase": Phase.CONFIGURED}
    if isinstance(outcome, LoadedAgent):
        config = outcome.config
        fields |= {"title": config.title, "description": config.description, "examples": config.examples}
    return AgentReport(**fields | more)
