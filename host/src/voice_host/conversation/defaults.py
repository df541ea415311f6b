"""What an agent gets that nobody wired: the model that the environment configures."""

from __future__ import annotations

from pydantic import SecretStr

from voice_host.conversation.model_choice import ModelChoice
from voice_host.conversation.runtime import AgentRuntime
from voice_host.models import ModelRegistry
from voice_host.settings import load_settings
from voice_host_sdk import AgentConfig

DEFAULT_AGENT_ID = "agent"


def default_runtime(config: AgentConfig, assemblyai_api_key: SecretStr | None = None) -> AgentRuntime:
    """Build a runtime for an agent of a customer's own application; it owns its model client.

    `assemblyai_api_key` wins over its variable.

    Raises:
        ModelConfigError: the model that is named cannot be had.
        SettingsError: the settings cannot be used.
    """
    registry = ModelRegistry(load_settings().with_keys(assemblyai_api_key=assemblyai_api_key))
    choose = ModelChoice(registry)
    return AgentRuntime(DEFAULT_AGENT_ID, config, choose(config), registry=registry, choose=choose)
