"""The clock of calls, which is that of the event loop, and `WaitLimit`, a timeout for repeated waits."""

from __future__ import annotations

import asyncio
import math
from types import TracebackType


def now_s() -> float:
    """Return the running event loop's time in seconds; on a common loop the same as `time.monotonic()`.

    Deadlines are given to the loop (`call_at`, `asyncio.timeout`), so times compared with them must come from it, too.
    A loop may run in virtual time, as in `voice_host.testing`, where a conversation of minutes takes milliseconds.

    Raises:
        RuntimeError: no event loop runs in this thread.
    """
    return asyncio.get_running_loop().time()


class WaitLimit:
    """A time limit for each of many waits of a task, like `asyncio.timeout`, but with one timer for all of them.

        limit = WaitLimit(5.0)
        while True:
            with limit:
                await socket.send(await anext(audio))

    `asyncio.timeout` creates and cancels a timer for every wait, which often costs more than the wait itself. Here the
    timer is kept when a wait ends; when it fires, it checks the current wait, if there is one.

    Args:
        limit_s: seconds; inf: no limit, until `set_limit()` sets one. One task at a time may wait.
    """

    __slots__ = ("_cancelling", "_due_s", "_expired", "_limit_s", "_task", "_timer")

    def __init__(self, limit_s: float = math.inf) -> None:
        self._limit_s = limit_s
        self._due_s = math.inf
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._expired = False
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task, self._cancelling = task, task.cancelling()
        if self._limit_s != math.inf:
            self._start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Raise `TimeoutError` if the limit was exceeded. A cancellation from elsewhere at the same time is kept."""
        task, self._task, self._due_s = self._task, None, math.inf
        if self._expired:
            self._expired = False
            assert task is not None
            if task.uncancel() <= self._cancelling and kind is not None and issubclass(kind, asyncio.CancelledError):
                raise TimeoutError from error

    def set_limit(self, limit_s: float) -> None:
        """Change the limit. For the current wait, it starts now."""
        self._limit_s = limit_s
        if self._task is not None and not self._expired:
            self._start()

    def expire(self) -> None:
        """End the current wait, if there is one, as if its time was over."""
        self.close()
        if self._task is not None and not self._expired:
            self._expired = True
            self._task.cancel()

    def close(self) -> None:
        """Stop the timer, which otherwise keeps this object in memory until it has fired once more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start(self) -> None:
        loop = asyncio.get_running_loop()
        self._due_s = loop.time() + self._limit_s
        if self._timer is None or self._timer.when() > self._due_s:
            self.close()
            self._timer = loop.call_at(self._due_s, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._task is None or self._due_s == math.inf:
            return
        loop = asyncio.get_running_loop()
        if self._due_s > loop.time():
            self._timer = loop.call_at(self._due_s, self._look)
        else:
            self.expire()
