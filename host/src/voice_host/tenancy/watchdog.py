"""Finds code that blocks the event loop, and logs which agent it is attributed to."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from voice_host.observability import metrics
from voice_host.observability.logs import get_logger
from voice_host.tenancy.attribution import CodeOwners
from voice_host.tenancy.stack_sampler import Sample, sample

log = get_logger(__name__)

INTERVAL_S = 0.1
"""How often the loop is pinged: ten wake-ups a second of a thread that otherwise sleeps."""

IDLE_INTERVAL_S = 1.0
"""The same for a process without calls: a hundred idle workers would else use a quarter of a core."""

STILL_BLOCKED_S = 5.0
"""A block of this length is logged before it ends, since it may never end."""

_SAMPLES = 4  # looks at the stack before the threshold is reached


class LoopWatchdog:
    """A thread that pings the event loop, and samples its stack while it does not answer.

    Args:
        owners: which agent code belongs to.
        threshold_s: how long the loop may take to answer. A block is seen for certain from `threshold_s + INTERVAL_S`.
        busy: whether somebody would notice a short block; called in the thread. If not, the loop is pinged every
            `IDLE_INTERVAL_S` only.
    """

    def __init__(self, owners: CodeOwners, threshold_s: float, busy: Callable[[], bool]) -> None:
        self._owners = owners
        self._busy = busy
        self._threshold_s = threshold_s
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._answered = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="loop-watchdog", daemon=True)

    def start(self) -> None:
        """Begin. A forked process does not have this thread: nothing is watched there."""
        self._thread.start()

    async def aclose(self) -> None:
        """Stop, and wait until the thread has ended."""
        self._stopped.set()
        self._answered.set()
        await asyncio.to_thread(self._thread.join)

    def _watch(self) -> None:
        while not self._stopped.wait(INTERVAL_S if self._busy() else IDLE_INTERVAL_S):
            asked_s = time.monotonic()
            self._answered.clear()
            try:
                self._loop.call_soon_threadsafe(self._answered.set)
            except RuntimeError:  # the loop was closed without us
                return
            runs = self._until_answered(asked_s)
            blocked_s = time.monotonic() - asked_s
            if blocked_s >= self._threshold_s and not self._stopped.is_set():
                self._report(runs, blocked_s)

    def _until_answered(self, asked_s: float) -> Runs:
        runs = Runs(asked_s)
        logged = False
        while not self._answered.wait(self._threshold_s / _SAMPLES) and not self._stopped.is_set():
            if (seen := sample(self._loop_thread, self._owners)) is not None:
                runs.add(seen, time.monotonic())
            if not logged and time.monotonic() - asked_s >= STILL_BLOCKED_S:
                logged = True
                self._log("loop_still_blocked", runs, time.monotonic() - asked_s)
        return runs

    def _report(self, runs: Runs, blocked_s: float) -> None:
        if (agent_id := self._log("loop_blocked", runs, blocked_s)) is not None:
            metrics.LOOP_BLOCKED_SECONDS.labels(agent_id).observe(blocked_s)

    def _log(self, event: str, runs: Runs, blocked_s: float) -> str | None:
        """Log a block and return the agent it is attributed to, `""` for none; None: the loop only waited for CPU."""
        seen, lasted_s = runs.longest(time.monotonic())
        if seen is None or seen.idle:
            return None
        agent_id = (seen.agent_id or "") if lasted_s >= self._threshold_s else ""
        stack = seen.stack if lasted_s >= self._threshold_s else ()
        log.warning(event, agent_id=agent_id, blocked_ms=round(blocked_s * 1000), where=seen.where, calls=list(stack))
        return agent_id


class Runs:
    """How long the loop's thread was in the code of one agent without interruption.

    Many short pieces of work of several agents delay the loop, too, but none of them blocks it.
    """

    def __init__(self, asked_s: float) -> None:
        self._begin_s = self._end_s = asked_s
        self._current: Sample | None = None
        self._longest: Sample | None = None
        self._longest_s = 0.0

    def add(self, seen: Sample, at_s: float) -> None:
        """Add a sample. It counts for the time since the last one."""
        if self._current is None or (seen.agent_id, seen.idle) != (self._current.agent_id, self._current.idle):
            self._begin_s = self._end_s
        self._current, self._end_s = seen, at_s
        if at_s - self._begin_s >= self._longest_s:
            self._longest, self._longest_s = seen, at_s - self._begin_s

    def longest(self, end_s: float) -> tuple[Sample | None, float]:
        """Return the last sample of the longest run, and its seconds. The current run lasts until `end_s`."""
        if self._current is not None and end_s - self._begin_s >= self._longest_s:
            return self._current, end_s - self._begin_s
        return self._longest, self._longest_s


@asynccontextmanager
async def watching(
    owners: CodeOwners, threshold_ms: int, busy: Callable[[], bool] = lambda: True
) -> AsyncIterator[None]:
    """Watch the running loop while inside, see `LoopWatchdog`; with a threshold of 0 nothing is watched."""
    if not threshold_ms:
        yield
        return
    watchdog = LoopWatchdog(owners, threshold_ms / 1000, busy)
    watchdog.start()
    try:
        yield
    finally:
        await watchdog.aclose()
