"""Merges the sources of the settings, and records the source of each value."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from voice_host.settings.environment import DOTENV_FILE, Environment
from voice_host.settings.errors import Problem
from voice_host.settings.provenance import KeyPath, Provenance, dotted, free_keys
from voice_host.settings.secrets import (
    REDACTED,
    MissingSource,
    SecretText,
    is_reference,
    looks_secret,
    protect,
    references,
    resolve,
)
from voice_host.settings.variables import spelling

_KINDS: dict[type, str] = {bool: "truth value (true or false)", int: "whole number", float: "number"}
_TRUTH = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


class Layers:
    """Values by path; later values replace earlier ones.

    Attributes:
        values: the merged tables, for validation.
        problems: the errors found while merging.
    """

    def __init__(self, file: str, raw: Mapping[str, Any]) -> None:
        self.values: dict[str, Any] = copy.deepcopy(dict(raw))
        self.problems: list[Problem] = []
        self._provenance = {path: Provenance("file", file) for path in _leaves(raw)}
        self._file = file
        self._missing: list[KeyPath] = []

    def put(self, path: KeyPath, value: Any, came_from: Provenance) -> None:
        """Set a value and record its source."""
        table = self.values
        for place, part in enumerate(path[:-1], start=1):
            # A table with a source of its own is empty or a reference, and is replaced.
            if not isinstance(table.get(part), dict) or path[:place] in self._provenance:
                table[part] = {}
                self._provenance.pop(path[:place], None)
            table = table[part]
        table[path[-1]] = value
        self._provenance = {known: at for known, at in self._provenance.items() if known[: len(path)] != path}
        self._provenance[path] = came_from

    def put_text(self, path: KeyPath, text: str, came_from: Provenance) -> None:
        """Set a value from a variable.

        In a free table (`free_keys`) the path has the spelling of variables. A key of the file with this spelling is
        overridden, and the value gets its type, so that a number remains a number. Otherwise the key is in lower case,
        and the value is a text.
        """
        free = free_keys(path)
        if free is None:
            self.put(path, text, came_from)
            return
        keys = list(path[:free])
        value: Any = self._table(path[:free])
        for part in path[free:]:
            same = [key for key in value if spelling(key) == part] if isinstance(value, dict) else []
            if len(same) > 1:
                names = " and ".join(repr(key) for key in same)
                self.problems.append(
                    Problem(came_from.source, f"could mean any of {names}; rename one of them in the file")
                )
                return
            keys.append(same[0] if same else part.lower())
            value = value[same[0]] if same else None
        try:
            self.put(tuple(keys), _like(text, value), came_from)
        except ValueError:
            kind = _KINDS.get(type(value), "list like the one")
            shown = REDACTED if any(map(looks_secret, keys)) else repr(text)
            self.problems.append(Problem(came_from.source, f"must be a {kind}, as in {self._file}, not {shown}"))

    def remove(self, path: KeyPath) -> str | None:
        """Remove a setting. Returns a description of where it was set, or None if it was not set."""
        came_from = self._provenance.pop(path, None)
        if came_from is None:
            return None
        del self._table(path[:-1])[path[-1]]
        return came_from.where(path)

    def resolve(self, environment: Environment, folder: Path) -> None:
        """Replace references by their values, and mark secrets in free tables so that they are not shown."""
        for path, came_from in list(self._provenance.items()):
            table = self._table(path[:-1])
            value = table[path[-1]]
            named = [_named(*found, environment) for found in references(value)] if came_from.kind == "file" else []
            if named:
                self._provenance[path] = replace(came_from, reference=", ".join(named))
                try:
                    value = resolve(value, environment.variables, folder)
                except MissingSource as error:
                    self.problems.append(Problem(came_from.where(path), str(error)))
                    self._missing.append(path)
                    value = ""
            if (free := free_keys(path)) is not None:
                value = protect(path[free:], value)
            table[path[-1]] = value

    def named(self, table: str) -> set[str]:
        """Return the agents (`agent`) or extensions (`extension`) with a table, from the file or from variables."""
        named = self.values.get(table)
        return set(named) if isinstance(named, dict) else set()

    def is_missing(self, path: tuple[str | int, ...]) -> bool:
        """Whether the value at `path` could not be read, which is in `problems` already."""
        keys = tuple(str(part) for part in path)
        return any(keys[: len(missing)] == missing for missing in self._missing)

    def where(self, path: tuple[str | int, ...]) -> str:
        """Return a description of where the value at `path` was set; the path may lead into a list."""
        keys = tuple(str(part) for part in path)
        for end in range(len(keys), 0, -1):
            came_from = self._provenance.get(keys[:end])
            if came_from is not None:
                return came_from.where(keys[:end])
        below = next((came_from for known, came_from in self._provenance.items() if known[: len(keys)] == keys), None)
        if below is None:  # it is missing: a value beside it is in the same table
            beside = (came_from for known, came_from in self._provenance.items() if known[:-1] == keys[:-1])
            below = next(beside, None) if len(keys) > 1 else None
        return below.where(keys) if below else dotted(keys)

    @property
    def provenance(self) -> dict[KeyPath, Provenance]:
        """The source of each value."""
        return dict(self._provenance)

    def _table(self, path: KeyPath) -> dict[str, Any]:
        table: Any = self.values
        for part in path:
            table = table.get(part) if isinstance(table, dict) else None
        return table if isinstance(table, dict) else {}


def _named(kind: str, name: str, environment: Environment) -> str:
    """Return the target of a reference, as `voice-host config` shows it: `env CRM_TOKEN in .env`."""
    in_file = kind == "env" and name in environment.from_file
    return f"{kind} {name} in {DOTENV_FILE}" if in_file else f"{kind} {name}"


def _leaves(table: Mapping[str, Any], path: KeyPath = ()) -> Iterator[KeyPath]:
    """Yield the path of each value. References and empty tables count as values."""
    for key, value in table.items():
        if isinstance(value, dict) and value and not is_reference(value):
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key)


def _like(text: str, model: Any) -> Any:
    """Convert `text` to the type of `model`. Raises `ValueError` if that is not possible."""
    if isinstance(model, bool):
        if text.lower() not in _TRUTH:
            raise ValueError(text)
        return _TRUTH[text.lower()]
    if isinstance(model, (int, float)):
        return type(model)(text)
    if isinstance(model, list):
        parts = [part.strip() for part in text.split(",") if part.strip()]
        return [_like(part, model[0]) for part in parts] if model else parts
    return SecretText(text) if is_reference(model) else text
