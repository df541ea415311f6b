"""Which model an agent gets, for its own configuration and for the one of a single caller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from voice_host.models import ModelRegistry, ResolvedModel
from voice_host.settings import AgentSettings
from voice_host_sdk import AgentConfig


@dataclass(frozen=True)
class ModelChoice:
    """Chooses the model, with its fallbacks, for a configuration of an agent.

    Attributes:
        own: what the platform's settings say of the agent; they win.
    """

    registry: ModelRegistry
    own: AgentSettings = field(default_factory=AgentSettings)

    def __call__(self, config: AgentConfig) -> ResolvedModel:
        """Return the model.

        Raises:
            ModelConfigError: one that is named cannot be had.
        """
        return self.registry.resolve(self.own.model, config.model, self._fallbacks(config))

    async def prepare(self, config: AgentConfig) -> None:
        """Import what the model needs, so that making it holds no call up."""
        await self.registry.prepare(self.own.model, config.model, self._fallbacks(config))

    def _fallbacks(self, config: AgentConfig) -> Sequence[str]:
        return config.fallback_models if self.own.fallback_models is None else self.own.fallback_models
