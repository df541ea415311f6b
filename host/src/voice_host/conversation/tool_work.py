"""One call of a tool, from its turn's point of view: it may go on after the turn was cut."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from pydantic_ai.exceptions import ModelRetry, ToolFailed

from voice_host.tenancy import type_of


@dataclass(slots=True)
class ToolOutcome:
    """What came of a tool: its result, or the failure the model is told."""

    result: Any
    failure: ModelRetry | ToolFailed | None = None
    duration_ms: float = 0.0


def failed(message: str) -> ToolOutcome:
    """Return the outcome of a tool that has no result."""
    return ToolOutcome(message, failure=ToolFailed(message))


class Turn(Protocol):
    """The turn that a tool works for."""

    def left_running(self, work: ToolWork) -> None:
        """The turn was cut, and the tool goes on: it cannot be stopped, or is not to be."""

    def finished_late(self, work: ToolWork, outcome: ToolOutcome) -> None:
        """A tool that was left running has ended."""


@dataclass(frozen=True, slots=True)
class ToolWork:
    """One call of a tool. `turn`: None where nobody waits for late results."""

    call_id: str
    name: str
    arguments: Mapping[str, Any]
    turn: Turn | None


@dataclass(frozen=True, slots=True)
class Sendable:
    """A tool's result that can be sent to a model as it is."""

    value: Any


current_work: ContextVar[ToolWork | None] = ContextVar("current_work", default=None)
"""The call of a tool that the current task works on."""


async def run_in_thread(executor: Executor, function: Callable[[], Any]) -> Any:
    """Run a tool's function in a thread. One that has begun cannot be stopped: its turn is told when it has ended.

    Args:
        function: returns what is `Sendable`, or what is to be awaited, which nobody does any more then.
    """
    loop, threads = asyncio.get_running_loop(), _RememberingExecutor(executor)
    try:
        return await loop.run_in_executor(threads, function)
    except asyncio.CancelledError:
        work = current_work.get()
        if work is not None and work.turn is not None and not threads.future.cancelled():
            work.turn.left_running(work)
            threads.future.add_done_callback(partial(_tell, loop, work.turn, work))
        raise


class _RememberingExecutor(Executor):
    """Keeps the thread's own future, which goes on when whoever awaits it is cancelled."""

    future: Future[Any]

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.future = self._executor.submit(fn, *args, **kwargs)
        return self.future


def _tell(loop: asyncio.AbstractEventLoop, turn: Turn, work: ToolWork, future: Future[Any]) -> None:
    if future.cancelled() or loop.is_closed():
        return
    if (error := future.exception()) is not None:
        outcome = failed(f"{work.name} failed ({type_of(error)}).")
    elif isinstance(result := future.result(), Sendable):
        outcome = ToolOutcome(result.value)
    else:
        if inspect.iscoroutine(result):
            result.close()
        outcome = failed(f"{work.name} was cancelled.")
    try:
        loop.call_soon_threadsafe(turn.finished_late, work, outcome)
    except RuntimeError:  # the loop was closed meanwhile, and the conversation with it
        return
