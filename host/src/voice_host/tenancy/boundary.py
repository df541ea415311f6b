"""The boundary around a plugin's code: whatever it raises leaves it as an `Exception`.

Code may raise a `BaseException`: `SystemExit`, `KeyboardInterrupt`, `GeneratorExit`, a `CancelledError` that nobody
requested, a panic of a Rust extension. Some of these end the event loop, and with it every call of every agent. The
host calls plugins only through `isolated` or `contained`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from voice_host.observability.logs import get_logger

log = get_logger(__name__)

_Result = TypeVar("_Result")

STOP_TIMEOUT_S = 2.0
"""How long to wait for cancelled code to stop."""

_left_behind: set[asyncio.Task[Any]] = set()
"""Tasks that did not stop. The event loop holds only weak references to them."""


class PluginError(Exception):
    """A plugin's code raised a `BaseException` that is not an `Exception`.

    Attributes:
        raised: what it raised; it is the cause, too.
    """

    def __init__(self, raised: BaseException) -> None:
        super().__init__(type(raised).__name__)
        self.raised = raised


class PluginTimeout(Exception):
    """A plugin's code took longer than its time limit. It was cancelled."""


def raised_by(error: BaseException) -> BaseException:
    """Return what a plugin's code itself raised."""
    return error.raised if isinstance(error, PluginError) else error


def type_of(error: BaseException) -> str:
    """Return the name of the type of what a plugin's code raised."""
    return type(raised_by(error)).__name__


async def isolated(call: Callable[[], Awaitable[_Result]], *, name: str, timeout_s: float | None = None) -> _Result:
    """Await a plugin's code in a task of its own, so that it cannot cancel the host's.

    A cancellation of the caller stops the plugin's code and is raised again, whatever that code makes of it.

    Args:
        name: of the task.
        timeout_s: None: no limit.

    Raises:
        PluginTimeout: it took longer.
        PluginError: it raised a `BaseException` that is not an `Exception`, or cancelled itself.
        Exception: what it raised.
    """
    task = asyncio.create_task(contained(call), name=name)
    try:
        done, _ = await asyncio.wait([task], timeout=timeout_s)
    except asyncio.CancelledError:
        await stop(task)
        raise
    if not done:
        await stop(task)
        raise PluginTimeout(f"{name} took longer than {timeout_s:g} s")
    if task.cancelled():
        raise PluginError(asyncio.CancelledError())
    return task.result()


async def contained(call: Callable[[], Awaitable[_Result]]) -> _Result:
    """Await a plugin's code in this task, for what must not change its task, such as an open stream.

    A cancellation of this task that comes meanwhile is raised, even if the code swallows it.

    Raises:
        PluginError: it raised a `BaseException` that is not an `Exception`.
        Exception: what it raised.
    """
    task = asyncio.current_task()
    asked = task.cancelling() if task is not None else 0
    try:
        result = await call()
    except BaseException as error:
        if task is not None and task.cancelling() > asked:
            raise asyncio.CancelledError from error
        if isinstance(error, Exception) or _is_closed(error, task):
            raise
        raise PluginError(error) from error
    if task is not None and task.cancelling() > asked:
        raise asyncio.CancelledError
    return result


async def stop(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait until it has stopped, for `STOP_TIMEOUT_S` at most."""
    task.cancel()
    try:
        _, ignoring = await asyncio.wait([task], timeout=STOP_TIMEOUT_S)
    finally:
        if not task.done():
            _left_behind.add(task)
        task.add_done_callback(_forget)
    if ignoring:
        log.warning("plugin_ignores_cancellation", task=task.get_name())


def _forget(task: asyncio.Task[Any]) -> None:
    _left_behind.discard(task)
    if not task.cancelled():
        task.exception()  # else asyncio logs that it was never retrieved


def _is_closed(error: BaseException, task: asyncio.Task[Any] | None) -> bool:
    """Whether Python closes the coroutine, which it does outside of the task that ran it."""
    if not isinstance(error, GeneratorExit):
        return False
    try:
        return asyncio.current_task() is not task
    except RuntimeError:  # no loop runs any more
        return True
