"""A plugin's own settings: read-only, and ready to say what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from voice_host.settings.errors import did_you_mean
from voice_host.settings.provenance import KeyPath, dotted
from voice_host.settings.variables import variable_name


class MissingSetting(KeyError):
    """A plugin asked its settings for a key that is not there. `hint` says what to set, or what there is."""

    def __init__(self, path: KeyPath, known: list[str]) -> None:
        super().__init__(path[-1])
        self.message = f"[{dotted(path[:-1])}] has no key {path[-1]!r}"
        meant = did_you_mean(path[-1], known) if known else "the table is empty"
        self.hint = (
            f"set {path[-1]} there, or the variable {variable_name(path)}; {meant}. "
            "A key that may be absent is read with settings.get()"
        )

    def __str__(self) -> str:
        return self.message


class _Table(dict[str, Any]):
    def __init__(self, path: KeyPath, values: Mapping[str, Any]) -> None:
        super().__init__({key: plugin_table((*path, key), value) for key, value in values.items()})
        self._path = path

    def __missing__(self, key: object) -> Any:
        if not isinstance(key, str):
            raise KeyError(key)
        raise MissingSetting((*self._path, key), sorted(self))


def plugin_table(path: KeyPath, value: Any) -> Any:
    """Return `value`, found at `path`, with every table a read-only mapping and every list a tuple, all the way down.

    Reading a key that a table does not have raises `MissingSetting`.
    """
    if isinstance(value, Mapping):
        return MappingProxyType(_Table(path, value))
    if isinstance(value, (list, tuple)):
        return tuple(plugin_table(path, inner) for inner in value)
    return value
