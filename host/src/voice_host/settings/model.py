"""The models of the settings: one for each table of the file, and the keys of services."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from voice_host.settings.agent import PRODUCTION, AgentSettings
from voice_host.settings.errors import Problem
from voice_host.settings.field_types import (
    TABLE,
    AgentId,
    AgentIds,
    ExtensionName,
    ExtensionNames,
    Globs,
    HttpUrl,
    Origins,
    ProxyAddress,
    empty_table,
    long_secret,
    lower,
    read_only,
    split_list,
)
from voice_host.settings.limits import LimitsSettings
from voice_host.settings.phone import PhoneSettings
from voice_host.settings.provenance import DEFAULT, KeyPath, Provenance
from voice_host.settings.resilience import ResilienceSettings
from voice_host.settings.services import (
    AUTO,
    Direction,
    ServiceName,
    ServiceOptions,
    SpeechService,
    built_in_services,
    ranked_services,
)

_Options = TypeVar("_Options", bound=BaseModel)


class ServerSettings(BaseModel):
    """`[server]`: addresses, shutdown and logging."""

    model_config = TABLE

    host: str = Field(default="127.0.0.1", min_length=1, description="The address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="The port to listen on; 0: a free one.")
    allowed_hosts: Annotated[tuple[str, ...] | None, BeforeValidator(split_list)] = Field(
        default=None,
        description="Host names that requests may use, e.g. voice.example.com or *.example.com. None: any, or if the "
        "host listens on loopback only, the names of this machine.",
    )
    allowed_origins: Origins = Field(
        default=(),
        description="Origins of other sites whose pages may call, e.g. https://www.example.com or https://*.example.com.",
    )
    trusted_proxies: Annotated[tuple[ProxyAddress, ...], BeforeValidator(split_list)] = Field(
        default=("127.0.0.1", "::1"),
        description="Addresses or networks of proxies whose X-Forwarded-For and -Proto headers are trusted.",
    )
    drain_timeout_s: float = Field(
        default=30.0,
        ge=0,
        description="How long calls may continue after SIGTERM or SIGINT. A second signal ends them at once.",
    )
    start_timeout_s: float = Field(
        default=30.0, gt=0, description="Time limit of `on_startup` of an agent or an extension's observer."
    )
    stop_timeout_s: float = Field(
        default=10.0,
        gt=0,
        description="Time limit of each step of the shutdown after calls have ended: closing them, `on_shutdown`, "
        "closing speech services and connections.",
    )
    log_format: Annotated[Literal["text", "json"], BeforeValidator(lower)] = "text"
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(lower)] = "info"
    log_transcripts: bool = Field(
        default=False,
        description="Log what callers and agents say, and messages of exceptions, which may quote it.",
    )
    loop_blocked_ms: int = Field(
        default=200,
        ge=0,
        le=60_000,
        description="Log code that blocks the event loop for longer than this. 0: never.",
    )


class AuthSettings(BaseModel):
    """`[auth]`: authentication, which a key file or a token secret turns on."""

    model_config = TABLE

    keys_file: Path | None = Field(
        default=None, description="The file of API keys, managed by `voice-host keys`; relative to the settings file."
    )
    token_secret: Annotated[SecretStr, AfterValidator(long_secret)] | None = Field(
        default=None, description="Signs call tokens, at least 32 bytes. None: generated once, beside the key file."
    )
    token_max_ttl_s: int = Field(default=3600, ge=1, le=86400, description="Maximum lifetime of a call token.")
    page: Annotated[Literal["open", "off"], BeforeValidator(lower)] = Field(
        default="open", description="Whether the talk page is served. It shows no agents without a key or token."
    )
    agents: Annotated[Literal["key", "open"], BeforeValidator(lower)] = Field(
        default="key", description="Who may see the list of agents: holders of a key or token, or anybody."
    )
    authenticator_timeout_s: float = Field(
        default=5.0, gt=0, description="Time limit of an extension's authenticator; then access is denied."
    )


class SessionsSettings(BaseModel):
    """`[sessions]`: resuming calls after a lost connection."""

    model_config = TABLE

    resume_grace_s: float = Field(
        default=30.0,
        ge=0,
        le=3600,
        description="How long a session waits for its caller to reconnect; 0: it ends at once.",
    )
    max_parked: int = Field(
        default=1000,
        ge=1,
        description="Sessions of one agent that may wait for their callers; beyond that, one of them ends.",
    )


class AgentsSettings(BaseModel):
    """`[agents]`: which of the installed agents run."""

    model_config = TABLE

    allow: AgentIds | None = Field(default=None, description="The agents that may run; None: all installed ones.")
    required: AgentIds = Field(default=(), description="Agents without which the host does not start.")
    allowed_models: Globs | None = Field(
        default=None, description="Models that agents may use, e.g. openai:gpt-4.1-*; None: any."
    )
    allowed_providers: Globs | None = Field(default=None, description="Speech services that agents may use; None: any.")
    isolation: Annotated[Literal["process", "none"], BeforeValidator(lower)] = Field(
        default="process" if sys.platform == "linux" else "none",
        description="`process`: `voice-host serve` runs each agent in worker processes of its own (Linux only). "
        "`none`: all agents share the host's process.",
    )
    pass_env: Globs = Field(
        default=(),
        description="Environment variables of the host that workers get in addition to those that they need, "
        "e.g. SENTRY_*.",
    )
    landlock: bool = Field(
        default=False, description="Whether workers may open only files that they need, by Landlock (Linux only)."
    )
    callback_timeout_s: float = Field(
        default=5.0, gt=0, description="Time limit of each callback of an agent and each method of an observer."
    )

    def allows(self, agent_id: str) -> bool:
        """Whether the allow-list includes an agent."""
        return self.allow is None or agent_id in self.allow


class DataSettings(BaseModel):
    """`[data]`: where the host keeps what must outlast it."""

    model_config = TABLE

    dir: Path = Field(
        default=Path("voice-host-data"),
        description="The folder of deployed releases, and of the socket for commands; relative to the settings file.",
    )


class ExtensionsSettings(BaseModel):
    """`[extensions]`: which of the installed extensions are used."""

    model_config = TABLE

    allow: ExtensionNames | None = Field(default=None, description="The extensions to use; None: all installed ones.")

    def allows(self, name: str) -> bool:
        """Whether the allow-list includes an extension."""
        return self.allow is None or name in self.allow


class ProvidersSettings(BaseModel):
    """`[providers]`: the speech services, by name. `auto`: the best built-in service whose key is set."""

    model_config = TABLE

    speech_to_text: ServiceName = AUTO
    text_to_speech: ServiceName = AUTO
    text_to_speech_fallback: ServiceName | None = Field(
        default=None, description="Used while `text_to_speech` fails; takes precedence over the agent's own."
    )
    allowed_hosts: Annotated[tuple[str, ...], BeforeValidator(split_list)] = Field(
        default=(),
        description="Additional hosts that agents may use in wss_url and wss_base, e.g. *.example.com. The platform's "
        "keys are sent there.",
    )


class ModelKeys(BaseModel):
    """Keys and addresses of language models: plain environment variables, never in the file.

    The address is left out of the repr, since it may contain a password.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    assemblyai_api_key: SecretStr | None = Field(default=None, alias="ASSEMBLYAI_API_KEY")
    llm_base_url: HttpUrl | None = Field(default=None, alias="VOICE_HOST_LLM_BASE_URL", repr=False)
    llm_api_key: SecretStr | None = Field(default=None, alias="VOICE_HOST_LLM_API_KEY")
    model: str | None = Field(default=None, alias="VOICE_HOST_MODEL")


