"""`WorkerAgents`: agents in worker processes, as an `AgentService` and a `ReleaseFleet`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from types import MappingProxyType

from voice_host.admission import Lease
from voice_host.auth.principal import key_of
from voice_host.clients.close_codes import CloseCode
from voice_host.clients.protocol import Opening
from voice_host.clients.transport import CannotHandOver, ConnectionLost
from voice_host.clients.transport.connection import ClientConnection
from voice_host.fleet.installed import allowed_agents, installed_release
from voice_host.fleet.report import AgentReport, ReleaseReport, report_of
from voice_host.fleet.service import CannotServe, FleetReport, RequiredAgentBroken, State
from voice_host.observability.figures import Figures
from voice_host.observability.logs import get_logger
from voice_host.plugins import HOST_EXTENSION, BrokenAgent, DiscoveredAgent, Extensions, Phase, disabled
from voice_host.releases.release import PRODUCTION, Release, Routing
from voice_host.sessions.observers import Observers
from voice_host.sessions.refusals import ShuttingDown, report_refusal
from voice_host.settings import Settings
from voice_host.settings.transfer import settings_to_send
from voice_host.supervisor.environment import keys_for
from voice_host.supervisor.group import Group
from voice_host.supervisor.observed import pass_on
from voice_host.supervisor.output import LineLimit
from voice_host.supervisor.release_fleet import ReleaseFailed
from voice_host.supervisor.sessions import Entry, SessionTable
from voice_host.supervisor.spawn import CannotSpawn, Spawner, WorkerProcess
from voice_host.supervisor.speech_process import SpeechProcess
from voice_host.supervisor.traffic import release_for
from voice_host.supervisor.vitals import own_memory_bytes, vitals
from voice_host.supervisor.worker import Worker, describe_exit
from voice_host.workers.messages import Observed, Order
from voice_host_sdk import Caller

log = get_logger(__name__)

STARTS_AT_ONCE = max(2, os.cpu_count() or 2)
"""Workers that start at the same time. More would only share the cores, and each takes memory while it imports."""

IMPORT_TIMEOUT_S = 60.0
"""Time limit for a worker's process and the import of its agent, in addition to that of `on_startup`."""

LEAVE_TIMEOUT_S = 5.0
"""How long a worker may take to leave after its calls and callbacks are over, before it is killed."""

_Key = tuple[str, str, str]
"""Agent, release, alias."""


def build(settings: Settings, extensions: Extensions, *, observers: Observers, strict: bool = False) -> WorkerAgents:
    """Return the installed and allowed agents, each to run in worker processes. Runs none of their code.

    Args:
        settings: the platform's settings.
        extensions: those whose speech services the workers load, too.
        observers: notified of every session.
        strict: whether every broken agent prevents the start, not only a required one.

    Raises:
        CannotServe: an agent that is required or selected is not installed or not allowed.
    """
    agents, why_empty = allowed_agents(settings)
    return WorkerAgents(settings, extensions, agents, why_empty, observers=observers, strict=strict)


