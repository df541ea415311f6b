"""The workers that run one release with the settings of one alias."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from voice_host.fleet.report import AgentReport
from voice_host.releases.release import Release
from voice_host.supervisor.release_fleet import ReleaseFailed
from voice_host.supervisor.worker import Worker

Start = Callable[[Release, str, int], Awaitable[Worker]]
"""Starts a worker of a release and an alias, with its number. Returns once its agent has started; raises
`ReleaseFailed`."""


class Group:
    """The workers of a release and an alias. Belongs to one event loop.

    Args:
        release: what they run.
        alias: whose settings they have.
        size: how many there are.
        start: starts one.

    Attributes:
        release, alias, size: see above.
        workers: those that take new calls.
        retiring: those that only finish their calls.
        restarts: workers that were started again because they ended.
    """

    def __init__(self, release: Release, alias: str, size: int, start: Start) -> None:
        self.release = release
        self.alias = alias
        self.size = size
        self.workers: list[Worker] = []
        self.retiring: list[Worker] = []
        self.restarts = 0
        self._start = start

    @property
    def is_empty(self) -> bool:
        """Whether no process is left."""
        return not self.workers and not self.retiring

    @property
    def report(self) -> AgentReport | None:
        """The report of the agent; None: no worker has started."""
        return next((worker.report for worker in self.workers if worker.report is not None), None)

    async def start(self) -> AgentReport:
        """Start all workers: first one, since a broken agent is broken in each.

        Raises:
            ReleaseFailed: it is broken. No worker is left.
        """
        first = await self._start(self.release, self.alias, 1)
        started = [first]
        try:
            async with asyncio.TaskGroup() as tasks:
                others = [tasks.create_task(self._begin(number)) for number in range(2, self.size + 1)]
            started += [task.result() for task in others]
        except* ReleaseFailed as failed:
            first.kill()
            raise failed.exceptions[0] from None
        self.workers += started
        assert first.report is not None
        return first.report

    async def _begin(self, number: int) -> Worker:
        return await self._start(self.release, self.alias, number)

    def least_loaded(self) -> Worker | None:
        """Return the worker for a new call; None: none takes calls."""
        ready = [worker for worker in self.workers if worker.status == "ready" and worker.takes_calls]
        return min(ready, key=lambda worker: len(worker.calls), default=None)

    def retire(self) -> None:
        """Let all workers end with their last sessions."""
        for worker in self.workers:
            worker.retire()
        self.retiring += self.workers
        self.workers = []

    def remove(self, worker: Worker) -> bool:
        """Forget a worker that has ended. Returns whether it still should take calls."""
        if worker in self.workers:
            self.workers.remove(worker)
            return True
        if worker in self.retiring:
            self.retiring.remove(worker)
        return False

    async def ended(self) -> None:
        """Wait until no worker is left."""
        while workers := [*self.workers, *self.retiring]:
            await asyncio.wait([worker.process.exited for worker in workers])
            await asyncio.sleep(0)
