"""Which agent code runs for: set where the host calls an agent, inherited by the tasks and threads that it starts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
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
