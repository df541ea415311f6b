"""On whose behalf code runs: marked where the host calls into an agent, read by whoever has to tell agents apart."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from types import FrameType
from typing import TypeVar

_Result = TypeVar("_Result")

_acting: ContextVar[str | None] = ContextVar("acting_agent", default=None)


async def acting_for(agent_id: str, call: Callable[[], Awaitable[_Result]]) -> _Result:
    """Await what `call()` returns, marked as the agent's doing: tasks and threads that it starts inherit the mark."""
    token = _acting.set(agent_id)
    try:
        return await call()
    finally:
        _acting.reset(token)


def acting_agent() -> str | None:
    """Return the agent on whose behalf the current code runs; None for the host's own."""
    return _acting.get()


def marked_agent(frame: FrameType) -> str | None:
    """Return the agent that a frame of another thread acts for, if it is one of `acting_for`.

    A thread cannot read another one's context variables, but it can see the frames that set them.
    """
    if frame.f_code is not acting_for.__code__:
        return None
    agent_id = frame.f_locals.get("agent_id")
    return agent_id if isinstance(agent_id, str) else None
