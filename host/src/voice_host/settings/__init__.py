"""The settings of a host: from the file, environment variables and options."""

from voice_host.settings.agent import AgentSettings
from voice_host.settings.environment import DOTENV_FILE, environment_for_children, process_environment
from voice_host.settings.errors import Problem, SettingsError, did_you_mean, meant_instead, suggestion
from voice_host.settings.explain import FieldProblem, explain
from voice_host.settings.field_types import WebSocketUrl, agent_id_hint, read_only
from voice_host.settings.limits import LimitsSettings
from voice_host.settings.listing import Entry, known_secrets, list_settings
from voice_host.settings.load import DEFAULT_FILE, load_settings
from voice_host.settings.model import (
    AgentsSettings,
    AuthSettings,
    ExtensionsSettings,
    ModelKeys,
    ProvidersSettings,
    ServerSettings,
    Settings,
)
from voice_host.settings.phone import PhoneSettings
from voice_host.settings.plugin_table import AskedKeys, MissingSetting, plugin_table
from voice_host.settings.provenance import Provenance
from voice_host.settings.resilience import ResilienceSettings
from voice_host.settings.secrets import SecretText, redact, secret_texts
from voice_host.settings.services import (
    Adapter,
    AgentAddress,
    ServiceOptions,
    SpeechProcessSpec,
    SpeechService,
    built_in_services,
    service_limitations,
)
from voice_host.settings.variables import CONFIG_VARIABLE, TOKEN_VARIABLE, URL_VARIABLE, colliding_ids, variable_name

__all__ = [
    "CONFIG_VARIABLE",
    "DEFAULT_FILE",
    "DOTENV_FILE",
    "TOKEN_VARIABLE",
    "URL_VARIABLE",
    "Adapter",
    "AgentAddress",
    "AgentSettings",
    "AgentsSettings",
    "AskedKeys",
    "AuthSettings",
    "Entry",
    "ExtensionsSettings",
    "FieldProblem",
    "LimitsSettings",
    "MissingSetting",
    "ModelKeys",
    "PhoneSettings",
    "Problem",
    "Provenance",
    "ProvidersSettings",
    "ResilienceSettings",
    "SecretText",
    "ServerSettings",
    "ServiceOptions",
    "Settings",
    "SettingsError",
    "SpeechProcessSpec",
    "SpeechService",
    "WebSocketUrl",
    "agent_id_hint",
    "built_in_services",
    "colliding_ids",
    "did_you_mean",
    "environment_for_children",
    "explain",
    "known_secrets",
    "list_settings",
    "load_settings",
    "meant_instead",
    "plugin_table",
    "process_environment",
    "read_only",
    "redact",
    "secret_texts",
    "service_limitations",
    "suggestion",
    "variable_name",
]
