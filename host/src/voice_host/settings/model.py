"""The settings themselves: one model per table of the file, and the keys of services."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

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
    """`[server]`: how the host is reached and how it logs."""

    model_config = TABLE

    host: str = Field(default="127.0.0.1", min_length=1, description="The address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="0 takes a free port.")
    allowed_hosts: Annotated[tuple[str, ...] | None, BeforeValidator(split_list)] = Field(
        default=None,
        description="Names by which the host may be addressed, e.g. voice.example.com or *.example.com. "
        "None: the names of this machine while it listens to this machine alone, else any.",
    )
    allowed_origins: Origins = Field(
        default=(),
        description="Other sites whose pages may call, e.g. https://www.example.com or https://*.example.com.",
    )
    trusted_proxies: Annotated[tuple[ProxyAddress, ...], BeforeValidator(split_list)] = Field(
        default=("127.0.0.1", "::1"),
        description="Addresses or networks of proxies whose X-Forwarded-For and -Proto headers are believed.",
    )
    drain_timeout_s: float = Field(
        default=30.0,
        ge=0,
        description="How long calls may go on after SIGTERM, SIGINT or SIGHUP; a second signal ends them at once.",
    )
    start_timeout_s: float = Field(
        default=30.0, gt=0, description="How long `on_startup` of an agent, or of an extension's observer, may take."
    )
    stop_timeout_s: float = Field(
        default=10.0,
        gt=0,
        description="How long each step of stopping may take once calls were ended: their goodbyes, `on_shutdown`, "
        "giving back a speech service, closing what is connected.",
    )
    log_format: Annotated[Literal["text", "json"], BeforeValidator(lower)] = "text"
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(lower)] = "info"
    log_transcripts: bool = Field(
        default=False,
        description="Log what callers and agents say, and the messages of exceptions, which may quote it.",
    )
    loop_blocked_ms: int = Field(
        default=200,
        ge=0,
        le=60_000,
        description="Code that holds the event loop up for longer is named. 0: not watched.",
    )


class AuthSettings(BaseModel):
    """`[auth]`: who may call. A key file or a token secret turns authentication on."""

    model_config = TABLE

    keys_file: Path | None = Field(
        default=None, description="Where `voice-host keys` keeps the API keys; relative to the settings file."
    )
    token_secret: Annotated[SecretStr, AfterValidator(long_secret)] | None = Field(
        default=None, description="Signs call tokens, at least 32 bytes. None: made once, beside the key file."
    )
    token_max_ttl_s: int = Field(default=3600, ge=1, le=86400, description="The longest life of a call token.")
    page: Annotated[Literal["open", "off"], BeforeValidator(lower)] = Field(
        default="open", description="Whether the talk page is served. It shows nothing without a key or token."
    )
    agents: Annotated[Literal["key", "open"], BeforeValidator(lower)] = Field(
        default="key", description="Who may see the list of agents: who has a key or a token, or anybody."
    )
    authenticator_timeout_s: float = Field(
        default=5.0, gt=0, description="How long an extension's authenticator may take; then its answer is no."
    )


class SessionsSettings(BaseModel):
    """`[sessions]`: what becomes of a conversation whose connection is lost."""

    model_config = TABLE

    resume_grace_s: float = Field(
        default=30.0, ge=0, le=3600, description="For how long a caller may come back; 0: the session ends at once."
    )
    max_parked: int = Field(
        default=1000,
        ge=1,
        description="Sessions of one agent that wait for their callers; beyond it the one that waits longest ends.",
    )


class AgentsSettings(BaseModel):
    """`[agents]`: which of the installed agents run."""

    model_config = TABLE

    allow: AgentIds | None = Field(default=None, description="The agents that may run; None: all that are installed.")
    required: AgentIds = Field(default=(), description="Agents without which the host does not start.")
    allowed_models: Globs | None = Field(
        default=None, description="Models that agents may ask for, e.g. openai:gpt-4.1-*; None: any."
    )
    allowed_providers: Globs | None = Field(
        default=None, description="Speech services that agents may ask for; None: any."
    )
    callback_timeout_s: float = Field(
        default=5.0, gt=0, description="How long each callback of an agent, and each method of an observer, may take."
    )

    def allows(self, agent_id: str) -> bool:
        """Tell whether the allow-list lets an agent run."""
        return self.allow is None or agent_id in self.allow


class AgentSettings(BaseModel):
    """`[agent.<id>]`: what the platform says about one agent."""

    model_config = TABLE

    enabled: bool = Field(default=True, description="Off: it is listed, and neither imported nor called.")
    label: str | None = Field(
        default=None, min_length=1, max_length=63, description="The agent's name in metrics; None: its id."
    )
    model: str | None = Field(default=None, min_length=1, description="Wins over what the agent asks for.")
    fallback_models: Annotated[tuple[str, ...] | None, BeforeValidator(split_list)] = Field(
        default=None, description="Asked in order when the model fails; wins over those that the agent names."
    )
    speech_to_text: ServiceName = Field(default=AUTO, description="Wins over [providers] and the agent.")
    text_to_speech: ServiceName = Field(default=AUTO, description="Wins over [providers] and the agent.")
    allowed_origins: Origins | None = Field(
        default=None, description="Replaces server.allowed_origins for calls to this agent."
    )
    allowed_models: Globs | None = Field(default=None, description="As in [agents], for this agent.")
    allowed_providers: Globs | None = Field(default=None, description="As in [agents], for this agent.")
    max_calls: int | None = Field(
        default=None, ge=1, description="Calls of this agent at once; None: no limit of its own."
    )
    max_call_s: float | None = Field(default=None, gt=0, description="Its longest call; the shortest limit counts.")
    settings: Annotated[Mapping[str, Any], AfterValidator(read_only)] = Field(
        default_factory=empty_table, description="Handed to the agent's hooks: its own, and nobody else's."
    )


class ExtensionsSettings(BaseModel):
    """`[extensions]`: which of the installed extensions are used."""

    model_config = TABLE

    allow: ExtensionNames | None = Field(
        default=None, description="The extensions that are used; None: all that are installed."
    )

    def allows(self, name: str) -> bool:
        """Tell whether the allow-list lets an extension be used."""
        return self.allow is None or name in self.allow


class ProvidersSettings(BaseModel):
    """`[providers]`: the speech services, by name. `auto` takes the best built-in service whose key is set."""

    model_config = TABLE

    speech_to_text: ServiceName = AUTO
    text_to_speech: ServiceName = AUTO
    text_to_speech_fallback: ServiceName | None = Field(
        default=None, description="A voice that speaks while the other cannot; wins over what the agent names."
    )
    allowed_hosts: Annotated[tuple[str, ...], BeforeValidator(split_list)] = Field(
        default=(),
        description="Hosts beside the services' own that agents may name in wss_url and wss_base; the platform's keys "
        "are sent there. *.example.com is understood.",
    )


class ModelKeys(BaseModel):
    """Keys and addresses of language models: plain environment variables, never in the file.

    The address may hold a password: it is left out of the repr too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    assemblyai_api_key: SecretStr | None = Field(default=None, alias="ASSEMBLYAI_API_KEY")
    llm_base_url: HttpUrl | None = Field(default=None, alias="VOICE_HOST_LLM_BASE_URL", repr=False)
    llm_api_key: SecretStr | None = Field(default=None, alias="VOICE_HOST_LLM_API_KEY")
    model: str | None = Field(default=None, alias="VOICE_HOST_MODEL")


