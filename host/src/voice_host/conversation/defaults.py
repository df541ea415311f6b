"""What an agent gets that nobody wired: the model that the environment configures."""

from __future__ import annotations

from pydantic import SecretStr

from voice_host.conversation.model_choice import ModelChoice
from voice_host.conversation.runtime import AgentRuntime
from voice_host.models import ModelRegistry, ModelSettings
from voice_host.settings import Settings, load_settings
from voice_host_sdk import AgentConfig

DEFAULT_AGENT_ID = "agent"


def model_settings(settings: Settings) -> ModelSettings:
    """The part of the platform's settings that chooses models."""
    keys = settings.keys
    return ModelSettings(
        platform_model=keys.model,
        assemblyai_api_key=_plain(keys.assemblyai_api_key),
        llm_base_url=keys.llm_base_url,
        llm_api_key=_plain(keys.llm_api_key),
        resilience=settings.resilience,
    )


def default_runtime(config: AgentConfig, assemblyai_api_key: SecretStr | None = None) -> AgentRuntime:
    """Build a runtime for an agent of a customer's own application; it owns its model client.

    `assemblyai_api_key` wins over its variable.

    Raises:
        ModelConfigError: the model that is named cannot be had.
        SettingsError: the settings cannot be used.
    """
    settings = load_settings().with_keys(assemblyai_api_key=assemblyai_api_key)
    registry = ModelRegistry(model_settings(settings))
    choose = ModelChoice(registry)
    return AgentRuntime(DEFAULT_AGENT_ID, config, choose(config), registry=registry, choose=choose)


def _plain(key: SecretStr | None) -> str | None:
    return key.get_secret_value() if key is not None else None
