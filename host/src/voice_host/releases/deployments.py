"""`Deployments`: deploys releases of agents on the running host, and changes which of them answer calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from voice_host.fleet.report import AgentReport
from voice_host.observability.logs import get_logger
from voice_host.releases.agent_releases import AgentReleases, releases_at_start, without_groups
from voice_host.releases.environments import Environments
from voice_host.releases.listing import ListedRelease, listed_releases
from voice_host.releases.package import AgentPackage
from voice_host.releases.release import PRODUCTION, Release, Routing
from voice_host.releases.steps import DeployRefused, Progress, ignore, step
from voice_host.releases.store import ReleaseStore, StoredAgent, StoredRouting
from voice_host.releases.traffic import in_words, with_share
from voice_host.settings import did_you_mean
from voice_host.supervisor.release_fleet import ReleaseFailed, ReleaseFleet
from voice_host.tasks import in_background, to_the_end

log = get_logger(__name__)

SHARES = "write e.g. 1.3=90 1.4=10"


class ChangeRefused(Exception):
    """The releases of an agent were not changed. The message says why, `hint` what to do, for the operator."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Unknown(ChangeRefused):
    """There is no such agent, release or alias."""


class Busy(ChangeRefused):
    """Another change of the agent is under way, or the release is in use."""


