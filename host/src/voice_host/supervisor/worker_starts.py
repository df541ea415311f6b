"""`WorkerStarts`: starts single workers, each with an order of what its agent gets."""

from __future__ import annotations

import asyncio
import os

from voice_host.observability.figures import Figures
from voice_host.plugins import Extensions
from voice_host.releases.release import PRODUCTION, Release
from voice_host.settings import Settings
from voice_host.settings.transfer import settings_to_send
from voice_host.supervisor.confinement import confinement_of
from voice_host.supervisor.environment import keys_for, variables_for, with_hint
from voice_host.supervisor.output import LineLimit
from voice_host.supervisor.release_fleet import ReleaseFailed, not_spawned, require_environment
from voice_host.supervisor.spawn import CannotSpawn, Spawner, WorkerProcess
from voice_host.supervisor.speech_process import SpeechProcess
from voice_host.supervisor.worker import Worker, WorkerEvents
from voice_host.workers.confinement import CannotConfine
from voice_host.workers.messages import Order

STARTS_AT_ONCE = max(2, os.cpu_count() or 2)
"""Workers that start at the same time. More would only share the cores, and each takes memory while it imports."""

IMPORT_TIMEOUT_S = 60.0
"""Time limit for a worker's process and the import of its agent, in addition to that of `on_startup`."""

LEAVE_TIMEOUT_S = 5.0
"""How long a worker may take to leave after its calls and callbacks are over, before it is killed."""


class WorkerStarts:
    """Starts workers, a few at a time, and owns what they share: the zygote and the speech process.

    Args:
        settings: the platform's settings.
        extensions: those whose speech services the workers load, too.
        events: is told what the workers report.
        figures: adds up what they count.

    Attributes:
        settings: those that the next worker gets.
    """

    def __init__(self, settings: Settings, extensions: Extensions, events: WorkerEvents, figures: Figures) -> None:
        self.settings = settings
        self._events = events
        self._figures = figures
        self._speech_extensions = tuple(each.id for each in extensions.with_speech)
        self._has_observers = bool(extensions.observers)
        self._spawner = Spawner()
        self._speech = SpeechProcess(settings.server)
        self._starting = asyncio.Semaphore(STARTS_AT_ONCE)
        self._line_limits: dict[str, LineLimit] = {}

    async def open(self, *, zygote: bool) -> None:
        """Get ready to start workers. `zygote`: whether some of them will be forked soon.

        Raises:
            CannotSpawn: no worker can be started.
        """
        if zygote:
            await self._spawner.start()
        await self._speech.open()

    async def aclose(self) -> None:
        """End the zygote and the speech process. Workers go on, and end by themselves."""
        await self._spawner.aclose()
        await self._speech.aclose()

    @property
    def leave_timeout_s(self) -> float:
        """How long workers may take to leave once their calls end: closing them, `on_shutdown`, and some more."""
        return 2 * self.settings.server.stop_timeout_s + LEAVE_TIMEOUT_S

    async def start(self, release: Release, alias: str, number: int) -> Worker:
        """Start a worker, and wait until it takes calls.

        Raises:
            ReleaseFailed: it does not start, or its agent is broken.
        """
        async with self._starting:
            own = self.settings.for_agent(release.agent_id)
            order = self.order(release, alias, number)
            await asyncio.to_thread(require_environment, release, self.settings)
            try:
                process = await self._spawner.spawn(release.python, own.launcher, order.confinement)
            except CannotSpawn as error:
                raise not_spawned(release, error, self.settings) from error
            worker = self._worker(order, process)
            try:
                report = await worker.started(IMPORT_TIMEOUT_S + self.settings.server.start_timeout_s)
            except asyncio.CancelledError:
                worker.kill()
                raise
        if report.status != "ready":
            raise ReleaseFailed(with_hint(report, order.variables))
        return worker

    def _worker(self, order: Order, process: WorkerProcess) -> Worker:
        agent_id = order.release.agent_id
        limit = self._line_limits.setdefault(agent_id, LineLimit(agent_id))
        figures = self._figures.of_worker(agent_id, order.release.name)
        own = self.settings.for_agent(agent_id)
        return Worker(order, process, self._events, figures, limit, own, self.leave_timeout_s)

    def order(self, release: Release, alias: str = PRODUCTION, number: int = 1) -> Order:
        """Return what a worker is given: what its agent gets under an alias. Raises `ReleaseFailed` if it cannot be."""
        agent_id = release.agent_id
        settings = self.settings.under(agent_id, alias)
        try:
            wanted, variables = confinement_of(settings, release)
        except CannotConfine as error:
            raise not_spawned(release, error, self.settings) from error
        return Order(
            release=release,
            alias=alias,
            number=number,
            settings=settings_to_send(settings, agent_id, self._speech_extensions),
            keys=keys_for(settings, agent_id),
            variables=variables_for(settings, agent_id) | variables,
            confinement=wanted,
            observed=self._has_observers,
            speech_socket=self._speech.socket_path,
            speech_key=self._speech.key_for(agent_id),
        )
