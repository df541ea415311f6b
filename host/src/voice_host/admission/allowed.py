"""Which models and speech services an agent may use, as decided by the platform."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from voice_host.settings import Settings
from voice_host_sdk import AgentConfig


class NotAllowed(Exception):
    """An agent's configuration names a model or service that the platform does not allow."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """Patterns (`*`) of the names that an agent may use; None: any. What the platform itself chooses is always allowed.

    Attributes:
        models: of the model.
        fallback_models: of the fallbacks.
        speech_to_text: of the speech-to-text service.
        text_to_speech: of the text-to-speech service.
        text_to_speech_fallback: of its fallback.
    """

    models: tuple[str, ...] | None = None
    fallback_models: tuple[str, ...] | None = None
    speech_to_text: tuple[str, ...] | None = None
    text_to_speech: tuple[str, ...] | None = None
    text_to_speech_fallback: tuple[str, ...] | None = None

    def check(self, config: AgentConfig) -> None:
        """Check the names in a configuration.

        Raises:
            NotAllowed: one of them is not allowed.
        """
        _check("model", [config.model], self.models, "allowed_models")
        _check("fallback model", config.fallback_models, self.fallback_models, "allowed_models")
        _check("speech-to-text service", [config.speech_to_text], self.speech_to_text, "allowed_providers")
        _check("text-to-speech service", [config.text_to_speech], self.text_to_speech, "allowed_providers")
        fallback = [config.text_to_speech_fallback]
        _check("text-to-speech service", fallback, self.text_to_speech_fallback, "allowed_providers")


def allowed_for(settings: Settings, agent_id: str) -> Allowed:
    """Return what an agent may use. Where the platform has chosen, the agent's choice is ignored and not checked."""
    own, common = settings.for_agent(agent_id), settings.agents
    models = common.allowed_models if own.allowed_models is None else own.allowed_models
    providers = common.allowed_providers if own.allowed_providers is None else own.allowed_providers

    def services(kind: str) -> tuple[str, ...] | None:
        return None if settings.named_service(kind, agent_id) else providers

    return Allowed(
        models=None if own.model or settings.keys.model else models,
        fallback_models=None if own.fallback_models is not None else models,
        speech_to_text=services("speech_to_text"),
        text_to_speech=services("text_to_speech"),
        text_to_speech_fallback=services("text_to_speech_fallback"),
    )


def _check(kind: str, asked: Sequence[str | None], allowed: tuple[str, ...] | None, setting: str) -> None:
    if allowed is None:
        return
    for name in (name.strip() for name in asked if name and name.strip()):
        if not any(fnmatchcase(name, pattern) for pattern in allowed):
            offered = ", ".join(allowed) or "none"
            raise NotAllowed(f"it asks for the {kind} {name!r}, and the platform's {setting} are: {offered}")
