"""`WorkerAgents`: agents in worker processes, as an `AgentService` and a `ReleaseFleet`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType

from voice_host.admission import Lease
from voice_host.auth.principal import key_of
from voice_host.clients.call_control import CallControl
from voice_host.clients.protocol import Opening
from voice_host.clients.transport.connection import ClientConnection
from voice_host.fleet.installed import allowed_agents, installed_release
from voice_host.fleet.report import AgentReport, report_of
from voice_host.fleet.service import CannotServe, FleetReport, RequiredAgentBroken, State, log_report
from voice_host.observability import metrics
from voice_host.observability.figures import Figures
from voice_host.observability.logs import get_logger
from voice_host.plugins import BrokenAgent, DiscoveredAgent, Extensions, disabled
from voice_host.releases.release import PRODUCTION, Release, Routing
from voice_host.sessions.checkpoint import Checkpoint
from voice_host.sessions.observers import Observers
from voice_host.sessions.refusals import ShuttingDown
from voice_host.settings import Settings
from voice_host.supervisor.calls import WorkerCalls
from voice_host.supervisor.group import Group
from voice_host.supervisor.observed import pass_on
from voice_host.supervisor.release_fleet import ReleaseFailed
from voice_host.supervisor.release_report import release_report, share
from voice_host.supervisor.restart_policy import RestartLimits
from voice_host.supervisor.sessions import SessionTable
from voice_host.supervisor.spawn import CannotSpawn
from voice_host.supervisor.traffic import release_for
from voice_host.supervisor.vitals import measured
from voice_host.supervisor.watch import Ending
from voice_host.supervisor.worker import Worker
from voice_host.supervisor.worker_starts import LEAVE_TIMEOUT_S, WorkerStarts
from voice_host.workers.messages import Observed, Order
from voice_host_sdk import CallAnswer, Caller

log = get_logger(__name__)

StartReleases = Callable[[Mapping[str, Release]], Awaitable[None]]
"""Starts all releases that get calls, and routes the calls, given the installed releases by agent."""

_Key = tuple[str, str, str]
"""Agent, release, alias."""


def build(
    settings: Settings,
    extensions: Extensions,
    *,
    observers: Observers,
    strict: bool = False,
    restarts: RestartLimits = RestartLimits(),  # noqa: B008 - it is frozen
    deployed: Collection[str] = (),
) -> WorkerAgents:
    """Return the installed and allowed agents, each to run in worker processes. Runs none of their code.

    Args:
        settings: the platform's settings.
        extensions: those whose speech services the workers load, too.
        observers: notified of every session.
        strict: whether every broken agent prevents the start, not only a required one.
        restarts: how persistently workers that ended are started again.
        deployed: the agents of which releases are deployed.

    Raises:
        CannotServe: an agent that is required or selected is not installed or not allowed.
    """
    agents, why_empty = allowed_agents(settings, deployed)
    return WorkerAgents(settings, extensions, agents, why_empty, observers=observers, strict=strict, restarts=restarts)


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
        restarts: RestartLimits = RestartLimits(),  # noqa: B008 - it is frozen
    ) -> None:
        self.figures = Figures()
        self._restarts = restarts
        self._agents = agents
        self._why_empty = why_empty
        self._observers = observers
        self._strict = strict
        self._starts = WorkerStarts(settings, extensions, self, self.figures)
        self._groups: dict[_Key, Group] = {}
        self._routing: dict[str, Routing] = {}
        self._base: dict[str, AgentReport] = {}  # without the releases
        self._reports: dict[str, AgentReport] = {}
        self._changed: set[str] = set()  # agents whose calls have changed since their report
        self._state: State = "starting"
        self._calls = WorkerCalls(self)
        self._sessions: SessionTable | None = None
        self.start_releases: StartReleases = self._start_installed
        self.start_again: Callable[[str], Awaitable[None]] = self._start_installed_again

    @property
    def _settings(self) -> Settings:
        return self._starts.settings

    # --- start and stop -----------------------------------------------------------------------------------------------

    async def start(self) -> None:
        self._sessions = SessionTable(self._settings.sessions.resume_grace_s, self._calls.end_lost)
        for agent in self._agents:
            self._base[agent.id] = self._reports[agent.id] = report_of(self._unable(agent) or agent, self._settings)
        able = [agent for agent in self._agents if isinstance(agent, DiscoveredAgent) and not self._unable(agent)]
        try:
            await self._starts.open(zygote=bool(able))
        except CannotSpawn as error:
            hint = 'see the errors above; [agents] isolation = "none" runs all agents in one process'
            raise CannotServe(f"no worker process can be started: {error}", hint) from error
        await self.start_releases({agent.id: installed_release(agent) for agent in able})
        for report in self._reports.values():
            if (report.required and report.status != "ready") or (report.status == "broken" and self._strict):
                raise RequiredAgentBroken(report)
        self._state = "ready"

    def _unable(self, agent: DiscoveredAgent | BrokenAgent) -> BrokenAgent | None:
        """Return why an agent has no workers, as its metadata and settings tell; None: it has."""
        return agent if isinstance(agent, BrokenAgent) else disabled(agent, self._settings)

    async def _start_installed(self, releases: Mapping[str, Release]) -> None:
        async with asyncio.TaskGroup() as tasks:
            for release in releases.values():
                tasks.create_task(self._start(release))

    async def _start(self, release: Release) -> None:
        """Start an installed agent, and send it all calls. It is broken if that fails."""
        try:
            await self.launch(release)
        except ReleaseFailed as failed:
            self.report_broken(failed.report)
        else:
            self.route(release.agent_id, Routing(traffic={release.name: 100}))

    async def drain(self, timeout_s: float = 0) -> None:
        if self._state in ("draining", "stopped"):
            return
        self._state = "draining"
        for group in self._groups.values():
            group.stop_restarting()
        workers = list(self._workers())
        for worker in workers:
            worker.drain(timeout_s)
        await self._ended(workers, timeout_s + self._starts.leave_timeout_s)

    def hurry(self) -> None:
        for worker in self._workers():
            worker.hurry()

    async def stop(self) -> None:
        if self._state == "stopped":
            return
        await self.drain()
        self._state = "stopped"
        await self._ended(list(self._workers()), 0)
        await self._starts.aclose()

    async def _ended(self, workers: Sequence[Worker], timeout_s: float) -> None:
        """Wait until workers have left; kill those that do not in time."""
        if not workers:
            return
        exits = [worker.process.exited for worker in workers]
        await asyncio.wait(exits, timeout=timeout_s)
        for worker in workers:
            if not worker.process.exited.done():
                worker.end(Ending("stop", "it did not leave when the host stopped"), with_stack=True)
        await asyncio.wait(exits, timeout=LEAVE_TIMEOUT_S)

    # --- status -------------------------------------------------------------------------------------------------------

    @property
    def report(self) -> FleetReport:
        while self._changed:
            if (agent_id := self._changed.pop()) in self._base:
                self._refresh(agent_id)
        return FleetReport(self._state, MappingProxyType(self._reports), self._why_empty)

    @property
    def connected(self) -> int:
        return sum(len(worker.table.calls) for worker in self._workers())

    async def measure(self) -> None:
        workers = list(self._workers())
        found = await asyncio.to_thread(measured, [worker.process.pid for worker in workers])
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

    def _routed(self, agent_id: str) -> list[Group]:
        """Return the groups to which calls are routed, without those that only finish their calls."""
        routed = self._routing.get(agent_id, Routing()).groups
        return [group for group in self._groups_of(agent_id) if (group.release.name, group.alias) in routed]

    def _refresh(self, agent_id: str) -> None:
        """Update the report of an agent: that of the release with most traffic, with all releases."""
        routing = self._routing.get(agent_id, Routing())
        groups = self._groups_of(agent_id)
        most = max(groups, key=lambda group: share(group, routing), default=None)
        base = (most and most.report) or self._base[agent_id]
        releases = [release_report(name, groups, routing) for name in dict.fromkeys(g.release.name for g in groups)]
        required = agent_id in self._settings.agents.required
        self._reports[agent_id] = base.model_copy(update={"releases": tuple(releases), "required": required})
        metrics.AGENT_BROKEN.labels(agent_id).set(base.status == "broken")
        self._calls.workers_changed()

    # --- calls --------------------------------------------------------------------------------------------------------

    async def check_resume(self, agent_id: str, token: str, caller: Caller | None) -> None:
        if self._state != "ready":
            raise ShuttingDown("the server is shutting down")
        self.table.opened_by(agent_id, token, caller)

    async def take(
        self, connection: ClientConnection, lease: Lease, opening: Opening, control: CallControl | None = None
    ) -> None:
        await self._calls.take(connection, lease, opening, control)

    def call_answered(self, session_id: str, answer: CallAnswer) -> None:
        self._calls.answered(session_id, answer)

    @property
    def serves(self) -> bool:
        """Whether calls are taken."""
        return self._state == "ready"

    def is_broken(self, agent_id: str) -> bool:
        """Whether an agent takes no calls until somebody restarts it."""
        return self._reports[agent_id].status == "broken"

    def group_for(self, lease: Lease, home: tuple[str, str] | None = None) -> Group | None:
        """Return the group that answers new calls of a lease, or restores its session; None: there is none."""
        chosen = release_for(lease, self._routing.get(lease.agent_id, Routing()), home)
        return None if chosen is None else self._groups.get((lease.agent_id, *chosen))

    def revoke(self, key_ids: Collection[str]) -> None:
        for worker in self.table.workers_of(lambda caller: key_of(caller) in key_ids):
            worker.revoke(tuple(key_ids))

    @property
    def table(self) -> SessionTable:
        """The sessions of all workers."""
        assert self._sessions is not None, "the service was not started"
        return self._sessions

    # --- ReleaseFleet -------------------------------------------------------------------------------------------------

    async def launch(self, release: Release, alias: str = PRODUCTION) -> AgentReport:
        """Start the workers of a release: see `ReleaseFleet`."""
        own = self._settings.for_agent(release.agent_id)
        changed = partial(self._group_changed, release.agent_id)
        group = Group(release, alias, own.workers, self._starts.start, changed, self._restarts)
        key = (release.agent_id, release.name, alias)
        report = await group.start()
        if (former := self._groups.get(key)) is not None:  # it still finishes its calls
            group.retiring += former.retiring
        self._groups[key] = group
        self._base[release.agent_id] = report
        self._refresh(release.agent_id)
        return report

    def order(self, release: Release, alias: str = PRODUCTION) -> Order:
        """Return what a worker of a release is given under an alias. Raises `ReleaseFailed` if it cannot be started."""
        return self._starts.order(release, alias)

    def _group_changed(self, agent_id: str) -> None:
        """A worker was started again, or a group has given up."""
        was = self._reports[agent_id].status
        self._refresh(agent_id)
        if self._reports[agent_id].status == "broken" != was:
            log_report(FleetReport(agents={agent_id: self._reports[agent_id]}))

    def route(self, agent_id: str, routing: Routing) -> None:
        """Send new calls of an agent by a new routing: see `ReleaseFleet`."""
        self._routing[agent_id] = routing
        self._refresh(agent_id)

    async def retire(self, agent_id: str, name: str, alias: str = PRODUCTION) -> None:
        """Let a group finish its calls: see `ReleaseFleet`."""
        if (group := self._groups.get((agent_id, name, alias))) is None:
            return  # its workers have ended by themselves
        group.retire()
        if group.is_empty:  # it was broken, or its workers had all just ended
            del self._groups[agent_id, name, alias]
        self._refresh(agent_id)
        if leaving := [worker.process.exited for worker in group.retiring]:
            await asyncio.wait(leaving)

    def report_broken(self, report: AgentReport) -> None:
        """List an agent as broken: see `ReleaseFleet`."""
        self._base[report.id] = report
        self._refresh(report.id)

    async def restart(self, agent_id: str) -> None:
        """Replace all workers of an agent: see `ReleaseFleet`."""
        if agent_id not in self._reports:
            raise KeyError(agent_id)
        for group in self._routed(agent_id):
            group.size = self._settings.for_agent(agent_id).workers
            await group.renew()
        if not self._routed(agent_id):
            if any(agent.id == agent_id and isinstance(agent, BrokenAgent) for agent in self._agents):
                raise ReleaseFailed(self._reports[agent_id])
            await self.start_again(agent_id)
        self._refresh(agent_id)

    async def _start_installed_again(self, agent_id: str) -> None:
        found = {agent.id: agent for agent in self._agents if isinstance(agent, DiscoveredAgent)}
        await self.launch(release := installed_release(found[agent_id]))
        self.route(agent_id, Routing(traffic={release.name: 100}))

    async def reload(self, settings: Settings) -> None:
        """Use new settings: see `ReleaseFleet`."""
        before, self._starts.settings = self._settings, settings
        failures = []
        for agent_id, report in list(self._reports.items()):
            was_broken = report.status == "broken"  # and may start with the new settings
            try:
                if was_broken or any(map(self._is_outdated, self._routed(agent_id))):
                    await self.restart(agent_id)
            except ReleaseFailed as failed:
                failures += [] if was_broken else [failed]
                self._starts.settings = self._settings.with_agent(agent_id, before.for_agent(agent_id))
        if failures:
            raise failures[0]

    def _is_outdated(self, group: Group) -> bool:
        """Whether new workers of a group would be given other settings or keys than those that it has."""
        numbers = range(1, self._settings.for_agent(group.release.agent_id).workers + 1)
        orders = [self._starts.order(group.release, group.alias, number) for number in numbers]
        return sorted((worker.order for worker in group.workers), key=lambda order: order.number) != orders

    # --- WorkerEvents -------------------------------------------------------------------------------------------------

    def session_connected(self, worker: Worker, lease: Lease, digest: str | None) -> None:
        self.table.connected(worker, lease, digest)

    def checkpoint(self, worker: Worker, session_id: str, checkpoint: Checkpoint | None) -> None:
        self.table.checkpoint(worker, session_id, checkpoint)

    def session_over(self, worker: Worker, session_id: str) -> None:
        self.table.end(session_id, worker)
        self.changed(worker)

    def observed(self, worker: Worker, message: Observed) -> None:
        pass_on(message, worker.agent_id, self._observers)

    def changed(self, worker: Worker) -> None:
        self._changed.add(worker.agent_id)

    def ended(self, worker: Worker, ending: Ending) -> None:
        self.table.worker_lost(worker)
        order = worker.order
        if (group := self._groups.get((worker.agent_id, order.release.name, order.alias))) is None:
            return
        served = group.remove(worker) and self._state in ("starting", "ready")
        if served or worker.table.calls or ending.reason not in ("exit", "start"):
            log.error("worker_ended", **worker.log_fields, **ending.log_fields, calls=len(worker.table.calls))
            metrics.WORKERS_ENDED.labels(worker.agent_id, ending.reason).inc()
        if served:
            group.restart(order.number, ending.words, ending.where)
        if group.is_empty:
            del self._groups[worker.agent_id, order.release.name, order.alias]
        self._refresh(worker.agent_id)
