"""The workers that run one release with the settings of one alias."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from voice_host.backoff import backoff_s
from voice_host.fleet.report import AgentReport
from voice_host.observability.logs import get_logger
from voice_host.plugins import Phase
from voice_host.releases.release import Release
from voice_host.supervisor.release_fleet import ReleaseFailed
from voice_host.supervisor.restart_policy import RestartLimits, RestartPolicy
from voice_host.supervisor.spawn import CannotSpawn
from voice_host.supervisor.worker import Worker
from voice_host.tasks import in_background

log = get_logger(__name__)

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
        changed: called when a worker was started again, or the group has given up.
        limits: how persistently workers that ended are started again.

    Attributes:
        release, alias, size: see above.
        workers: those that take new calls.
        retiring: those that only finish their calls.
        restarts: workers that were started again because they ended.
        broken: why the group has given up; None: it has not.
    """

    def __init__(
        self,
        release: Release,
        alias: str,
        size: int,
        start: Start,
        changed: Callable[[], None],
        limits: RestartLimits,
    ) -> None:
        self.release = release
        self.alias = alias
        self.size = size
        self.workers: list[Worker] = []
        self.retiring: list[Worker] = []
        self.restarts = 0
        self.broken: AgentReport | None = None
        self._start = start
        self._changed = changed
        self._limits = limits
        self._policy = RestartPolicy(size, limits)
        self._restarting: dict[int, asyncio.Task[None]] = {}
        self._report: AgentReport | None = None

    @property
    def is_empty(self) -> bool:
        """Whether no process is left, and none is to be started."""
        return not (self.workers or self.retiring or self._restarting or self.broken)

    @property
    def restarting(self) -> tuple[int, ...]:
        """The numbers of the workers that ended and are started again, at once or after a while."""
        return tuple(self._restarting)

    @property
    def report(self) -> AgentReport | None:
        """The report of the agent; None: no worker has started."""
        found = (worker.report for worker in self.workers if worker.report is not None)
        self._report = next(found, self._report)
        return self.broken or self._report

    # --- start ------------------------------------------------------------------------------------------------------

    async def start(self) -> AgentReport:
        """Start all workers: first one, since a broken agent is broken in each.

        Raises:
            ReleaseFailed: it is broken. No worker is left.
        """
        started = await self._start_all()
        self.workers += started
        assert self.report is not None
        return self.report

    async def _start_all(self) -> list[Worker]:
        first = await self._begin(1)
        started = [first]
        try:
            async with asyncio.TaskGroup() as tasks:
                others = [tasks.create_task(self._begin(number)) for number in range(2, self.size + 1)]
            started += [task.result() for task in others]
        except* ReleaseFailed as failed:
            first.kill()
            raise failed.exceptions[0] from None
        return started

    async def _begin(self, number: int) -> Worker:
        return await self._start(self.release, self.alias, number)

    async def renew(self) -> None:
        """Replace all workers by new ones, also if the group has given up. The old ones finish their calls.

        Raises:
            ReleaseFailed: the new ones do not start. Nothing has changed.
        """
        fresh = await self._start_all()
        self.retire()
        self.workers = fresh
        self.broken = None
        self._policy.reset()

    def least_loaded(self) -> Worker | None:
        """Return the worker for a new call; None: none takes calls."""
        ready = [worker for worker in self.workers if worker.status == "ready" and worker.takes_calls]
        return min(ready, key=lambda worker: len(worker.table.calls), default=None)

    # --- workers that ended -----------------------------------------------------------------------------------------

    def restart(self, number: int, error: str, where: str | None) -> None:
        """Start a worker again that has ended, after a while, or give up.

        Args:
            number: of the worker.
            error: why it ended.
            where: the line of the agent's code, if known.
        """
        restart = in_background(self._restart(number, error, where), "restart-worker", of=self.release.agent_id)
        self._restarting[number] = restart

    async def _restart(self, number: int, error: str, where: str | None) -> None:
        loop = asyncio.get_running_loop()
        while (wait_s := self._policy.failed(loop.time())) is not None:
            await asyncio.sleep(wait_s)
            try:
                worker = await self._spawned(number)
            except ReleaseFailed as failed:
                error, where = failed.report.error or "", failed.report.where
                log.error("worker_not_started", **self._of(number), error=error)
                continue
            del self._restarting[number]
            self.restarts += 1
            self.workers.append(worker)
            log.info("worker_restarted", **self._of(number), pid=worker.pid)
            self._changed()
            return
        del self._restarting[number]
        self._give_up(error, where)

    async def _spawned(self, number: int) -> Worker:
        """Start a worker. That the machine has no process or memory for it is no failure of the agent: try again."""
        failures = 0
        while True:
            try:
                return await self._begin(number)
            except ReleaseFailed as failed:
                if not isinstance(failed.__cause__, CannotSpawn):
                    raise
                failures += 1
                log.error("worker_not_started", **self._of(number), error=failed.report.error)
            await asyncio.sleep(backoff_s(failures, first_s=self._limits.first_s, max_s=self._limits.max_s))

    def _of(self, number: int) -> dict[str, str | int]:
        return {"agent_id": self.release.agent_id, "release": self.release.name, "worker": number}

    def _give_up(self, error: str, where: str | None) -> None:
        """Be broken: start no worker again, and let those that there are finish their calls."""
        times, minutes = self._policy.failures, self._limits.window_s / 60
        assert self._report is not None
        self.broken = self._report.model_copy(
            update={
                "status": "broken",
                "phase": Phase.STARTED,
                "error": f"its worker processes failed {times} times within {minutes:g} min; the last one: {error}",
                "hint": f"`voice-host logs {self.release.agent_id}` shows more; "
                f"`voice-host restart {self.release.agent_id}` tries again",
                "where": where,
                "examples": None,
                "providers": None,
                "speech_problem": None,
                "speech_notices": None,
            }
        )
        self._let_go()
        self._changed()

    # --- end --------------------------------------------------------------------------------------------------------

    def retire(self) -> None:
        """Let all workers end with their last sessions, and start none again. It is not reported as broken any more."""
        self.broken = None
        self._let_go()

    def _let_go(self) -> None:
        self.stop_restarting()
        for worker in self.workers:
            worker.retire()
        self.retiring += self.workers
        self.workers = []

    def stop_restarting(self) -> None:
        """Start no worker again."""
        for restart in self._restarting.values():
            restart.cancel()
        self._restarting.clear()

    def remove(self, worker: Worker) -> bool:
        """Forget a worker that has ended. Returns whether it still should take calls."""
        if worker in self.workers:
            self.workers.remove(worker)
            return True
        if worker in self.retiring:
            self.retiring.remove(worker)
        return False
