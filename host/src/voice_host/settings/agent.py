"""The settings of one agent: `[agent.<id>]`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from voice_host.settings.field_types import TABLE, AliasName, Globs, Origins, empty_table, read_only, split_list
from voice_host.settings.services import AUTO, ServiceName

PRODUCTION = "production"
"""The alias of the plain address `/agents/{id}/session`, whose calls are split between releases."""


class AliasSettings(BaseModel):
    """`[agent.<id>.alias.<name>]`: the settings of an agent's releases that are called by an alias."""

    model_config = TABLE

    settings: Annotated[Mapping[str, Any], AfterValidator(read_only)] = Field(
        default_factory=empty_table,
        description="The agent's own settings under this alias. Nothing is taken from [agent.<id>.settings].",
    )
    pass_env: Globs = Field(
        default=(), description="As in [agent.<id>], under this alias. Nothing is taken from there."
    )


def _without_production(aliases: Mapping[str, AliasSettings]) -> Mapping[str, AliasSettings]:
    if PRODUCTION in aliases:
        raise ValueError(f"the settings of {PRODUCTION} are [agent.<id>.settings], without `alias.{PRODUCTION}`")
    table: Mapping[str, AliasSettings] = read_only(aliases)
    return table


class AgentSettings(BaseModel):
    """`[agent.<id>]`: the platform's settings for one agent."""

    model_config = TABLE

    enabled: bool = Field(default=True, description="If false, the agent is listed, but not imported.")
    label: str | None = Field(
        default=None, min_length=1, max_length=63, description="The agent's label in metrics; None: its id."
    )
    model: str | None = Field(default=None, min_length=1, description="Takes precedence over the agent's own.")
    fallback_models: Annotated[tuple[str, ...] | None, BeforeValidator(split_list)] = Field(
        default=None, description="Tried in order when the model fails; takes precedence over the agent's own."
    )
    speech_to_text: ServiceName = Field(default=AUTO, description="Takes precedence over [providers] and the agent.")
    text_to_speech: ServiceName = Field(default=AUTO, description="Takes precedence over [providers] and the agent.")
    allowed_origins: Origins | None = Field(
        default=None, description="Replaces server.allowed_origins for calls to this agent."
    )
    allowed_models: Globs | None = Field(default=None, description="As in [agents], for this agent.")
    allowed_providers: Globs | None = Field(default=None, description="As in [agents], for this agent.")
    max_calls: int | None = Field(
        default=None, ge=1, description="Concurrent calls of this agent; None: no limit of its own."
    )
    max_call_s: float | None = Field(
        default=None, gt=0, description="Maximum length of a call; the shortest limit applies."
    )
    workers: int = Field(
        default=1, ge=1, le=64, description="Worker processes of the agent. A call goes to the one with fewest calls."
    )
    memory_mb: int | None = Field(
        default=None, ge=64, description="Memory of a worker process in MB, beyond which it is ended; None: no limit."
    )
    hang_s: float = Field(
        default=10.0, ge=1, description="A worker whose event loop does not answer for this long is ended."
    )
    environment: Path | None = Field(
        default=None,
        description="The virtual environment in which the agent is installed; None: the host's own. "
        "Relative to the settings file.",
    )
    user: str | None = Field(
        default=None, min_length=1, description="The system user as which its workers run. Needs a host run by root."
    )
    launcher: tuple[str, ...] = Field(
        default=(), description='A command that starts its workers, e.g. ["bwrap", "--unshare-pid", ...].'
    )
    pass_env: Globs = Field(default=(), description="As in [agents], for this agent, in addition.")
    landlock: bool | None = Field(default=None, description="As in [agents], for this agent.")
    read_paths: Annotated[tuple[Path, ...], BeforeValidator(split_list)] = Field(
        default=(),
        description="With Landlock, files and folders that it may also read; relative to the settings file.",
    )
    write_paths: tuple[Path, ...] = Field(
        default=(),
        description="With Landlock, files and folders that it may also write; relative to the settings file.",
    )
    settings: Annotated[Mapping[str, Any], AfterValidator(read_only)] = Field(
        default_factory=empty_table, description="The agent's own settings, passed to its hooks."
    )
    alias: Annotated[Mapping[AliasName, AliasSettings], AfterValidator(_without_production)] = Field(
        default_factory=empty_table, description="A table for each alias of a release with settings of its own."
    )

    def under(self, alias: str) -> AgentSettings:
        """Return the settings of the agent's releases that are called by an alias.

        The agent's own settings, and the variables that it gets, are then the alias' own, and empty if it has none: a
        release that is tried out never gets those of production, with their secrets.
        """
        own = self if alias == PRODUCTION else self.alias.get(alias, AliasSettings())
        return self.model_copy(update={"settings": own.settings, "pass_env": own.pass_env, "alias": empty_table()})
