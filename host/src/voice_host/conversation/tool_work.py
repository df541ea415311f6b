"""One tool call, which may go on after its turn was cut."""

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
    """The result of a tool call, or the failure that is reported to the model."""

    result: Any
    failure: ModelRetry | ToolFailed | None = None
    duration_ms: float = 0.0
    timed_out: bool = False


def failed(message: str, *, timed_out: bool = False) -> ToolOutcome:
    """Return the outcome of a tool call without a result."""
    return ToolOutcome(message, failure=ToolFailed(message), timed_out=timed_out)


class Turn(Protocol):
    """The turn that a tool call belongs to."""

    def note_running(self, work: ToolWork) -> None:
        """The turn was cut and the tool goes on, because it cannot or must not be stopped."""

    def note_finished(self, work: ToolWork, outcome: ToolOutcome) -> None:
        """A tool that went on after its turn was cut has ended."""


@dataclass(frozen=True, slots=True)
class ToolWork:
    """One tool call. `turn`: None if nobody waits for a late result."""

    call_id: str
    name: str
    arguments: Mapping[str, Any]
    turn: Turn | None


@dataclass(frozen=True, slots=True)
class JsonableResult:
    """A tool's result, converted to JSON's types."""

    value: Any


current_work: ContextVar[ToolWork | None] = ContextVar("current_work", default=None)
"""The tool call that the current task runs."""


async def run_in_thread(executor: Executor, function: Callable[[], Any]) -> Any:
    """Run a tool's function in a thread. A running thread cannot be stopped: if cancelled, its turn gets a late result.

    Args:
        function: returns a `JsonableResult`, or an awaitable, which is dropped after cancellation.
    """
    loop, threads = asyncio.get_running_loop(), _FutureKeepingExecutor(executor)
    try:
        return await loop.run_in_executor(threads, function)
    except asyncio.CancelledError:
        work = current_work.get()
        if work is not None and work.turn is not None and not threads.future.cancelled():
            work.turn.note_running(work)
            threads.future.add_done_callback(partial(_report, loop, work.turn, work))
        raise


class _FutureKeepingExecutor(Executor):
    """Keeps the thread's future, which continues when the awaiting task is cancelled."""

    future: Future[Any]

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.future = self._executor.submit(fn, *args, **kwargs)
        return self.future


def _report(loop: asyncio.AbstractEventLoop, turn: Turn, work: ToolWork, future: Future[Any]) -> None:
    if future.cancelled() or loop.is_closed():
        return
    if (error := future.exception()) is not None:
        outcome = failed(f"{work.name} failed ({type_of(error)}).")
    elif isinstance(result := future.result(), JsonableResult):
        outcome = ToolOutcome(result.value)
    else:
        if inspect.iscoroutine(result):
            result.close()
        outcome = failed(f"{work.name} was cancelled.")
    try:
        loop.call_soon_threadsafe(turn.note_finished, work, outcome)
    except RuntimeError:  # the loop was closed meanwhile
        return
