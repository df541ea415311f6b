"""Background tasks, which nobody awaits. Their failures are logged and counted."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, TypeVar

from voice_host.observability import metrics
from voice_host.observability.logs import get_logger

log = get_logger(__name__)

_Result = TypeVar("_Result")

_running: set[asyncio.Task[Any]] = set()
"""The event loop holds tasks weakly."""


def in_background(
    work: Coroutine[Any, Any, _Result], kind: str, *, of: str = "", context: Context | None = None
) -> asyncio.Task[_Result]:
    """Run `work` in a task that need not be awaited. The caller is still responsible for ending it.

    Args:
        work: a failure is logged as `background_task_failed` and counted.
        kind: what it does, for logs and metrics.
        of: the owner, e.g. a session's id.
        context: the context that it runs in; default: a copy of the caller's.
    """
    task = asyncio.create_task(work, name=f"{kind}-{of}" if of else kind, context=context)
    _running.add(task)

    def ended(task: asyncio.Task[_Result]) -> None:
        _running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            failed(kind, error, of=of)

    task.add_done_callback(ended)
    return task


async def to_the_end(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Do work that must not be interrupted halfway. A cancellation takes effect when it is over."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not task.cancelled() and (failure := task.exception()) is not None:
            failed("interrupted", failure)
        raise cancelled
    return task.result()


def forget_frames(task: asyncio.Task[Any]) -> None:
    """Let go of what a cancelled task worked on, as a callback of the task when it is done.

    Its `CancelledError` refers to the frames it passed through, and Python 3.11's `TaskGroup` keeps the error in one of
    them. Such a cycle holds a call's audio and history until the next full garbage collection.
    """
    if task.cancelled():
        try:
            task.exception()
        except asyncio.CancelledError as error:
            traceback.clear_frames(error.__traceback__)


def failed(kind: str, error: BaseException, *, of: str = "") -> None:
    """Log and count a failure in background work that continues."""
    metrics.BACKGROUND_FAILURES.labels("", kind).inc()
    log.error("background_task_failed", task=kind, **({"of": of} if of else {}), exc_info=error)


def report_unhandled(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log and count errors of callbacks, and of tasks and futures that nobody awaited.

    This is the event loop's exception handler. asyncio's own prints the `repr` of what failed, which includes messages
    of exceptions that may quote callers.
    """
    metrics.BACKGROUND_FAILURES.labels("", "").inc()
    what = str(context.get("message", "")).partition("(")[0].partition("\n")[0].strip()
    error = context.get("exception")
    task = context.get("task") or context.get("future")
    name = task.get_name() if isinstance(task, asyncio.Task) else None
    log.error("unhandled_error", what=what, **({"task": name} if name else {}), exc_info=error)