class Tables(BaseModel):
    """The settings file. Each field of a table is also a variable and a line of `voice-host config`."""

    model_config = TABLE

    server: ServerSettings = ServerSettings()
    auth: AuthSettings = AuthSettings()
    sessions: SessionsSettings = SessionsSettings()
    agents: AgentsSettings = AgentsSettings()
    agent: Annotated[Mapping[AgentId, AgentSettings], AfterValidator(read_only)] = Field(default_factory=empty_table)
    data: DataSettings = DataSettings()
    phone: PhoneSettings = Field(default_factory=PhoneSettings)
    extensions: ExtensionsSettings = ExtensionsSettings()
    extension: Annotated[Mapping[ExtensionName, Mapping[str, Any]], AfterValidator(read_only)] = Field(
        default_factory=empty_table, description="The extension's own settings, passed to its hooks."
    )
    providers: ProvidersSettings = ProvidersSettings()
    limits: LimitsSettings = LimitsSettings()
    resilience: ResilienceSettings = ResilienceSettings()


class Settings(Tables):
    """The settings of a host, resolved and validated.

    Attributes:
        keys: keys and addresses of language models.
        speech_options: the options of each built-in speech service, from its variables, by the service's name.
        path: the settings file, or None.
        alias: the alias whose settings are those of the agents, in a worker process; see `under`.
        provenance: the source of each value that is not a default, by path.
        warnings: settings that no longer have any effect.
    """

    keys: ModelKeys = ModelKeys()
    speech_options: Annotated[Mapping[str, ServiceOptions], AfterValidator(read_only)] = Field(
        default_factory=empty_table
    )
    path: Path | None = None
    alias: str = PRODUCTION
    provenance: Mapping[KeyPath, Provenance] = Field(default_factory=empty_table, repr=False)
    warnings: tuple[Problem, ...] = ()

    def with_keys(self, **keys: SecretStr | None) -> Settings:
        """Return the settings with other keys of models and speech services. None leaves a key unchanged.

        Args:
            keys: by field name; set in every model with that field.
        """

        def updated(options: _Options) -> _Options:
            mine = {name: key for name, key in keys.items() if key is not None and name in type(options).model_fields}
            return options.model_copy(update=mine) if mine else options

        speech = {service.name: updated(self.options_of(service)) for service in built_in_services()}
        return self.model_copy(update={"keys": updated(self.keys), "speech_options": read_only(speech)})

    def options_of(self, service: SpeechService) -> ServiceOptions:
        """Return the options of a speech service; the defaults if its variables were not read."""
        return self.speech_options.get(service.name) or service.options()

    def for_agent(self, agent_id: str) -> AgentSettings:
        """Return the settings of one agent; the defaults if it has no table."""
        return self.agent.get(agent_id) or AgentSettings()

    def under(self, agent_id: str, alias: str) -> Settings:
        """Return the settings for the workers of an agent's releases that are called by an alias.

        They have the agent's own settings under this alias, and those of no other one.
        """
        settings = self.model_copy(update={"alias": alias})
        own, others = settings.table_of(agent_id), {("agent", agent_id, "settings"), ("agent", agent_id, "alias")}
        sources = {
            path: source
            for path, source in self.provenance.items()
            if path[: len(own)] == own or path[:3] not in others
        }
        settings = settings.with_agent(agent_id, self.for_agent(agent_id).under(alias))
        return settings.model_copy(update={"provenance": sources})

    def with_agent(self, agent_id: str, own: AgentSettings) -> Settings:
        """Return the settings with others for one agent."""
        return self.model_copy(update={"agent": read_only({**self.agent, agent_id: own})})

    def table_of(self, agent_id: str) -> KeyPath:
        """Return the path of the table of an agent's own settings."""
        under = () if self.alias == PRODUCTION else ("alias", self.alias)
        return ("agent", agent_id, *under, "settings")

    def environment_of(self, agent_id: str) -> Path | None:
        """Return the absolute path of an agent's environment, relative to the settings file; None: the host's own."""
        folder = self.for_agent(agent_id).environment
        if folder is None:
            return None
        return ((Path() if self.path is None else self.path.parent) / folder).absolute()

    def for_extension(self, name: str) -> Mapping[str, Any]:
        """Return the settings of one extension; empty if it has no table."""
        table: Mapping[str, Any] = self.extension.get(name) or empty_table()
        return table

    def named_service(self, kind: str, agent_id: str | None = None) -> tuple[str, KeyPath] | None:
        """Return the speech service that the platform has chosen, and the setting's path; None: the agent may choose.

        Args:
            kind: `speech_to_text`, `text_to_speech` or `text_to_speech_fallback`.
            agent_id: the agent, whose own table takes precedence over `[providers]`.
        """
        own = getattr(self.for_agent(agent_id), kind, AUTO) if agent_id else AUTO
        if own != AUTO:
            return own, ("agent", agent_id or "", kind)
        name = getattr(self.providers, kind)
        return (name, ("providers", kind)) if name not in (AUTO, None) else None

    @property
    def agent_labels(self) -> Mapping[str, str]:
        """The labels of agents in metrics that differ from their ids, by id."""
        return {agent_id: own.label for agent_id, own in self.agent.items() if own.label}

    def came_from(self, *path: str) -> Provenance:
        """Return the source of a setting: `came_from("server", "port")`.

        A table may be given as one value for short, such as the agent of a telephone number. That value is the source
        of the field that it sets.
        """
        if (known := self.provenance.get(path)) is not None:
            return known
        short = self.provenance.get(path[:-1])
        return short if short is not None and path[-1] in _fields_set(self, path[:-1]) else DEFAULT

    @property
    def keys_file(self) -> Path | None:
        """The path of the key file, resolved relative to the settings file."""
        return None if self.auth.keys_file is None else self.beside_file(self.auth.keys_file)

    @property
    def data_dir(self) -> Path:
        """The data directory, resolved relative to the settings file."""
        return self.beside_file(self.data.dir)

    def beside_file(self, path: Path) -> Path:
        """Return a path of the settings file, which is relative to that file's folder."""
        return path if self.path is None else self.path.parent / path

    @property
    def operator_socket(self) -> Path:
        """The path of the Unix socket, in the data directory, over which commands reach the running host."""
        return self.data_dir / "host.sock"

    @property
    def operator_token_file(self) -> Path:
        """The path of the file with the token that makes a client of that socket the operator."""
        return self.data_dir / "host.token"

    @property
    def speech_to_text(self) -> str:
        """The name of the speech-to-text service, with `auto` resolved."""
        return self._named_or_best("speech_to_text")

    @property
    def text_to_speech(self) -> str:
        """The name of the text-to-speech service, with `auto` resolved."""
        return self._named_or_best("text_to_speech")

    def _named_or_best(self, direction: Direction) -> str:
        named: str = getattr(self.providers, direction)
        if named != AUTO:
            return named
        return next(each.name for each in ranked_services(direction) if each.has_key(self.options_of(each)))


def _fields_set(settings: Settings, path: KeyPath) -> frozenset[str]:
    """Return the fields that were given for a table."""
    table: Any = settings
    for key in path:
        table = table.get(key) if isinstance(table, Mapping) else getattr(table, key, None)
    return frozenset(table.model_fields_set) if isinstance(table, BaseModel) else frozenset()
