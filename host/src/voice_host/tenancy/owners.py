"""Which agent a module belongs to, by the agents' entry points."""

from __future__ import annotations

from collections.abc import Mapping


class CodeOwners:
    """Finds the agent that a module belongs to.

    An agent owns the module of its entry point and everything below it, and the top-level package around it unless
    another agent has code there, too: `acme.front_desk` and `acme.booking` own a branch each, and no agent owns `acme`.

    Args:
        entry_points: by agent id, as `package.module` or `package.module:object`.
    """

    def __init__(self, entry_points: Mapping[str, str]) -> None:
        claims: dict[str, set[str]] = {}
        for agent_id, entry_point in entry_points.items():
            module = entry_point.partition(":")[0].strip()
            for name in {module, module.partition(".")[0]}:
                claims.setdefault(name, set()).add(agent_id)
        self._owners = {name: next(iter(ids)) for name, ids in claims.items() if len(ids) == 1}

    def of(self, module: str) -> str | None:
        """Return the agent that owns a module, or None."""
        while module:
            if (owner := self._owners.get(module)) is not None:
                return owner
            module = module.rpartition(".")[0]
        return None
