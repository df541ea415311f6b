"""The life of an agent up to its first call: the phases, and what comes out of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from voice_host.settings import AskedKeys
from voice_host_sdk import AgentConfig, LifecycleCallbacks

SLOW_IMPORT_MS = 1000.0
"""An import beyond it is warned about: all agents of a host wait for it when the host starts."""


class Phase(StrEnum):
    """What an agent passes through, in this order. A broken agent names the phase that it did not pass."""

    DISCOVERED = "discovered"  # its entry point was found and has a valid, unique name
    ALLOWED = "allowed"  # the allow-list lets it run
    COMPATIBLE = "compatible"  # the SDK it declares is the SDK the host runs
    IMPORTED = "imported"
    REGISTERED = "registered"  # its hooks are known, synchronous and complete
    CONFIGURED = "configured"  # its hooks returned what they promise
    STARTED = "started"  # on_startup returned
    STOPPED = "stopped"  # on_shutdown returned


@dataclass(frozen=True, slots=True)
class Installed:
    """Something installed, as its metadata describes it. Nothing of it has been imported. Plain data.

    Attributes:
        id: the entry point's name.
        distribution: the pip package that it comes from.
        version: of that package.
        entry_point: `package` or `package:object`.
        sdk_requirement: the declared range of `voice-host-sdk`, e.g. `<2,>=1`; None when it declares none.
    """

    id: str
    distribution: str
    version: str
    entry_point: str
    sdk_requirement: str | None


@dataclass(frozen=True, slots=True)
class DiscoveredAgent(Installed):
    """An installed agent."""


@dataclass(frozen=True, slots=True)
class BrokenAgent:
    """An agent that cannot take calls, and why. Plain data.

    Attributes:
        discovered: what was found.
        phase: the phase that it did not pass.
        error: one line for the people who run the host; secrets of the agent's settings are redacted.
        hint: what to do about it.
        where: file and line in the agent's own code, e.g. `front_desk/__init__.py:12`.
        import_ms: how long the import took, if there was one.
        traceback: what the agent's code raised, with the frames of its own code; secrets are redacted here too. For
            the agent's developer alone: callers and operators never see it.
    """

    discovered: DiscoveredAgent
    phase: Phase
    error: str
    hint: str | None = None
    where: str | None = None
    import_ms: float | None = None
    traceback: str | None = field(default=None, repr=False)

    @property
    def id(self) -> str:
        """The agent's id."""
        return self.discovered.id

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        hint = f"; {self.hint}" if self.hint else ""
        return f"agent {self.id} is broken, it was not {self.phase}: {self.error}{place}{hint}"


class DisabledAgent(BrokenAgent):
    """An agent that the platform has switched off. Nothing of it was imported, and nothing is wrong with it."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class LoadedAgent:
    """An agent whose configuration is valid.

    Attributes:
        discovered: what was found.
        config: as `agent_config` returned it, validated.
        callbacks: as `lifecycle_callbacks` returned it, or the base class's no-ops.
        import_ms: how long importing the plugin took.
        warnings: what does not keep it from running but should be put right.
        secrets: texts of its settings that must not show up in what is said about it.
        asked: which of its settings it has asked for.
    """

    discovered: DiscoveredAgent
    config: AgentConfig
    callbacks: LifecycleCallbacks
    import_ms: float
    warnings: tuple[str, ...] = ()
    secrets: tuple[str, ...] = field(default=(), repr=False)
    asked: AskedKeys = field(default_factory=AskedKeys, repr=False, compare=False)

    @property
    def id(self) -> str:
        """The agent's id."""
        return self.discovered.id

    @property
    def slow_import(self) -> bool:
        """Whether the import took longer than `SLOW_IMPORT_MS`."""
        return self.import_ms > SLOW_IMPORT_MS