class WorkerAgents:
    """An `AgentService` and `ReleaseFleet` for agents in worker processes. Created by `build`.

    It is also the `WorkerEvents` of its workers.
    """

    def __init__(
        self,
        settings: Settings,
        extensions: Extensions,
        agents: Sequence[DiscoveredAgent | BrokenAgent],
        why_empty: str | None = None,
        *,
        observers: Observers,
        strict: bool = False,
    ) -> None:
        self.figures = Figures()
        self._settings = settings
        self._agents = agents
        self._why_empty = why_empty
        self._observers = observers
        self._strict = strict
        self._speech_extensions = tuple(
            each.id
            for each in extensions.loaded
            if each.id != HOST_EXTENSION and (each.speech_to_text or each.text_to_speech)
        )
        self._has_observers = any(each.observer is not None for each in extensions.loaded)
        self._spawner = Spawner()
        self._speech = SpeechProcess(settings.server)
        self._starting = asyncio.Semaphore(STARTS_AT_ONCE)
        self._line_limits: dict[str, LineLimit] = {}
        self._groups: dict[_Key, Group] = {}
        self._routing: dict[str, Routing] = {}
        self._base: dict[str, AgentReport] = {}  # without the releases
        self._reports: dict[str, AgentReport] = {}
        self._state: State = "starting"
        self._sessions: SessionTable | None = None

    # --- start and stop -----------------------------------------------------------------------------------------------

    async def start(self) -> None:
        self._sessions = SessionTable(self._settings.sessions.resume_grace_s, asyncio.get_running_loop().time)
        for agent in self._agents:
            self._base[agent.id] = self._reports[agent.id] = report_of(self._unable(agent) or agent, self._settings)
        able = [agent for agent in self._agents if isinstance(agent, DiscoveredAgent) and not self._unable(agent)]
        try:
            if able:
                await self._spawner.start()
                await self._speech.open()
        except CannotSpawn as error:
            hint = 'see the errors above; [agents] isolation = "none" runs all agents in one process'
            raise CannotServe(f"no worker process can be started: {error}", hint) from error
        async with asyncio.TaskGroup() as tasks:
            for agent in able:
                tasks.create_task(self._start(installed_release(agent)))
        for report in self._reports.values():
            if (report.required and report.status != "ready") or (report.status == "broken" and self._strict):
                raise RequiredAgentBroken(report)
        self._state = "ready"

    def _unable(self, agent: DiscoveredAgent | BrokenAgent) -> BrokenAgent | None:
        """Return why an agent has no workers, as its metadata and settings tell; None: it has."""
        return agent if isinstance(agent, BrokenAgent) else disabled(agent, self._settings)

    async def _start(self, release: Release) -> None:
        """Start an installed agent, and send it all calls. It is broken if that fails."""
        with suppress(ReleaseFailed):
            await self.launch(release)
            self.route(release.agent_id, Routing(traffic={release.name: 100}))

    async def drain(self, timeout_s: float = 0) -> None:
        if self._state in ("draining", "stopped"):
            return
        self._state = "draining"
        workers = list(self._workers())
        for worker in workers:
            worker.drain(timeout_s)
        await self._ended(workers, timeout_s + 2 * self._settings.server.stop_timeout_s + LEAVE_TIMEOUT_S)

    def hurry(self) -> None:
        for worker in self._workers():
            worker.hurry()

    async def stop(self) -> None:
        if self._state == "stopped":
            return
        await self.drain()
        self._state = "stopped"
        await self._ended(list(self._workers()), 0)
        await self._spawner.aclose()
        await self._speech.aclose()

    async def _ended(self, workers: Sequence[Worker], timeout_s: float) -> None:
        """Wait until workers have left; kill those that do not in time."""
        if not workers:
            return
        exits = [worker.process.exited for worker in workers]
        await asyncio.wait(exits, timeout=timeout_s)
        for worker in workers:
            if not worker.process.exited.done():
                log.warning("worker_killed", **worker.log_fields)
                worker.kill()
        await asyncio.wait(exits, timeout=LEAVE_TIMEOUT_S)

    # --- status -------------------------------------------------------------------------------------------------------

    @property
    def report(self) -> FleetReport:
        return FleetReport(self._state, MappingProxyType(self._reports), self._why_empty)

    @property
    def connected(self) -> int:
        return sum(len(worker.calls) for worker in self._workers())

    async def measure(self) -> None:
        workers = list(self._workers())
        found = await asyncio.to_thread(_measured, [worker.process.pid for worker in workers])
        for worker in workers:
            if worker.status != "ended" and worker.process.pid in found:
                worker.measured(*found[worker.process.pid])
        for agent_id in {worker.agent_id for worker in workers} & self._base.keys():
            self._refresh(agent_id)

    def _workers(self) -> Iterator[Worker]:
        for group in self._groups.values():
            yield from group.workers
            yield from group.retiring

    def _groups_of(self, agent_id: str) -> list[Group]:
        return [group for key, group in self._groups.items() if key[0] == agent_id]

    def _refresh(self, agent_id: str) -> None:
        """Update the report of an agent: that of the release with most traffic, with all releases."""
        routing = self._routing.get(agent_id, Routing())
        groups = self._groups_of(agent_id)
        most = max(groups, key=lambda group: _share(group, routing), default=None)
        base = (most and most.report) or self._base[agent_id]
        releases = [_release_report(name, groups, routing) for name in dict.fromkeys(g.release.name for g in groups)]
        required = agent_id in self._settings.agents.required
        self._reports[agent_id] = base.model_copy(update={"releases": tuple(releases), "required": required})

    # --- calls --------------------------------------------------------------------------------------------------------

    async def check_resume(self, agent_id: str, token: str, caller: Caller | None) -> None:
        if self._state != "ready":
            raise ShuttingDown("the server is shutting down")
        self._table.opened_by(agent_id, token, caller)

    async def take(self, connection: ClientConnection, lease: Lease, opening: Opening) -> None:
        entry = self._table.get(lease.session_id) if opening.resume_token is not None else None
        worker = self._worker_for(lease, entry)
        if worker is None:
            await _refuse(connection, lease, CloseCode.COME_BACK, "the agent is being restarted: call again")
            return
        try:
            accepted = connection.hand_over()
        except ConnectionLost:
            return
        except CannotHandOver as error:
            log.error("call_not_handed_over", agent_id=lease.agent_id, error=str(error))
            await _refuse(connection, lease, CloseCode.INTERNAL_ERROR, "the server cannot take this call")
            return
        with accepted.socket:
            call = worker.take(accepted, lease, opening.metadata, self._table.restorable(lease.session_id))
            if call is not None:
                await call.over

    def _worker_for(self, lease: Lease, entry: Entry | None) -> Worker | None:
        """Return the worker that has a session, or the one that begins or restores it; None: none takes calls."""
        if entry is not None and entry.worker is not None:
            return entry.worker if entry.worker.takes_calls else None
        routing = self._routing.get(lease.agent_id, Routing())
        if (chosen := release_for(lease, routing)) is None:
            return None
        group = self._groups.get((lease.agent_id, *chosen))
        return None if group is None else group.least_loaded()

    def revoke(self, key_ids: Collection[str]) -> None:
        for worker in self._table.workers_of(lambda caller: key_of(caller) in key_ids):
            worker.revoke(tuple(key_ids))

    @property
    def _table(self) -> SessionTable:
        assert self._sessions is not None, "the service was not started"
        return self._sessions

    # --- ReleaseFleet -------------------------------------------------------------------------------------------------

    async def launch(self, release: Release, alias: str = PRODUCTION) -> AgentReport:
        """Start the workers of a release: see `ReleaseFleet`."""
        own = self._settings.for_agent(release.agent_id)
        group = Group(release, alias, own.workers, self._start_worker)
        key = (release.agent_id, release.name, alias)
        try:
            report = await group.start()
        except ReleaseFailed as failed:
            if not self._groups_of(release.agent_id):
                self._base[release.agent_id] = self._reports[release.agent_id] = failed.report
            raise
        self._groups[key] = group
        self._base[release.agent_id] = report
        self._refresh(release.agent_id)
        return report

    async def _start_worker(self, release: Release, alias: str, number: int) -> Worker:
        async with self._starting:
            own = self._settings.for_agent(release.agent_id)
            try:
                process = await self._spawner.spawn(release, own)
            except CannotSpawn as error:
                found = DiscoveredAgent(
                    release.agent_id,
                    release.distribution,
                    release.version,
                    release.entry_point,
                    release.sdk_requirement,
                )
                raise ReleaseFailed(report_of(BrokenAgent(found, Phase.ALLOWED, str(error)), self._settings)) from error
            worker = self._worker(self._order(release, alias, number), process)
            report = await worker.started(IMPORT_TIMEOUT_S + self._settings.server.start_timeout_s)
        if report.status != "ready":
            raise ReleaseFailed(report)
        return worker

    def _worker(self, order: Order, process: WorkerProcess) -> Worker:
        agent_id = order.release.agent_id
        if agent_id not in self._line_limits:
            self._line_limits[agent_id] = LineLimit(agent_id)
        figures = self.figures.of_worker(agent_id, order.release.name)
        return Worker(order, process, self, figures, self._line_limits[agent_id])

    def _order(self, release: Release, alias: str, number: int) -> Order:
        agent_id = release.agent_id
        return Order(
            release=release,
            alias=alias,
            number=number,
            settings=settings_to_send(self._settings, agent_id, self._speech_extensions),
            keys=keys_for(self._settings, agent_id),
            observed=self._has_observers,
            speech_socket=self._speech.socket_path,
            speech_key=self._speech.key_for(agent_id),
        )

    def route(self, agent_id: str, routing: Routing) -> None:
        """Send new calls of an agent by a new routing: see `ReleaseFleet`."""
        self._routing[agent_id] = routing
        self._refresh(agent_id)

    async def retire(self, agent_id: str, name: str, alias: str = PRODUCTION) -> None:
        """Let a group finish its calls: see `ReleaseFleet`."""
        group = self._groups[agent_id, name, alias]
        group.retire()
        self._refresh(agent_id)
        await group.ended()

    async def restart(self, agent_id: str) -> None:
        """Replace all workers of an agent: see `ReleaseFleet`."""
        if agent_id not in self._reports:
            raise KeyError(agent_id)
        for group in self._groups_of(agent_id):
            fresh = Group(group.release, group.alias, group.size, self._start_worker)
            await fresh.start()
            group.retire()
            group.workers = fresh.workers
        if not self._groups_of(agent_id):
            release = self._installed(agent_id)
            await self.launch(release)
            self._routing.setdefault(agent_id, Routing(traffic={release.name: 100}))
        self._refresh(agent_id)

    def _installed(self, agent_id: str) -> Release:
        found = next(agent for agent in self._agents if agent.id == agent_id)
        if isinstance(found, BrokenAgent):
            raise ReleaseFailed(self._reports[agent_id])
        return installed_release(found)

    async def reload(self, settings: Settings) -> None:
        """Use new settings: see `ReleaseFleet`."""
        before, self._settings = self._settings, settings
        failures = []
        for agent_id in list(self._reports):
            if _sent(before, agent_id) == _sent(settings, agent_id):
                continue
            try:
                await self.restart(agent_id)
            except ReleaseFailed as failed:
                failures.append(failed)
        if failures:
            raise failures[0]

    # --- WorkerEvents -------------------------------------------------------------------------------------------------

    def session_connected(self, worker: Worker, lease: Lease, digest: str | None) -> None:
        self._table.connected(worker, lease, digest)

    def checkpoint(self, worker: Worker, session_id: str, state: bytes) -> None:
        self._table.checkpoint(worker, session_id, state)

    def session_over(self, worker: Worker, session_id: str) -> None:
        self._table.end(session_id, worker)
        self._refresh(worker.agent_id)

    def observed(self, worker: Worker, message: Observed) -> None:
        pass_on(message, worker.agent_id, self._observers)

    def changed(self, worker: Worker) -> None:
        if worker.agent_id in self._base:
            self._refresh(worker.agent_id)

    def ended(self, worker: Worker, code: int) -> None:
        self._table.worker_lost(worker)
        key = (worker.agent_id, worker.order.release.name, worker.order.alias)
        if (group := self._groups.get(key)) is None:
            return
        if group.remove(worker) and self._state in ("starting", "ready"):
            log.error("worker_ended", **worker.log_fields, how=describe_exit(code))
        if group.is_empty:
            del self._groups[key]
        self._refresh(worker.agent_id)


