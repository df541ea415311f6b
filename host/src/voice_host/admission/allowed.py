"""What an agent may ask for: the platform decides which models and speech services may be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from voice_host.settings import Settings
from voice_host_sdk import AgentConfig


class NotAllowed(Exception):
    """An agent asks for something that the platform does not allow. The message says what is, and what to do."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """The names that an agent may ask for, with `*` in them; None: any. What the platform names is always allowed.

    Attributes:
        models: names of models.
        fallback_models: names of models that are asked when the other fails.
        speech_to_text: names of recognisers.
        text_to_speech: names of voices.
        text_to_speech_fallback: names of voices that take over.
    """

    models: tuple[str, ...] | None = None
    fallback_models: tuple[str, ...] | None = None
    speech_to_text: tuple[str, ...] | None = None
    text_to_speech: tuple[str, ...] | None = None
    text_to_speech_fallback: tuple[str, ...] | None = None

    def check(self, config: AgentConfig) -> None:
        """Check what a configuration asks for.

        Raises:
            NotAllowed: it asks for something that is not allowed.
        """
        _check("model", [config.model], self.models, "allowed_models")
        _check("fallback model", config.fallback_models, self.fallback_models, "allowed_models")
        _check("speech-to-text service", [config.speech_to_text], self.speech_to_text, "allowed_providers")
        _check("text-to-speech service", [config.text_to_speech], self.text_to_speech, "allowed_providers")
        fallback = [config.text_to_speech_fallback]
        _check("text-to-speech service", fallback, self.text_to_speech_fallback, "allowed_providers")


def allowed_for(settings: Settings, agent_id: str) -> Allowed:
    """Return what one agent may ask for. What the agent asks for does not matter where the platform has chosen."""
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
