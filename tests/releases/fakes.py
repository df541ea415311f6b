"""Running workers and environments that are only written down, to see what deployments ask of them."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from voice_host.fleet.report import AgentReport
from voice_host.plugins import Phase
from voice_host.releases.deployments import Deployments
from voice_host.releases.package import AgentPackage
from voice_host.releases.release import PRODUCTION, Release, Routing
from voice_host.releases.steps import DeployRefused, Progress, ignore, step
from voice_host.releases.store import ReleaseStore
from voice_host.settings import Settings
from voice_host.supervisor.release_fleet import ReleaseFailed

Group = tuple[str, str, str]
"""Agent, release, alias."""

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


def release(name: str, agent_id: str = "night-desk", *, deployed: bool = True) -> Release:
    return Release(
        agent_id=agent_id,
        name=name,
        distribution=agent_id,
        version=name.partition("-")[0],
        entry_point=agent_id.replace("-", "_"),
        created=BEGINNING if deployed else None,
    )


class FakeFleet:
    """Runs nothing. A group that retires has calls until `calls_end` is set."""

    def __init__(self) -> None:
        self.running: set[Group] = set()
        self.retiring: list[Group] = []
        self.routings: dict[str, Routing] = {}
        self.broken: set[str] = set()
        self.reported: dict[str, AgentReport] = {}
        self.launching = asyncio.Event()
        self.may_launch = asyncio.Event()
        self.may_launch.set()
        self.calls_end = asyncio.Event()
        self.calls_end.set()

    async def launch(self, release: Release, alias: str = PRODUCTION) -> AgentReport:
        self.launching.set()
        await self.may_launch.wait()
        if release.name in self.broken:
            error = {"phase": Phase.STARTED, "error": "on_startup raised OSError", "hint": "start its database"}
            raise ReleaseFailed(AgentReport(id=release.agent_id, status="broken", **error))
        assert (release.agent_id, release.name, alias) not in self.running
        self.running.add((release.agent_id, release.name, alias))
        return AgentReport(id=release.agent_id, status="ready")

    def route(self, agent_id: str, routing: Routing) -> None:
        assert {(agent_id, *group) for group in routing.groups} <= self.running
        self.routings[agent_id] = routing

    async def retire(self, agent_id: str, name: str, alias: str = PRODUCTION) -> None:
        routing = self.routings.get(agent_id, Routing())
        assert (name, alias) not in routing.groups
        self.running.remove((agent_id, name, alias))
        self.retiring.append((agent_id, name, alias))
        await self.calls_end.wait()
        self.retiring.remove((agent_id, name, alias))

    def report_broken(self, report: AgentReport) -> None:
        self.reported[report.id] = report

    async def restart(self, agent_id: str) -> None:
        raise NotImplementedError

    async def reload(self, settings: Settings) -> None:
        raise NotImplementedError


class FakeEnvironments:
    """Makes a folder for each release, in which nothing is."""

    def __init__(self, store: ReleaseStore) -> None:
        self.folder = store.folder
        self.broken = False
        self.building = asyncio.Event()
        self.may_build = asyncio.Event()
        self.may_build.set()
        self.built = 0

    async def build(
        self,
        what: AgentPackage,
        agent_id: str | None = None,
        *,
        known: Iterable[Release] = (),
        alias: str = PRODUCTION,
        progress: Progress = ignore,
    ) -> Release:
        with step(progress, "build", str(what)):
            self.building.set()
            await self.may_build.wait()
            if self.broken:
                raise DeployRefused("it was not imported: No module named 'crm'", "declare it", phase="check")
        own, _, version = str(what).partition("==")
        taken = {each.name for each in known if each.agent_id == (agent_id or own)}
        name = next(each for each in (version, *(f"{version}-{n}" for n in range(2, 99))) if each not in taken)
        self.built += 1
        found = release(name, agent_id or own).model_copy(
            update={"created": BEGINNING + timedelta(days=self.built), "environment": self._of(own, name) / "env"}
        )
        self._of(own, name).mkdir(parents=True)
        (self._of(own, name) / "release.json").write_text(found.model_dump_json())
        return found

    def _of(self, agent_id: str, name: str) -> Path:
        return self.folder / agent_id / name

    async def remove(self, release: Release) -> None:
        shutil.rmtree(self._of(release.agent_id, release.name))

    async def clean(self) -> list[Path]:
        return []


class Host:
    """Deployments with fakes around them."""

    def __init__(self, data_dir: Path) -> None:
        self.store = ReleaseStore(data_dir)
        self.fleet = FakeFleet()
        self.environments = FakeEnvironments(self.store)
        self.deployments = Deployments(
            self.store,
            self.environments,  # type: ignore[arg-type]
            self.fleet,
            allowed=lambda agent_id: agent_id != "forbidden",
        )

    def groups(self, agent_id: str = "night-desk") -> set[tuple[str, str]]:
        return {(name, alias) for of, name, alias in self.fleet.running if of == agent_id}

    def traffic(self, agent_id: str = "night-desk") -> dict[str, int]:
        return dict(self.fleet.routings[agent_id].traffic)

    @property
    def folders(self) -> set[str]:
        return {path.parent.name for path in self.store.folder.glob("*/*/release.json")}
