"""Which agent code runs for, and which agent a module belongs to.

Code is attributed where the host calls an agent; the tasks and threads that it starts inherit that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from types import FrameType
from typing import TypeVar

_Result = TypeVar("_Result")

_agent: ContextVar[str | None] = ContextVar("attributed_agent", default=None)


async def attributed_to(agent_id: str, call: Callable[[], Awaitable[_Result]]) -> _Result:
    """Await what `call()` returns, attributed to an agent; so are the tasks and threads that it starts."""
    token = _agent.set(agent_id)
    try:
        return await call()
    finally:
        _agent.reset(token)


def attributed_agent() -> str | None:
    """Return the agent that the current code is attributed to; None: it is the host's own."""
    return _agent.get()


def agent_of_frame(frame: FrameType) -> str | None:
    """Return the agent that a frame of another thread is attributed to, if it is one of `attributed_to`.

    A thread cannot read the context variables of another one, but it can see the frames that set them.
    """
    if frame.f_code is not attributed_to.__code__:
        return None
    agent_id = frame.f_locals.get("agent_id")
    return agent_id if isinstance(agent_id, str) else None


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