class Tables(BaseModel):
    """The file. A field added to a table here is at once a key, a variable and a line of `voice-host config`."""

    model_config = TABLE

    server: ServerSettings = ServerSettings()
    auth: AuthSettings = AuthSettings()
    sessions: SessionsSettings = SessionsSettings()
    agents: AgentsSettings = AgentsSettings()
    agent: Annotated[Mapping[AgentId, AgentSettings], AfterValidator(read_only)] = Field(default_factory=empty_table)
    extensions: ExtensionsSettings = ExtensionsSettings()
    extension: Annotated[Mapping[ExtensionName, Mapping[str, Any]], AfterValidator(read_only)] = Field(
        default_factory=empty_table, description="Handed to the hooks of the extension: its own, and nobody else's."
    )
    providers: ProvidersSettings = ProvidersSettings()
    limits: LimitsSettings = LimitsSettings()
    resilience: ResilienceSettings = ResilienceSettings()


class Settings(Tables):
    """Everything the host was told, resolved and checked.

    Attributes:
        keys: keys and addresses of language models.
        speech_options: what each built-in speech service read from its variables, by the service's name.
        path: the file that was read, or None.
        provenance: where each value that is not a default came from, by path.
        warnings: settings that were given and have no effect any more.
    """

    keys: ModelKeys = ModelKeys()
    speech_options: Annotated[Mapping[str, ServiceOptions], AfterValidator(read_only)] = Field(
        default_factory=empty_table
    )
    path: Path | None = None
    provenance: Mapping[KeyPath, Provenance] = Field(default_factory=empty_table, repr=False)
    warnings: tuple[Problem, ...] = ()

    def with_keys(self, **keys: SecretStr | None) -> Settings:
        """Return the settings with other keys of models and speech services. None leaves one as it is.

        Args:
            keys: by the name of the field; every model that has the field gets the key.
        """

        def updated(options: _Options) -> _Options:
            mine = {name: key for name, key in keys.items() if key is not None and name in type(options).model_fields}
            return options.model_copy(update=mine) if mine else options

        speech = {service.name: updated(self.options_of(service)) for service in built_in_services()}
        return self.model_copy(update={"keys": updated(self.keys), "speech_options": read_only(speech)})

    def options_of(self, service: SpeechService) -> ServiceOptions:
        """Return what a speech service was told; the defaults when its variables were not read."""
        return self.speech_options.get(service.name) or service.options()

    def for_agent(self, agent_id: str) -> AgentSettings:
        """Return the settings of one agent; the defaults when it has no table."""
        return self.agent.get(agent_id) or AgentSettings()

    def for_extension(self, name: str) -> Mapping[str, Any]:
        """Return the settings of one extension; empty when it has no table."""
        table: Mapping[str, Any] = self.extension.get(name) or empty_table()
        return table

    def named_service(self, kind: str, agent_id: str | None = None) -> tuple[str, KeyPath] | None:
        """Return the speech service that the platform names, and the setting that does; None: the agent may choose.

        Args:
            kind: `speech_to_text`, `text_to_speech` or `text_to_speech_fallback`.
            agent_id: whose service; its own table wins over `[providers]`.
        """
        own = getattr(self.for_agent(agent_id), kind, AUTO) if agent_id else AUTO
        if own != AUTO:
            return own, ("agent", agent_id or "", kind)
        name = getattr(self.providers, kind)
        return (name, ("providers", kind)) if name not in (AUTO, None) else None

    @property
    def agent_labels(self) -> Mapping[str, str]:
        """What agents are called in metrics, where it is not their id."""
        return {agent_id: own.label for agent_id, own in self.agent.items() if own.label}

    def came_from(self, *path: str) -> Provenance:
        """Return where a setting came from: `came_from("server", "port")`."""
        return self.provenance.get(path, DEFAULT)

    @property
    def keys_file(self) -> Path | None:
        """The key file's path; one that is relative is so to the settings file."""
        file = self.auth.keys_file
        return file if file is None or self.path is None else self.path.parent / file

    @property
    def speech_to_text(self) -> str:
        """The recogniser's name, `auto` resolved."""
        return self._named_or_best("speech_to_text")

    @property
    def text_to_speech(self) -> str:
        """The voice's name, `auto` resolved."""
        return self._named_or_best("text_to_speech")

    def _named_or_best(self, direction: Direction) -> str:
        named: str = getattr(self.providers, direction)
        if named != AUTO:
            return named
        return next(each.name for each in ranked_services(direction) if each.has_key(self.options_of(each)))
