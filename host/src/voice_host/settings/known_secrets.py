"""All secrets in the settings, to be redacted from logs and messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import BaseModel, SecretStr

from voice_host.settings.model import Settings
from voice_host.settings.secrets import SecretText


def known_secrets(settings: Settings) -> frozenset[str]:
    """Return the keys of services, and the secrets of all agents and extensions."""
    return frozenset(_secrets(settings))


def _secrets(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value().strip()
    elif isinstance(value, SecretText):
        yield str.__str__(value)
    elif isinstance(value, BaseModel):
        for _, inner in value:
            yield from _secrets(inner)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _secrets(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _secrets(inner)
