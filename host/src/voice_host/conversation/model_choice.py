"""Which model an agent uses, for its own configuration and for that of a single caller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from voice_host.models import ModelRegistry, ResolvedModel
from voice_host.settings import AgentSettings
from voice_host_sdk import AgentConfig


@dataclass(frozen=True)
class ModelChoice:
    """Chooses the model and its fallbacks for a configuration of an agent.

    Attributes:
        overrides: the platform's settings for the agent, which take precedence.
    """

    registry: ModelRegistry
    overrides: AgentSettings = field(default_factory=AgentSettings)

    def __call__(self, config: AgentConfig) -> ResolvedModel:
        """Return the model.

        Raises:
            ModelConfigError: a model is unknown or not available.
        """
        return self.registry.resolve(self.overrides.model, config.model, self._fallbacks(config))

    async def prepare(self, config: AgentConfig) -> None:
        """Import what the model needs, so that creating it does not block calls."""
        await self.registry.prepare(self.overrides.model, config.model, self._fallbacks(config))

    def _fallbacks(self, config: AgentConfig) -> Sequence[str]:
        return config.fallback_models if self.overrides.fallback_models is None else self.overrides.fallback_models