async def _refuse(connection: ClientConnection, lease: Lease, code: CloseCode, reason: str) -> None:
    """Accept a connection that no worker takes, and close it with a code, which a browser could not see otherwise."""
    report_refusal(lease.agent_id, code, reason)
    await connection.accept()
    await connection.close(code, reason)


def _measured(pids: Collection[int]) -> dict[int, tuple[float, int]]:
    """Return the CPU time in seconds and the memory in bytes of processes. Takes some 0.3 ms for each."""
    found = {}
    for pid in pids:
        if (of_process := vitals(pid)) is not None:
            memory_bytes = own_memory_bytes(pid)
            found[pid] = of_process.cpu_s, of_process.rss_bytes if memory_bytes is None else memory_bytes
    return found


def _share(group: Group, routing: Routing) -> int:
    return routing.traffic.get(group.release.name, 0) if group.alias == PRODUCTION else -1


def _release_report(name: str, groups: Sequence[Group], routing: Routing) -> ReleaseReport:
    mine = [group for group in groups if group.release.name == name]
    workers = [worker for group in mine for worker in (*group.workers, *group.retiring)]
    ready = any(worker.status == "ready" for worker in workers)
    release = mine[0].release
    return ReleaseReport(
        name=name,
        version=release.version,
        traffic=routing.traffic.get(name, 0),
        aliases=tuple(alias for alias, target in routing.aliases.items() if target == name),
        own_environment=release.created is not None,
        status="ready" if ready else "retiring",
        restarts=sum(group.restarts for group in mine),
        workers=tuple(worker.worker_report() for worker in workers),
    )


def _sent(settings: Settings, agent_id: str) -> object:
    return settings_to_send(settings, agent_id), keys_for(settings, agent_id)
