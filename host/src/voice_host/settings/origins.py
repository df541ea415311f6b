"""Where a setting came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

KeyPath = tuple[str, ...]
"""The way to a setting through the tables, e.g. `("agent", "front-desk", "model")`."""

OriginKind = Literal["default", "file", "variable", "option"]


@dataclass(frozen=True, slots=True)
class Origin:
    """The source of one value.

    Attributes:
        kind: which layer it came from.
        source: the file as it was named, the variable's name, or the option; empty for a default.
        reference: for a `{ env = ... }` or `{ file = ... }` value, what it referred to.
    """

    kind: OriginKind
    source: str = ""
    reference: str = ""

    def where(self, path: KeyPath) -> str:
        """Return words that lead a reader to the place to edit."""
        if self.kind != "file":
            return self.source or dotted(path)
        table, key = path[:-1], path[-1]
        return f"{self.source}: [{'.'.join(table)}] {key}" if table else f"{self.source}: {key}"

    def __str__(self) -> str:
        text = f"{self.kind} {self.source}".rstrip()
        return f"{text} ({self.reference})" if self.reference else text


DEFAULT = Origin("default")


def dotted(path: KeyPath) -> str:
    """Return `agent.front-desk.model` for a path."""
    return ".".join(path)
