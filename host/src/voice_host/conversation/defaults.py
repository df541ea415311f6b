"""The default runtime of an agent: with the model that the environment configures."""

from __future__ import annotations

from pydantic import SecretStr

from voice_host.conversation.model_choice import ModelChoice
from voice_host.conversation.runtime import AgentRuntime
from voice_host.models import ModelRegistry
from voice_host.settings import load_settings
from voice_host_sdk import AgentConfig

DEFAULT_AGENT_ID = "agent"


def default_runtime(config: AgentConfig, assemblyai_api_key: SecretStr | None = None) -> AgentRuntime:
    """Build a runtime, which owns its model client, for an agent embedded in an application.

    `assemblyai_api_key` takes precedence over its variable.

    Raises:
        ModelConfigError: the model is unknown or not available.
        SettingsError: the settings are invalid.
    """
    registry = ModelRegistry(load_settings().with_keys(assemblyai_api_key=assemblyai_api_key))
    choose = ModelChoice(registry)
    return AgentRuntime(DEFAULT_AGENT_ID, config, choose(config), registry=registry, choose=choose)
