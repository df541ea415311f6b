"""`ListedRelease`: a release as `voice-host releases` and `GET /agents/{id}/releases` show it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from voice_host.fleet.report import ReleaseReport
from voice_host.releases.release import Release
from voice_host.releases.store import StoredRouting


class ListedRelease(BaseModel):
    """A release of an agent, whether it runs or not."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    agent: str
    name: str
    distribution: str
    version: str
    deployed: datetime | None = Field(description="When it was deployed; null: it is installed beside the host.")
    traffic: int = Field(description="Its share of production's calls, in percent.")
    aliases: tuple[str, ...] = ()
    status: Literal["ready", "starting", "retiring", "broken", "stopped"] = Field(
        description="retiring: it finishes its calls; broken: it does not start; stopped: nothing is routed to it."
    )
    calls: int = 0
    rollback: bool = Field(description="Whether `rollback` would send calls to it.")


def listed_releases(
    releases: Iterable[Release],
    record: StoredRouting,
    running: Mapping[str, ReleaseReport],
    down: Collection[str] = (),
) -> list[ListedRelease]:
    """Return an agent's releases: the installed one first, the latest last.

    Args:
        releases: all that there are.
        record: how calls are routed.
        running: what the fleet says of those that run, by name.
        down: those that calls are routed to and that do not start.
    """
    ordered = sorted(releases, key=lambda each: (each.created is not None, each.created or datetime.min, each.name))
    return [_listed(each, record, running.get(each.name), each.name in down) for each in ordered]


def _listed(release: Release, record: StoredRouting, running: ReleaseReport | None, is_down: bool) -> ListedRelease:
    return ListedRelease(
        agent=release.agent_id,
        name=release.name,
        distribution=release.distribution,
        version=release.version,
        deployed=release.created,
        traffic=record.routing.traffic.get(release.name, 0),
        aliases=tuple(sorted(alias for alias, name in record.routing.aliases.items() if name == release.name)),
        status=running.status if running else "broken" if is_down else "stopped",
        calls=sum(worker.calls for worker in running.workers) if running else 0,
        rollback=bool(record.before) and release.name in record.before[0],
    )
