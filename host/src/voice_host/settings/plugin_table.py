"""A plugin's own settings: read-only tables with helpful errors for missing keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from voice_host.settings.errors import did_you_mean, suggestion
from voice_host.settings.provenance import KeyPath, dotted
from voice_host.settings.variables import variable_name


class MissingSetting(KeyError):
    """A plugin read a key that its settings do not have. `hint` says what to set, or which keys there are."""

    def __init__(self, path: KeyPath, known: list[str]) -> None:
        super().__init__(path[-1])
        self.message = f"[{dotted(path[:-1])}] has no key {path[-1]!r}"
        meant = did_you_mean(path[-1], known) if known else "the table is empty"
        self.hint = (
            f"set {path[-1]} there, or the variable {variable_name(path)}; {meant}. "
            "Read a key that may be absent with settings.get()"
        )

    def __str__(self) -> str:
        return self.message


MOST_KEYS = 1000
"""Limit of remembered keys per table, since a plugin may read any number of keys."""


class AskedKeys:
    """The keys that a plugin has read, whether they exist or not."""

    def __init__(self) -> None:
        self._asked: dict[KeyPath, set[str]] = {}

    def note(self, table: KeyPath, *keys: str) -> None:
        """Note that the plugin reads keys of a table."""
        asked = self._asked.setdefault(table, set())
        if len(asked) < MOST_KEYS:
            asked.update(keys)

    def unread(self, table: KeyPath, values: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
        """Yield the path of each key in `values` that was not read, with a suggestion.

        A table that was not read is yielded itself, without its keys.
        """
        asked = self._asked.get(table, set())
        for key, value in values.items():
            path = (*table, key)
            if key not in asked:
                near = suggestion(key, asked - values.keys())
                yield path, f"did you mean {near!r}?" if near else f"it reads {', '.join(sorted(asked)) or 'none'}"
            elif isinstance(value, Mapping):
                yield from self.unread(path, value)


class _Table(dict[str, Any]):
    """A table that notes which keys are read. Iterating or copying counts as reading all of them."""

    def __init__(self, path: KeyPath, values: Mapping[str, Any], asked: AskedKeys) -> None:
        super().__init__({key: plugin_table((*path, key), value, asked) for key, value in values.items()})
        self._path = path
        self._note = asked.note

    def __missing__(self, key: object) -> Any:
        if not isinstance(key, str):
            raise KeyError(key)
        raise MissingSetting((*self._path, key), sorted(super().__iter__()))

    def __getitem__(self, key: str) -> Any:
        self._note(self._path, str(key))
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self._note(self._path, str(key))
        return super().__contains__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self._note(self._path, str(key))
        return super().get(key, default)

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def keys(self) -> Any:
        return self._all().keys()

    def values(self) -> Any:
        return self._all().values()

    def items(self) -> Any:
        return self._all().items()

    def copy(self) -> dict[str, Any]:
        return self._all()

    def __or__(self, other: Any) -> Any:
        return self._all() | other

    def __ror__(self, other: Any) -> Any:
        return other | self._all()

    def _all(self) -> dict[str, Any]:
        everything = {key: super(_Table, self).__getitem__(key) for key in super().__iter__()}
        self._note(self._path, *everything)
        return everything


def plugin_table(path: KeyPath, value: Any, asked: AskedKeys | None = None) -> Any:
    """Return `value`, found at `path`, with all tables as read-only mappings and all lists as tuples, recursively.

    Reading a missing key raises `MissingSetting`. Keys that are read are noted in `asked`.
    """
    asked = asked or AskedKeys()
    if isinstance(value, Mapping):
        return MappingProxyType(_Table(path, value, asked))
    if isinstance(value, (list, tuple)):
        return tuple(plugin_table(path, inner, asked) for inner in value)
    return value
