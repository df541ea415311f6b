"""A data directory in which environments are built, shared by the tests since its base environment is dear."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.releases.wheels import make_wheel
from tests.sample_plugins import PluginFolder, plugin_folder
from voice_host.fleet.report import AgentReport
from voice_host.releases import environments
from voice_host.releases.checking import order_for
from voice_host.releases.environments import RELEASES, Environments
from voice_host.releases.package import AgentPackage, read_package
from voice_host.releases.release import Release
from voice_host.releases.steps import DeployRefused, Step
from voice_host.settings import load_settings
from voice_host.workers.messages import Order


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a process has done something."""
    while not condition():  # noqa: ASYNC110 (a process tells nobody)
        await asyncio.sleep(0.02)


@dataclass
class Deployer:
    """Builds releases, and remembers what was reported."""

    data_dir: Path
    variables: dict[str, str] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    extensions: tuple[str, ...] = ()

    @property
    def environments(self) -> Environments:
        return Environments(self.data_dir, self.order, self.extensions)

    def order(self, release: Release, alias: str) -> Order:
        settings = load_settings(environ=self.variables)
        return order_for(release, settings, settings.extensions.allow or ())

    async def build(self, what: str | Path, agent_id: str | None = None, *, known: tuple[Release, ...] = ()) -> Release:
        package: AgentPackage = read_package(str(what), Path("/"))
        return await self.environments.build(package, agent_id, known=known, progress=self.steps.append)

    async def refused(
        self, what: str | Path, agent_id: str | None = None, *, known: tuple[Release, ...] = ()
    ) -> DeployRefused:
        """Deploy what cannot be deployed, and make sure that nothing is left of it."""
        before = self.files()
        with pytest.raises(DeployRefused) as caught:
            await self.build(what, agent_id, known=known)
        assert self.files() == before
        assert self.steps == [] or self.steps[-1].state == "failed"
        return caught.value

    def files(self) -> set[Path]:
        """What there is of releases, down to the files beside their environments."""
        return {path for depth in ("*", "*/*", "*/*/*") for path in (self.data_dir / RELEASES).glob(depth)} - {
            self.data_dir / RELEASES / ".lock"
        }


@pytest.fixture
def plugins(tmp_path: Path) -> Iterator[PluginFolder]:
    with plugin_folder(tmp_path) as folder:
        yield folder


@pytest.fixture(scope="package")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with the base environment, which takes 10 s to build."""
    folder = tmp_path_factory.mktemp("data")
    wheel = make_wheel(tmp_path_factory.mktemp("wheels"), "library", agents=())
    with pytest.raises(DeployRefused, match="library contains no agent"):
        asyncio.run(Deployer(folder).build(wheel))
    return folder


@pytest.fixture
def deployer(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployer]:
    """Deploys into the shared data directory, from the folder `index` alone, and removes the releases afterwards."""
    (tmp_path / "index").mkdir()
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "index"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    yield Deployer(data_dir)
    for path in (data_dir / RELEASES).iterdir() if (data_dir / RELEASES).is_dir() else ():
        if path.name != ".lock":
            shutil.rmtree(path)


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every agent for ready: the process that checks it takes longer than all other steps."""

    async def ready(release: Release, order: Order, *, limit_s: float) -> AgentReport:
        return AgentReport(id=release.agent_id, status="ready")

    monkeypatch.setattr(environments, "check_in_environment", ready)
