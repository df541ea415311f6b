"""The part of the settings that a worker process gets, as JSON."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from voice_host.settings.agent import PRODUCTION
from voice_host.settings.model import ModelKeys, Settings, Tables
from voice_host.settings.provenance import KeyPath, Provenance
from voice_host.settings.secrets import SecretText
from voice_host.settings.services import built_in_services

SHARED = ("server", "sessions", "agents", "providers", "limits", "resilience")
"""The tables that every worker gets. `[auth]` and `[data]` are the front's own."""

_SECRET, _TIME, _TABLE = "$secret", "$time", "$table"
"""Tags of values that JSON lacks: `{"$secret": text}`, `{"$time": [type, text]}`, and `{"$table": [[key, value]]}` for
a table with a key that begins with `$`."""

_TIMES: Mapping[str, Callable[[str], object]] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
}


def settings_to_send(settings: Settings, agent_id: str, extensions: Collection[str] = ()) -> dict[str, Any]:
    """Return the settings of one agent as JSON, without keys: see `keys_to_send`. Secrets are resolved.

    Args:
        settings: the platform's settings.
        agent_id: the agent, whose table is sent, and no other agent's.
        extensions: the extensions that the worker loads. Their tables are sent.
    """
    tables = {name: getattr(settings, name) for name in SHARED}
    values = {name: _plain(table) for name, table in tables.items()}
    values["agents"] |= {"allow": [agent_id], "required": []}
    if agent_id in settings.agent:
        values["agent"] = {agent_id: _plain(settings.agent[agent_id])}
    values["extensions"] = {"allow": sorted(extensions)}
    values["extension"] = {name: _plain(settings.for_extension(name)) for name in extensions}

    def is_sent(path: KeyPath) -> bool:
        return (
            path[0] in SHARED or path[:2] == ("agent", agent_id) or (path[0] == "extension" and path[1] in extensions)
        )

    sources = [
        [list(path), [source.kind, source.source, source.reference]]
        for path, source in settings.provenance.items()
        if is_sent(path)
    ]
    return {
        "tables": values,
        "alias": settings.alias,
        "sources": sources,
        "path": None if settings.path is None else str(settings.path),
    }


def keys_to_send(settings: Settings) -> dict[str, str]:
    """Return the keys and addresses of models and built-in speech services, by the names of their variables."""
    keys: dict[str, str] = {}
    for options in (settings.keys, *(settings.options_of(service) for service in built_in_services())):
        for name, field in type(options).model_fields.items():
            value = getattr(options, name)
            if field.alias and value is not None and value != field.default:
                keys[field.alias] = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    return keys


def received_settings(sent: Mapping[str, Any], keys: Mapping[str, str]) -> Settings:
    """Return the settings that `settings_to_send` and `keys_to_send` were given, as far as they were sent.

    Raises:
        ValueError: they are not valid settings, since they were sent by another version of the host.
    """
    tables = Tables.model_validate(_from_plain(sent.get("tables", {})))

    def options(model: type[BaseModel]) -> Any:
        names = [field.alias for field in model.model_fields.values() if field.alias]
        return model.model_validate({name: keys[name] for name in names if name in keys})

    return Settings(
        **dict(tables),
        keys=options(ModelKeys),
        speech_options={each.name: options(each.options) for each in built_in_services()},
        path=Path(path) if (path := sent.get("path")) else None,
        alias=sent.get("alias", PRODUCTION),
        provenance={tuple(path): Provenance(*source) for path, source in sent.get("sources", ())},
    )


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        # Only what differs from the defaults: that is little, and paths and addresses in defaults need not be parsed.
        changed = {name: getattr(value, name) for name in value.model_fields_set}
        return {name: _plain(inner) for name, inner in changed.items()}
    if isinstance(value, Mapping):
        table = {key: _plain(inner) for key, inner in value.items()}
        return {_TABLE: list(table.items())} if any(key.startswith("$") for key in table) else table
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, SecretText):
        return {_SECRET: str.__str__(value)}
    if isinstance(value, SecretStr):
        return {_SECRET: value.get_secret_value()}
    if isinstance(value, (datetime, date, time)):
        return {_TIME: [type(value).__name__, value.isoformat()]}
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _from_plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_from_plain(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"$secret": str(text)}:
            return SecretText(text)
        case {"$time": [str(kind), str(text)]}:
            return _TIMES[kind](text)
        case {"$table": list(entries)}:
            return {key: _from_plain(inner) for key, inner in entries}
    return {key: _from_plain(inner) for key, inner in value.items()}
