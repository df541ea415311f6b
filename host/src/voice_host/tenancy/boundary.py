"""The boundary around a plugin's code: whatever it raises leaves it as an `Exception`.

Code may raise a `BaseException`: `SystemExit`, `KeyboardInterrupt`, `GeneratorExit`, a `CancelledError` that nobody
requested, a panic of a Rust extension. Some of these end the event loop, and with it every call of every agent. The
host calls plugins only through `isolated` or `contained`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, TypeVar

from voice_host.observability.logs import get_logger

log = get_logger(__name__)

_Result = TypeVar("_Result")

STOP_TIMEOUT_S = 2.0
"""How long to wait for cancelled code to stop."""

PAUSED_CHECK_S = 0.05
"""How often it is checked whether a paused time limit goes on, when it is nearly over."""

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


class _TimeLimit:
    """The time that a plugin's code may take. Time for which it is paused does not count."""

    def __init__(self, limit_s: float) -> None:
        self._clock = asyncio.get_running_loop().time
        self._until_s = self._clock() + limit_s
        self._pauses = 0
        self._paused_at_s = 0.0

    @property
    def left_s(self) -> float:
        """How much is left."""
        now_s = self._clock()
        return self._until_s - (self._paused_at_s if self._pauses else now_s)

    @property
    def paused(self) -> bool:
        """Whether it is paused."""
        return self._pauses > 0

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Pause it."""
        if not self._pauses:
            self._paused_at_s = self._clock()
        self._pauses += 1
        try:
            yield
        finally:
            self._pauses -= 1
            if not self._pauses:
                self._until_s += self._clock() - self._paused_at_s


_time_limit: ContextVar[_TimeLimit | None] = ContextVar("time_limit", default=None)


def not_counted() -> AbstractContextManager[None]:
    """Return a context in which the time limit of the plugin's code that the current task runs does not go on.

    For waiting for a person. Tasks that the code has started count as the code itself.
    """
    limit = _time_limit.get()
    return nullcontext() if limit is None else limit.pause()


async def _ended(task: asyncio.Task[Any], limit: _TimeLimit | None) -> bool:
    """Wait for a plugin's code. Returns False if it took longer than its limit."""
    if limit is None:
        await asyncio.wait([task])
        return True
    while limit.paused or limit.left_s > 0:
        timeout_s = max(limit.left_s, PAUSED_CHECK_S) if limit.paused else limit.left_s
        done, _ = await asyncio.wait([task], timeout=timeout_s)
        if done:
            return True
    return task.done()


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
    limit = None if timeout_s is None else _TimeLimit(timeout_s)
    token = _time_limit.set(limit)
    try:
        task = asyncio.create_task(contained(call), name=name)
    finally:
        _time_limit.reset(token)
    try:
        ended = await _ended(task, limit)
    except asyncio.CancelledError:
        await stop(task)
        raise
    if not ended:
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
