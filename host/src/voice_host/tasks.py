"""Background work: what nobody awaits. Whatever goes wrong there is logged and counted, and nothing vanishes."""

from __future__ import annotations

import asyncio
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
    """Run `work` in a task that need not be awaited. Whoever makes it still ends it.

    Args:
        work: what is run. If it raises, that is logged as `background_task_failed` and counted.
        kind: what it does, for logs and metrics.
        of: whose work it is, e.g. a session's id.
        context: in which it runs; default: a copy of the caller's.
    """
    task = asyncio.create_task(work, name=f"{kind}-{of}" if of else kind, context=context)
    _running.add(task)

    def ended(task: asyncio.Task[_Result]) -> None:
        _running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            failed(kind, error, of=of)

    task.add_done_callback(ended)
    return task


def failed(kind: str, error: BaseException, *, of: str = "") -> None:
    """Log and count what went wrong in background work that goes on all the same."""
    metrics.BACKGROUND_FAILURES.labels(kind).inc()
    log.error("background_task_failed", task=kind, **({"of": of} if of else {}), exc_info=error)


def report_unhandled(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log and count what asyncio would only print: errors of callbacks, and of tasks and futures that nobody awaited.

    The event loop's exception handler. asyncio's own also prints the `repr` of what failed, which holds the messages of
    exceptions, and these may quote what callers said.
    """
    metrics.BACKGROUND_FAILURES.labels("").inc()
    what = str(context.get("message", "")).partition("(")[0].partition("\n")[0].strip()
    error = context.get("exception")
    task = context.get("task") or context.get("future")
    name = task.get_name() if isinstance(task, asyncio.Task) else None
    log.error("unhandled_error", what=what, **({"task": name} if name else {}), exc_info=error)
