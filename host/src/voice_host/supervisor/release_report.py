"""What is reported of a release: its workers, and how they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from voice_host.fleet.report import ReleaseReport, WorkerReport
from voice_host.releases.release import PRODUCTION, Routing
from voice_host.supervisor.group import Group


def share(group: Group, routing: Routing) -> int:
    """Return the percentage of production's calls that a group gets; negative: it has the settings of another alias."""
    return routing.traffic.get(group.release.name, 0) if group.alias == PRODUCTION else -1


def release_report(name: str, groups: Sequence[Group], routing: Routing) -> ReleaseReport:
    """Return the report of the release with a name, among the groups of its agent."""
    mine = [group for group in groups if group.release.name == name]
    workers = [worker for group in mine for worker in (*group.workers, *group.retiring)]
    release = mine[0].release
    waiting = [
        WorkerReport(number=number, alias=group.alias, status="waiting")
        for group in mine
        for number in group.restarting
    ]
    return ReleaseReport(
        name=name,
        version=release.version,
        traffic=routing.traffic.get(name, 0),
        aliases=tuple(alias for alias, target in routing.aliases.items() if target == name),
        own_environment=release.created is not None,
        status=_status(mine),
        restarts=sum(group.restarts for group in mine),
        workers=(*(worker.worker_report() for worker in workers), *waiting),
    )


def _status(groups: Sequence[Group]) -> Literal["ready", "starting", "retiring", "broken"]:
    if any(worker.status == "ready" for group in groups for worker in group.workers):
        return "ready"
    if any(group.broken for group in groups):
        return "broken"
    return "starting" if any(group.restarting for group in groups) else "retiring"
