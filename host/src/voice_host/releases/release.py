"""`Release` and `Routing`: which versions of an agent there are, and which of them answers a call. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from voice_host.settings.agent import PRODUCTION
from voice_host.settings.field_types import AgentId, AliasName

__all__ = ["PRODUCTION", "AliasName", "Release", "ReleaseName", "Routing"]

ReleaseName = Annotated[str, Field(pattern=r"^[0-9][A-Za-z0-9.+!-]{0,126}$")]
"""The version of the distribution; `1.4.0-2` is the second deployment of 1.4.0. Never an alias, which begins with a
letter."""


class Release(BaseModel):
    """An agent at a version in an environment.

    Attributes:
        version_of_format: of this format.
        agent_id: the agent.
        name: unique among the agent's releases.
        distribution, version, entry_point, sdk_requirement: as in `DiscoveredAgent`.
        environment: the folder of the virtual environment; None: the host's own environment.
        created: when it was deployed; None: it is installed beside the host.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version_of_format: Literal[1] = 1
    agent_id: AgentId
    name: ReleaseName
    distribution: str
    version: str
    entry_point: str
    sdk_requirement: str | None = None
    environment: Path | None = None
    created: datetime | None = None

    @property
    def python(self) -> Path | None:
        """The interpreter of its environment; None: the host's own."""
        return self.environment and self.environment / "bin" / "python"


class Routing(BaseModel):
    """Which releases of one agent answer which calls.

    Attributes:
        traffic: percentages of production's calls by release name; they add up to 100. Empty: no release is in
            production.
        aliases: release names by alias, without production.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    traffic: Mapping[ReleaseName, Annotated[int, Field(ge=0, le=100)]] = Field(default_factory=dict)
    aliases: Mapping[AliasName, ReleaseName] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _adds_up(self) -> Routing:
        total = sum(self.traffic.values())
        if self.traffic and total != 100:
            raise ValueError(f"the shares of the traffic add up to {total}, not 100")
        return self

    @property
    def groups(self) -> frozenset[tuple[str, str]]:
        """The groups of workers that it needs: (release, alias), where production is an alias like the others."""
        named = {(name, alias) for alias, name in self.aliases.items()}
        return frozenset({(name, PRODUCTION) for name in self.traffic} | named)
