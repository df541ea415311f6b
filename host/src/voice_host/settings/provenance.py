"""The source of a setting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

KeyPath = tuple[str, ...]
"""The path of a setting through the tables, e.g. `("agent", "front-desk", "model")`."""


def free_keys(path: KeyPath) -> int | None:
    """Return the length of the path of the free table that contains or is `path`; None: it is not in a free table.

    The free tables are `[agent.<id>.settings]`, `[agent.<id>.alias.<name>.settings]` and `[extension.<name>]`, whose
    keys the host does not know.
    """
    if path[:1] == ("agent",) and path[2:3] == ("alias",) and path[4:5] == ("settings",):
        return 5
    if path[:1] == ("agent",) and path[2:3] == ("settings",):
        return 3
    return 2 if path[:1] == ("extension",) and len(path) > 1 else None


Layer = Literal["default", "file", ".env", "variable", "option"]


@dataclass(frozen=True, slots=True)
class Provenance:
    """The source of one value.

    Attributes:
        kind: the layer.
        source: the path of the file as given, the name of the variable (also of one in `.env`), or the option; empty
            for a default.
        reference: the target of a `{ env = ... }` or `{ file = ... }` value.
    """

    kind: Layer
    source: str = ""
    reference: str = ""

    def where(self, path: KeyPath) -> str:
        """Return a description of the place to edit."""
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
