"""Where a setting came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

KeyPath = tuple[str, ...]
"""The way to a setting through the tables, e.g. `("agent", "front-desk", "model")`."""


def free_keys(path: KeyPath) -> int | None:
    """Return how many parts lead to the free table that `path` lies in or is, or None where keys are fixed.

    Free are `[agent.<id>.settings]` and `[extension.<name>]`: the host hands them on and does not know their keys.
    """
    if path[:1] == ("agent",) and path[2:3] == ("settings",):
        return 3
    return 2 if path[:1] == ("extension",) and len(path) > 1 else None


Layer = Literal["default", "file", ".env", "variable", "option"]


@dataclass(frozen=True, slots=True)
class Provenance:
    """The source of one value.

    Attributes:
        kind: which layer it came from.
        source: the file as it was named, the variable's name (also for one in `.env`), or the option; empty for a
            default.
        reference: for a `{ env = ... }` or `{ file = ... }` value, what it referred to.
    """

    kind: Layer
    source: str = ""
    reference: str = ""

    def where(self, path: KeyPath) -> str:
        """Return words that lead a reader to the place to edit."""
        if self.kind == ".env":
            return f"{self.kind}: {self.source}"
        if self.kind != "file":
            return self.source or dotted(path)
        table, key = path[:-1], path[-1]
        return f"{self.source}: [{'.'.join(table)}] {key}" if table else f"{self.source}: {key}"

    def __str__(self) -> str:
        text = f"{self.kind} {self.source}".rstrip()
        return f"{text} ({self.reference})" if self.reference else text


DEFAULT = Provenance("default")


def dotted(path: KeyPath) -> str:
    """Return `agent.front-desk.model` for a path."""
    return ".".join(path)