class Deployments:
    """The releases of all agents of a host. Belongs to the front's event loop.

    A change is complete or has no effect. First the workers start that it needs. Then the routing is stored, and new
    calls are routed by it. What is not needed any more leaves when its calls are over, which is not waited for. A
    change that fails or is cancelled before the routing is stored is undone; after that, it is not interrupted.

    Args:
        store: the data directory.
        environments: builds and removes the environments of releases.
        fleet: runs the releases.
        allowed: whether the settings let an agent run.
    """

    def __init__(
        self,
        store: ReleaseStore,
        environments: Environments,
        fleet: ReleaseFleet,
        *,
        allowed: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._store = store
        self._environments = environments
        self._fleet = fleet
        self._allowed = allowed
        self._agents: dict[str, AgentReleases] = {}
        self._background: set[asyncio.Task[Any]] = set()

    @property
    def uploads(self) -> Path:
        """The folder for what is uploaded. What is in it is removed at the next start."""
        return self._store.uploads

    async def start(self, installed: Mapping[str, Release]) -> None:
        """Read the store, start all releases that calls are routed to, and route the calls.

        A release that does not start is left out, which keeps neither the others of its agent nor other agents from
        running. What is stored is not changed.

        Args:
            installed: the releases that are installed beside the host, by agent.
        """
        await asyncio.to_thread(self._store.clear_uploads)
        stored = await asyncio.to_thread(self._store.read)
        for agent_id in sorted({*stored, *installed}):
            agent = releases_at_start(agent_id, stored.get(agent_id, StoredAgent()), installed.get(agent_id))
            self._agents[agent_id] = agent
            for problem in agent.problems:
                log.error("release_unusable", agent_id=agent_id, problem=problem)
        await self._environments.clean()
        for agent in self._agents.values():
            agent.down = set(agent.routing.groups)
        await asyncio.gather(*(self._start(agent) for agent in self._agents.values() if self._allowed(agent.id)))

    async def start_again(self, agent_id: str) -> None:
        """Try again to start what did not start with the host.

        Raises:
            ReleaseFailed: nothing of it starts, or it is just being changed.
        """
        try:
            with self._changing(agent_id, "it is being restarted") as agent:
                report = await self._start(agent)
        except ChangeRefused as refused:
            report = AgentReport(id=agent_id, status="broken", error=refused.message, hint=refused.hint)
        if report is not None:
            raise ReleaseFailed(report)

    async def _start(self, agent: AgentReleases) -> AgentReport | None:
        """Start the groups that are down, and route calls to those that run. Returns why none does, if so."""
        reports: list[AgentReport] = []

        async def launch(group: tuple[str, str]) -> None:
            name, alias = group
            try:
                await self._fleet.launch(agent.releases[name], alias)
            except ReleaseFailed as failed:
                reports.append(failed.report)
                log.error("release_broken", agent_id=agent.id, release=name, alias=alias, error=str(failed.report))
            else:
                agent.down.discard(group)

        await asyncio.gather(*map(launch, sorted(agent.down)))
        if agent.running:
            self._fleet.route(agent.id, without_groups(agent.routing, agent.down))
            return None
        if (report := agent.broken(reports)) is not None:
            self._fleet.report_broken(report)
        return report

    async def stop(self) -> None:
        """Undo the deployments under way, and stop waiting for releases that leave: the fleet ends their workers."""
        for task in self._background:
            task.cancel()
        if self._background:
            await asyncio.wait(self._background)

    # --- the releases that there are --------------------------------------------------------------------------------

    def listing(self, reports: Mapping[str, AgentReport], agent_id: str | None = None) -> list[ListedRelease]:
        """Return the releases of one agent or of all.

        Args:
            reports: what the fleet says about the agents.

        Raises:
            Unknown: there is no such agent.
        """
        agents = (
            [self._agent(agent_id)] if agent_id is not None else [self._agents[each] for each in sorted(self._agents)]
        )
        found: list[ListedRelease] = []
        for agent in agents:
            running = {each.name: each for each in reports[agent.id].releases} if agent.id in reports else {}
            down = {name for name, _ in agent.down}
            found += listed_releases(agent.releases.values(), agent.record, running, down)
        return found

    def _agent(self, agent_id: str) -> AgentReleases:
        if (agent := self._agents.get(agent_id)) is None:
            raise Unknown(f"there is no agent {agent_id!r}", did_you_mean(agent_id, self._agents))
        return agent

    # --- changes ----------------------------------------------------------------------------------------------------

    def begin(self, package: AgentPackage, agent_id: str | None = None, **options: Any) -> asyncio.Task[Release]:
        """Deploy in a task of its own. Cancelling it undoes the deployment. Arguments and errors are those of `deploy`.

        A task of its own, since the one that answers a request is cancelled again and again while it cleans up.
        """
        task = asyncio.create_task(self.deploy(package, agent_id, **options), name=f"deploy-{package}")
        self._background.add(task)

        def ended(task: asyncio.Task[Release]) -> None:
            self._background.discard(task)
            if task.cancelled():
                log.warning("deployment_cancelled", package=str(package), agent_id=agent_id)
            elif isinstance(error := task.exception(), (DeployRefused, ChangeRefused)):
                log.warning("deployment_failed", package=str(package), agent_id=agent_id, error=error.message)

        task.add_done_callback(ended)
        return task

    async def deploy(
        self,
        package: AgentPackage,
        agent_id: str | None = None,
        *,
        alias: str = PRODUCTION,
        percent: int | None = None,
        progress: Progress = ignore,
    ) -> Release:
        """Build a release, check it, start it, and send calls to it.

        Args:
            package: what is deployed.
            agent_id: the agent; None: the one that is in the package.
            alias: the alias that names it; `production`: it takes calls of the plain address.
            percent: its share of production's calls; None: all.
            progress: told of each step.

        Raises:
            DeployRefused: it cannot be built, is broken or does not start. Nothing has changed.
            ChangeRefused: as for the other changes.
        """
        if percent is not None and alias != PRODUCTION:
            raise ChangeRefused("only production's calls are split", "use either --to or --percent")
        change = f"{package} is being deployed"
        with ExitStack() as stack:
            if agent_id is not None:
                stack.enter_context(self._changing(agent_id, change, new=True))
            known = [release for agent in self._agents.values() for release in agent.releases.values()]
            release = await self._environments.build(package, agent_id, known=known, alias=alias, progress=progress)
            agent = None
            try:
                if agent_id is None:
                    stack.enter_context(self._changing(release.agent_id, change, new=True))
                agent = self._agent(release.agent_id)
                agent.releases[release.name] = release
                await self._route(agent, alias, _routed(agent.routing, release.name, alias, percent), progress)
            except BaseException:
                if agent is None or not agent.is_routed(release.name):
                    await to_the_end(self._discard(release))
                raise
            log.info("release_deployed", agent_id=release.agent_id, release=release.name, alias=alias)
            await self._remove_surplus(agent)
        return release

    async def set_traffic(self, agent_id: str, traffic: Mapping[str, int], progress: Progress = ignore) -> Routing:
        """Split production's calls between releases.

        Raises:
            DeployRefused: a release does not start. Nothing has changed.
            ChangeRefused: there is no such agent or release, the shares do not add up to 100, or another change of the
                agent is under way.
        """
        with self._changing(agent_id, "its traffic is being changed") as agent:
            for name in traffic:
                _release(agent, name)
            if any(not 0 <= share <= 100 for share in traffic.values()):
                raise ChangeRefused("a share is a whole number of percent from 0 to 100", SHARES)
            if (total := sum(traffic.values())) != 100:
                raise ChangeRefused(f"the shares add up to {total} %, not 100 %", SHARES)
            routing = Routing(traffic=dict(traffic), aliases=agent.routing.aliases)
            await self._route(agent, PRODUCTION, routing, progress)
        log.info("traffic_changed", agent_id=agent_id, traffic=dict(traffic))
        return routing

    async def promote(self, agent_id: str, what: str, progress: Progress = ignore) -> Routing:
        """Send all of production's calls to a release, given its name or an alias. Raises as `set_traffic`."""
        agent = self._agent(agent_id)
        release = _release(agent, agent.routing.aliases.get(what, what))
        return await self.set_traffic(agent_id, {release.name: 100}, progress)

    async def rollback(self, agent_id: str, progress: Progress = ignore) -> Routing:
        """Restore the traffic before its last change. Aliases stay as they are. Raises as `set_traffic`."""
        with self._changing(agent_id, "it is being rolled back") as agent:
            record = agent.record.rolled_back()
            if record is None:
                raise ChangeRefused(
                    f"the traffic of {agent_id} was not changed, or what it was before is removed",
                    f"`voice-host releases {agent_id}` lists its releases, and `voice-host promote` chooses one",
                )
            await self._put(agent, PRODUCTION, record, progress)
        log.info("rolled_back", agent_id=agent_id, traffic=dict(record.routing.traffic))
        return record.routing

    async def set_alias(self, agent_id: str, alias: str, what: str, progress: Progress = ignore) -> Routing:
        """Let an alias name a release, given its name or another alias. Raises as `set_traffic`."""
        if alias == PRODUCTION:
            return await self.promote(agent_id, what, progress)
        with self._changing(agent_id, "its aliases are being changed") as agent:
            release = _release(agent, agent.routing.aliases.get(what, what))
            routing = _routed(agent.routing, release.name, alias, None)
            await self._route(agent, alias, routing, progress)
        log.info("alias_changed", agent_id=agent_id, alias=alias, release=release.name)
        return routing

    async def remove_alias(self, agent_id: str, alias: str) -> None:
        """Remove an alias. Raises as `set_traffic`."""
        with self._changing(agent_id, f"the alias {alias} is being removed") as agent:
            if alias not in agent.routing.aliases:
                raise Unknown(f"{agent_id} has no alias {alias!r}", did_you_mean(alias, agent.routing.aliases))
            aliases = {other: name for other, name in agent.routing.aliases.items() if other != alias}
            await self._route(agent, alias, Routing(traffic=agent.routing.traffic, aliases=aliases), ignore)
        log.info("alias_removed", agent_id=agent_id, alias=alias)

    async def remove(self, agent_id: str, name: str) -> None:
        """Remove a deployed release that is not in use, with its environment. Raises as `set_traffic`."""
        with self._changing(agent_id, f"{name} is being removed") as agent:
            release = _release(agent, name)
            if why := agent.why_needed(release):
                raise Busy(*why)
            await to_the_end(self._remove(agent, release))

    # --- what changes have in common --------------------------------------------------------------------------------

    @contextmanager
    def _changing(self, agent_id: str, change: str, *, new: bool = False) -> Iterator[AgentReleases]:
        """Enclose a change of an agent, of which there is one at a time. `new`: there may be no such agent yet."""
        if not self._allowed(agent_id):
            raise ChangeRefused(
                f"the settings of the host do not let the agent {agent_id!r} run",
                "add it to [agents] allow; [agent.<id>] enabled must not be false",
            )
        agent = self._agents.setdefault(agent_id, AgentReleases(agent_id)) if new else self._agent(agent_id)
        if agent.damaged is not None:
            raise ChangeRefused(agent.damaged)
        if agent.change is not None:
            raise Busy(f"{agent_id} cannot be changed now: {agent.change}", "try again when that is over")
        agent.change = change
        try:
            yield agent
        finally:
            agent.change = None
            if not agent.releases:
                del self._agents[agent_id]

    async def _route(self, agent: AgentReleases, alias: str, routing: Routing, progress: Progress) -> None:
        await self._put(agent, alias, agent.record.changed(routing), progress)

    async def _put(self, agent: AgentReleases, alias: str, record: StoredRouting, progress: Progress) -> None:
        """Put a record into effect: start the groups that it needs, store it, and route calls by it.

        Groups of other aliases than the one that changes, which did not start with the host, stay down: otherwise an
        agent could not be changed any more.
        """
        launched: list[tuple[str, str]] = []
        try:
            for group in sorted(record.routing.groups - agent.running):
                if group[1] == alias:
                    with step(progress, "start", _group(*group)):
                        await self._launch(agent.releases[group[0]], alias)
                    launched.append(group)
            leaving = ", ".join(_group(*each) for each in sorted(agent.running - record.routing.groups))
            with step(progress, "route") as outcome:
                outcome.detail = _difference(agent.routing, record.routing)
                await to_the_end(self._commit(agent, alias, record))
                if leaving:
                    outcome.detail += f"; {leaving} finishes its calls and leaves"
        except BaseException:
            if agent.record is not record:  # they have no calls, so that they leave at once
                await to_the_end(self._retire(agent, launched))
            raise

    async def _launch(self, release: Release, alias: str) -> None:
        try:
            await self._fleet.launch(release, alias)
        except ReleaseFailed as failed:
            report = failed.report
            message = str(report).removesuffix(f"; {report.hint}")
            raise DeployRefused(message, report.hint, phase="start", report=report) from failed

    async def _commit(self, agent: AgentReleases, alias: str, record: StoredRouting) -> None:
        running = agent.running
        await self._store_record(agent, record)
        unneeded = running - record.routing.groups
        agent.down &= {group for group in record.routing.groups if group[1] != alias}
        if running or agent.running:  # otherwise it stays broken
            self._fleet.route(agent.id, without_groups(record.routing, agent.down))
        for group in sorted(unneeded):
            self._let_leave(agent, group)

    async def _store_record(self, agent: AgentReleases, record: StoredRouting) -> None:
        try:
            await asyncio.to_thread(self._store.write, agent.id, record)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise DeployRefused(f"the routing cannot be stored: {reason}", phase="route") from error
        agent.record = record

    def _let_leave(self, agent: AgentReleases, group: tuple[str, str]) -> None:
        task = in_background(self._retire(agent, [group]), "retire", of=f"{agent.id}-{group[0]}")
        agent.leaving[task] = group
        self._background.add(task)

        def left(task: asyncio.Task[None]) -> None:
            del agent.leaving[task]
            self._background.discard(task)

        task.add_done_callback(left)

    async def _retire(self, agent: AgentReleases, groups: Sequence[tuple[str, str]]) -> None:
        for name, alias in groups:
            await self._fleet.retire(agent.id, name, alias)
            log.info("release_left", agent_id=agent.id, release=name, alias=alias)

    async def _remove(self, agent: AgentReleases, release: Release) -> None:
        """Remove a release that nothing needs."""
        record = agent.record.without({release.name})
        if record.before != agent.record.before:
            await self._store_record(agent, record)
        await self._environments.remove(release)
        del agent.releases[release.name]
        log.info("release_removed", agent_id=agent.id, release=release.name)

    async def _remove_surplus(self, agent: AgentReleases) -> None:
        for release in agent.surplus:
            try:
                await to_the_end(self._remove(agent, release))
            except (OSError, DeployRefused) as error:
                log.warning("release_not_removed", agent_id=agent.id, release=release.name, error=str(error))

    async def _discard(self, release: Release) -> None:
        """Undo a deployment."""
        await self._environments.remove(release)
        if (agent := self._agents.get(release.agent_id)) is not None:
            agent.releases.pop(release.name, None)


def _release(agent: AgentReleases, name: str) -> Release:
    if (release := agent.releases.get(name)) is None:
        known = [*agent.releases, *agent.routing.aliases]
        raise Unknown(f"{agent.id} has no release or alias {name!r}", did_you_mean(name, known))
    return release


def _routed(routing: Routing, name: str, alias: str, percent: int | None) -> Routing:
    """Return a routing with a release under an alias, or with a share of production's calls."""
    if alias != PRODUCTION:
        return Routing(traffic=routing.traffic, aliases={**routing.aliases, alias: name})
    try:
        return Routing(
            traffic=with_share(routing.traffic, name, 100 if percent is None else percent), aliases=routing.aliases
        )
    except ValueError as error:
        raise ChangeRefused(str(error), "leave --percent out") from error


def _difference(before: Routing, after: Routing) -> str:
    """Return in words what a change of the routing does: `production: 1.3 90 %, 1.4 10 %`, `staging: 1.4`."""
    changed = {alias: name for alias, name in after.aliases.items() if before.aliases.get(alias) != name}
    gone = [f"{alias}: removed" for alias in before.aliases if alias not in after.aliases]
    production = [f"production: {in_words(after.traffic)}"] if after.traffic != before.traffic else []
    return ", ".join([*production, *(f"{alias}: {name}" for alias, name in changed.items()), *gone])


def _group(name: str, alias: str) -> str:
    return name if alias == PRODUCTION else f"{name} as {alias}"
