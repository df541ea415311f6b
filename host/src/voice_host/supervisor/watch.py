"""Watches one worker: whether its event loop answers, how much memory it uses, and whether it leaves when it should."""

from __future__ import annotations

import asyncio
from typing import Literal, NamedTuple, Protocol

from voice_host.settings import AgentSettings
from voice_host.supervisor.hang_detector import HangDetector, check_interval_s
from voice_host.supervisor.vitals import cpu_wait_s, own_memory_bytes, vitals

MB = 1024 * 1024

LOOK_CLOSELY_EVERY = 10
"""Checks after which a worker's own memory is read, although its RSS has not grown: memory that was shared with the
zygote may have become its own."""


class Ending(NamedTuple):
    """Why a worker ended, although it should not have.

    Attributes:
        reason: for metrics. `exit` and `signal`: by itself; the others: the front has ended it.
        words: for operators.
        where: the lines of the agent's code, if known.
    """

    reason: Literal["exit", "signal", "start", "hang", "memory", "channel", "stop"]
    words: str
    where: str | None = None

    @property
    def log_fields(self) -> dict[str, str]:
        """The fields of a log line about it."""
        found = {"reason": self.reason, "error": self.words, "where": self.where}
        return {name: text for name, text in found.items() if text}


class Watched(Protocol):
    """What is needed of a worker to watch it."""

    @property
    def pid(self) -> int:
        """Its process id."""

    @property
    def answers(self) -> bool | None:
        """Whether it has answered the last ping; None: it owes no answer, since it is still starting."""

    @property
    def should_have_left(self) -> bool:
        """Whether nothing keeps it any more."""

    def ping(self) -> None:
        """Ask it for an answer."""

    def end(self, ending: Ending, *, with_stack: bool = False) -> None:
        """End it. `with_stack`: let it write a stack trace first."""


async def watch(worker: Watched, own: AgentSettings, leave_timeout_s: float) -> None:
    """Watch a worker until it is ended, or until this is cancelled.

    Args:
        worker: the worker.
        own: its agent's settings, with the limits.
        leave_timeout_s: how long it may stay when nothing keeps it.
    """
    loop = asyncio.get_running_loop()
    interval_s = check_interval_s(own.hang_s)
    hang = HangDetector(own.hang_s, loop.time())
    memory = _MemoryLimit(own.memory_mb)
    left_over_s = 0.0
    while True:
        await asyncio.sleep(interval_s)
        left_over_s = left_over_s + interval_s if worker.should_have_left else 0.0
        ending = _hangs(worker, hang, loop.time()) or memory.check(worker)
        if ending is None and left_over_s > leave_timeout_s:
            ending = Ending("stop", f"it did not leave within {leave_timeout_s:g} s")
        if ending is not None:
            worker.end(ending, with_stack=ending.reason in ("hang", "stop"))
            return


def _hangs(worker: Watched, hang: HangDetector, now_s: float) -> Ending | None:
    match worker.answers:
        case None:
            hang.skip(now_s)
        case True:
            hang.skip(now_s)
            worker.ping()
        case False:
            if hang.check(now_s, cpu_wait_s(worker.pid)):
                return Ending("hang", f"its event loop did not answer for {hang.hang_s:g} s")
    return None


class _MemoryLimit:
    """Compares a worker's own memory with its limit. RSS, which is cheap to read, includes what the zygote shares.

    Where its own memory cannot be read, because the front is not run by root, that is what its RSS has grown by.
    """

    def __init__(self, memory_mb: int | None) -> None:
        self._memory_mb = memory_mb
        self._first_bytes: int | None = None
        self._seen_bytes = 0
        self._checks = 0

    def check(self, worker: Watched) -> Ending | None:
        if self._memory_mb is None:
            return None
        self._checks += 1
        if (seen := vitals(worker.pid)) is None:
            return None
        if self._first_bytes is None:
            self._first_bytes = seen.rss_bytes
        if seen.rss_bytes <= self._memory_mb * MB:
            return None
        if seen.rss_bytes <= self._seen_bytes and self._checks % LOOK_CLOSELY_EVERY:
            return None
        self._seen_bytes = seen.rss_bytes
        if (own := own_memory_bytes(worker.pid)) is None:  # only root may read it of another process like this
            own = seen.rss_bytes - self._first_bytes
        if own <= self._memory_mb * MB:
            return None
        return Ending("memory", f"it used {own // MB} MB of memory, and memory_mb is {self._memory_mb}")
