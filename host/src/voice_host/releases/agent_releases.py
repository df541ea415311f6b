"""`AgentReleases`: the releases of one agent, and what is being done with them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from voice_host.fleet.report import AgentReport
from voice_host.plugins import Phase
from voice_host.releases.release import PRODUCTION, Release, Routing
from voice_host.releases.store import StoredAgent, StoredRouting
from voice_host.releases.traffic import without_release

KEPT_RELEASES = 5
"""Releases of an agent that are kept though nothing is routed to them, so that it can be rolled back in seconds."""


@dataclass
class AgentReleases:
    """The releases of one agent.

    Attributes:
        id: of the agent.
        releases: by name: those that are deployed, and the one that is installed beside the host.
        record: the routing that is stored, or would be.
        damaged: why the stored routing cannot be used; then the agent cannot be changed.
        problems: what is wrong with what is stored, for the log.
        down: the groups of the routing that do not run, since they did not start with the host.
        leaving: the groups that finish their calls, by the task that waits for it.
        change: what is being done with the agent; None: nothing.
    """

    id: str
    releases: dict[str, Release] = field(default_factory=dict)
    record: StoredRouting = field(default_factory=StoredRouting)
    damaged: str | None = None
    problems: list[str] = field(default_factory=list)
    down: set[tuple[str, str]] = field(default_factory=set)
    leaving: dict[asyncio.Task[None], tuple[str, str]] = field(default_factory=dict)
    change: str | None = None

    @property
    def routing(self) -> Routing:
        """The routing that is in effect."""
        return self.record.routing

    @property
    def running(self) -> frozenset[tuple[str, str]]:
        """The groups (release, alias) to which calls are routed."""
        return self.routing.groups - self.down

    def broken(self, reports: Iterable[AgentReport]) -> AgentReport | None:
        """Return the report of an agent of which nothing runs; None: nothing should.

        Args:
            reports: of the releases that did not start.
        """
        if self.damaged is None:
            return next(iter(reports), None)
        latest = max(self.releases.values(), key=_deployed, default=None)
        return AgentReport(
            id=self.id,
            status="broken",
            title=self.id,
            distribution=latest.distribution if latest else None,
            version=latest.version if latest else None,
            phase=Phase.DISCOVERED,
            error=self.damaged,
            hint="restart the host afterwards",
        )

    def is_routed(self, name: str) -> bool:
        """Whether calls are routed to a release."""
        return any(name == routed for routed, _ in self.routing.groups)

    def why_needed(self, release: Release) -> tuple[str, str] | None:
        """Return why a release cannot be removed, and what to do about it; None: it can."""
        name = release.name
        if release.created is None:
            return f"{self.id} {name} is installed beside the host, not deployed", "uninstall its package, and restart"
        if name in self.routing.traffic:
            share = self.routing.traffic[name]
            return (
                f"{self.id} {name} is in production, with {share} % of the calls",
                f"`voice-host promote {self.id} RELEASE` or `voice-host rollback {self.id}` puts another in its place",
            )
        for alias, named in self.routing.aliases.items():
            if named == name:
                return (
                    f"{self.id} {name} is called by the alias {alias}",
                    f"`voice-host remove {self.id} {alias}` removes the alias",
                )
        if any(name == leaving for leaving, _ in self.leaving.values()):
            return f"{self.id} {name} finishes its last calls", "remove it when they are over"
        return None

    @property
    def surplus(self) -> list[Release]:
        """The releases that are not kept any longer.

        Those that a rollback leads to are kept first, the next one foremost, and then the latest.
        """
        unused = [each for each in self.releases.values() if self.why_needed(each) is None]
        latest = [each.name for each in sorted(unused, key=_deployed, reverse=True)]
        wanted = [name for traffic in self.record.before for name in traffic if name in latest]
        kept = list(dict.fromkeys([*wanted, *latest]))[:KEPT_RELEASES]
        return [each for each in unused if each.name not in kept]


def _deployed(release: Release) -> datetime:
    return release.created or datetime.min.replace(tzinfo=UTC)


def releases_at_start(agent_id: str, stored: StoredAgent, installed: Release | None) -> AgentReleases:
    """Return the releases of an agent when the host starts.

    The stored routing remains in force, except for releases that are gone: the others share their calls. What is stored
    is not changed. The release beside the host may have another version by now, and takes the place of the one before.

    Args:
        agent_id: the agent.
        stored: what the store has of it.
        installed: the release that is installed beside the host; None: there is none.
    """
    agent = AgentReleases(agent_id, dict(stored.releases), damaged=stored.damaged)
    agent.problems += [*([stored.damaged] if stored.damaged else []), *stored.unusable.values()]
    record = stored.routing
    if installed is not None:
        name = _free_name(installed.name, {*agent.releases, *stored.unusable})
        agent.releases[name] = installed.model_copy(update={"name": name})
        if record is None and stored.damaged is not None:
            record = StoredRouting()  # it is unknown what should run
        elif record is None:
            record = StoredRouting(routing=Routing(traffic={name: 100}))
        elif record.installed is not None:
            record = record.renamed(record.installed, name)
        record = record.model_copy(update={"installed": name})
    if record is not None:
        gone = {group for group in record.routing.groups if group[0] not in agent.releases}
        agent.problems += [f"{agent_id} has no release {name} any more" for name, _ in sorted(gone)]
        agent.record = record.model_copy(update={"routing": without_groups(record.routing, gone)})
    return agent


def without_groups(routing: Routing, down: Collection[tuple[str, str]]) -> Routing:
    """Return a routing without groups that do not run: the others in production share their calls."""
    traffic = dict(routing.traffic)
    for name, alias in down:
        if alias == PRODUCTION:
            traffic = without_release(traffic, name)
    aliases = {alias: name for alias, name in routing.aliases.items() if (name, alias) not in down}
    return Routing(traffic=traffic, aliases=aliases)


def _free_name(name: str, taken: Iterable[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    return free
