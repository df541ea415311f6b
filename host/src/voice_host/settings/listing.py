"""The settings as a list with secrets redacted, and the list of secrets, for redaction elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, SecretStr

from voice_host.settings.model import Settings, Tables
from voice_host.settings.provenance import DEFAULT, KeyPath, Provenance, dotted
from voice_host.settings.secrets import REDACTED, SecretText


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of `voice-host config`."""

    key: str
    value: Any
    came_from: Provenance


def list_settings(settings: Settings) -> list[Entry]:
    """Return every setting, defaults included, in the order of the tables."""
    entries = [
        Entry(dotted(path), _shown(value), settings.came_from(*path))
        for name in Tables.model_fields
        for path, value in _leaves((name,), getattr(settings, name))
    ]
    of_services = {
        field.alias or name: getattr(options, name)
        for options in (*settings.speech_options.values(), settings.keys)
        for name, field in type(options).model_fields.items()
    }
    for variable, value in of_services.items():
        came_from = settings.provenance.get((variable,), Provenance("variable", variable))
        entries.append(Entry(variable, _shown(value), came_from if value else DEFAULT))
    return entries


def _leaves(path: KeyPath, value: Any) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(value, BaseModel):
        value = dict(value)
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves((*path, str(key)), inner)
    else:
        yield path, value


def _shown(value: Any) -> Any:
    """Return a value as JSON types, without secrets."""
    if isinstance(value, (SecretText, SecretStr)):
        return REDACTED
    if isinstance(value, tuple):
        return [_shown(inner) for inner in value]
    if isinstance(value, Mapping):
        return {key: _shown(inner) for key, inner in value.items()}
    if isinstance(value, str):
        return _without_credentials(value)
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)


def _without_credentials(text: str) -> str:
    """Return an address without user and query, which may contain credentials; other text unchanged."""
    if re.match(r"^[a-z][a-z0-9+.-]*://", text) is None:
        return text
    text = re.sub(r"//[^/?#]*@", f"//{REDACTED}@", text)
    return re.sub(r"\?.*$", f"?{REDACTED}", text)


def known_secrets(settings: Settings) -> frozenset[str]:
    """Return all secrets: keys of services, and secrets of agents and extensions."""
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
