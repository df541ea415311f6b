"""`Environments`: builds, checks and removes the virtual environments of deployed releases."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout
from packaging.utils import canonicalize_name
from packaging.version import Version

from voice_host.fleet.report import AgentReport
from voice_host.plugins import DiscoveredAgent, read_environment
from voice_host.plugins.environment import site_packages
from voice_host.releases.base_environment import UNFINISHED, base_environment, base_name, copy_environment
from voice_host.releases.checking import check_in_environment
from voice_host.releases.own_wheels import CannotBuildWheel, own_wheels
from voice_host.releases.package import (
    AgentPackage,
    PackageRequirement,
    SourceFolder,
    agent_of_wheel,
    choose_agent,
    required_name,
)
from voice_host.releases.release import PRODUCTION, Release
from voice_host.releases.steps import DeployRefused, Progress, ignore, step
from voice_host.releases.uv import Uv, without_credentials
from voice_host.settings import colliding_ids
from voice_host.supervisor.release_fleet import ReleaseFailed
from voice_host.tasks import to_the_end
from voice_host.workers.messages import Order

MakeOrder = Callable[[Release, str], Order]
"""Returns the order of a worker, given a release and an alias: its settings and keys, and nobody else's."""

RELEASES, CACHE = "releases", "cache"
ENVIRONMENT, RELEASE_FILE = "env", "release.json"

_REMOVED = ".removing-"
_LOCK = ".lock"


class Environments:
    """The virtual environments of deployed releases, in the data directory.

    A release is `releases/<agent id>/<release name>/`, with its environment `env/` and its record `release.json`. This
    folder appears under its name when it is complete and checked, and disappears, by one rename each: what a killed
    process leaves behind has another name. `cache/` can be removed at any time.
    """

    def __init__(self, data_dir: Path, make_order: MakeOrder, extensions: Collection[str] = ()) -> None:
        """Do nothing yet.

        Args:
            data_dir: the data directory. `releases/` and `cache/` are created in it when needed.
            make_order: what a worker of a release gets. The check of a release uses the same.
            extensions: the distributions of the extensions that workers load: every environment gets them, too.
        """
        data_dir = data_dir.absolute()
        self._data_dir = data_dir
        self._releases = data_dir / RELEASES
        self._wheels = data_dir / CACHE / "wheels"
        self._bases = data_dir / CACHE / "environments"
        self._make_order = make_order
        self._extensions = tuple(extensions)

    async def build(
        self,
        what: AgentPackage,
        agent_id: str | None = None,
        *,
        known: Iterable[Release] = (),
        alias: str = PRODUCTION,
        progress: Progress = ignore,
    ) -> Release:
        """Build an environment with an agent, check the agent in it, and return it as a release that can be launched.

        Cancelling it ends what it started and removes what it built. Running releases are not touched.

        Args:
            what: the agent's package.
            agent_id: which of the package's agents; may be left out if it has one.
            known: all releases that there are, deployed or installed beside the host: an id belongs to one
                distribution, and names are not used twice.
            alias: with whose settings the agent is checked.
            progress: told of each step: `prepare`, `base` (only the first time), `build` (only of a source folder),
                `read`, `install`, `check`.

        Raises:
            DeployRefused: why it cannot be deployed. Nothing is left behind.
        """
        known = tuple(known)
        async with self._prepared(progress) as (uv, wheels, folder):
            base = await base_environment(uv, wheels, self._bases, progress)
            target = await self._target(uv, what, agent_id, known, folder, progress)
            with step(progress, "install", target.name) as outcome:
                environment = folder / "release" / ENVIRONMENT
                await to_the_end(asyncio.to_thread(copy_environment, base, environment))
                install = ("pip", "install", "--compile-bytecode", "--python", environment / "bin" / "python", "--")
                await uv(*install, *wheels, target.requirement, folder=self._data_dir, phase="install")
                found = await asyncio.to_thread(_installed_agent, environment, target.distribution, agent_id)
                _require_free_id(found, known, phase="install")
                outcome.detail = f"{found.distribution} {found.version}"
            release = self._release(found, known)
            with step(progress, "check", found.id) as outcome:
                report = await self.check(release.model_copy(update={"environment": environment}), alias)
                _require_ready(report, environment)
                outcome.detail = "; ".join((f"{found.id} passed every phase", *report.warnings))
                await self._keep(release, environment.parent)
        return release

    async def check(self, release: Release, alias: str = PRODUCTION, *, limit_s: float = 60.0) -> AgentReport:
        """Take the agent of a release through every phase in a process of its environment, as `voice-host check` does.

        Args:
            limit_s: seconds that the import and the hooks of the agent may take.
        """
        try:
            order = self._make_order(release, alias)
        except ReleaseFailed as failed:
            return failed.report
        return await check_in_environment(release, order, limit_s=limit_s)

    async def remove(self, release: Release) -> None:
        """Remove a deployed release's folder, `release.json` included. It must not run. Missing is not an error.

        Releases that are installed beside the host have none, and stay as they are.

        Raises:
            OSError: it cannot be removed.
        """
        folder = self._releases / release.agent_id / release.name
        if release.created is not None:
            await to_the_end(asyncio.to_thread(self._remove, folder))

    async def clean(self) -> list[Path]:
        """Remove what interrupted deployments have left, and caches of other versions of the host. For the start.

        Returns:
            the folders that were removed. None while another process is deploying.
        """
        if not self._releases.is_dir():
            return []
        try:
            with self._lock():
                return await to_the_end(asyncio.to_thread(self._clean))
        except (Timeout, OSError):
            return []

    # --- the steps of building --------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _prepared(self, progress: Progress) -> AsyncIterator[tuple[Uv, list[Path], Path]]:
        """Yield uv, the wheels of the host, and an empty folder. Nobody else builds meanwhile, and nothing remains."""
        async with AsyncExitStack() as stack:
            with step(progress, "prepare"):
                uv = await asyncio.to_thread(Uv)
                await asyncio.to_thread(_make_private, self._data_dir, self._releases)
                try:
                    stack.enter_context(self._lock())
                except Timeout:
                    raise DeployRefused(
                        "another release is being built on this host", "try again when that is over", phase="prepare"
                    ) from None
                await to_the_end(asyncio.to_thread(self._remove_leftovers))
                wheels = await to_the_end(asyncio.to_thread(self._own_wheels))
                folder = Path(tempfile.mkdtemp(dir=self._releases, prefix=UNFINISHED))
                stack.push_async_callback(to_the_end, asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))
            yield uv, wheels, folder

    def _lock(self) -> FileLock:
        """Return the lock of the data directory. Acquiring it fails at once if somebody has it."""
        return FileLock(self._releases / _LOCK, blocking=False, thread_local=False, mode=0o600)

    async def _target(
        self,
        uv: Uv,
        what: AgentPackage,
        agent_id: str | None,
        known: Collection[Release],
        folder: Path,
        progress: Progress,
    ) -> _Target:
        """Return what to install. A wheel is looked at before."""
        if isinstance(what, PackageRequirement):
            return _Target(*required_name(what.text))
        wheel = what.path
        if isinstance(what, SourceFolder):
            with step(progress, "build", str(what)) as outcome:
                wheel = await _build_wheel(uv, what, folder)
                outcome.detail = wheel.name
        with step(progress, "read", wheel.name) as outcome:
            found = await asyncio.to_thread(agent_of_wheel, wheel, agent_id)
            _require_free_id(found, known, phase="read")
            outcome.detail = f"{found.id} of {found.distribution} {found.version}"
        return _Target(found.distribution, str(wheel.absolute()))

    def _release(self, found: DiscoveredAgent, known: Collection[Release]) -> Release:
        taken = {release.name for release in known if release.agent_id == found.id}
        folder = self._releases / found.id
        name = version = str(Version(found.version))
        number = 1
        while name in taken or (folder / name).exists():
            number += 1
            name = f"{version}-{number}"
        return Release(
            agent_id=found.id,
            name=name,
            distribution=found.distribution,
            version=found.version,
            entry_point=found.entry_point,
            sdk_requirement=found.sdk_requirement,
            environment=folder / name / ENVIRONMENT,
            created=datetime.now(UTC),
        )

    async def _keep(self, release: Release, built: Path) -> None:
        """Move a release to its place. If this is cancelled, it is gone."""
        try:
            await to_the_end(asyncio.to_thread(self._move, release, built))
        except BaseException:
            await self.remove(release)
            raise

    # --- on the disk; all of these block ----------------------------------------------------------------------------

    def _own_wheels(self) -> list[Path]:
        try:
            return own_wheels(self._wheels, self._extensions)
        except CannotBuildWheel as error:
            raise DeployRefused(f"no wheel of what runs here can be built: {error}", phase="prepare") from error

    def _move(self, release: Release, built: Path) -> None:
        (built / RELEASE_FILE).write_text(release.model_dump_json(indent=2) + "\n", encoding="utf-8")
        place = self._releases / release.agent_id / release.name
        place.parent.mkdir(mode=0o700, exist_ok=True)
        built.replace(place)

    def _remove(self, folder: Path) -> None:
        if folder.exists():
            doomed = Path(tempfile.mkdtemp(dir=self._releases, prefix=_REMOVED))
            folder.replace(doomed / folder.name)
            shutil.rmtree(doomed, ignore_errors=True)  # the next start, or the next deployment, removes the rest
        with suppress(OSError):  # other releases are left, or the routing
            folder.parent.rmdir()

    def _clean(self) -> list[Path]:
        """Remove what is not needed any more. The lock is held, so that nobody builds."""
        removed = self._remove_leftovers()
        try:
            wheels = self._own_wheels()
        except (OSError, DeployRefused):  # the next deployment says why
            return removed
        kept = {self._bases / base_name(wheels), wheels[0].parent}
        outdated = [path for folder in (self._bases, self._wheels) for path in _inside(folder) if path not in kept]
        for path in outdated:
            shutil.rmtree(path, ignore_errors=True)
        return removed + outdated

    def _remove_leftovers(self) -> list[Path]:
        inside = [*_inside(self._releases), *_inside(self._bases)]
        leftovers = [path for path in inside if path.name.startswith((UNFINISHED, _REMOVED))]
        for path in leftovers:
            shutil.rmtree(path, ignore_errors=True)
        return leftovers


def _inside(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _make_private(*folders: Path) -> None:
    for folder in folders:
        folder.mkdir(mode=0o700, exist_ok=True)


@dataclass(frozen=True, slots=True)
class _Target:
    """What uv is told to install, and the distribution that it is."""

    distribution: str
    requirement: str

    @property
    def name(self) -> str:
        """What people call it: a wheel by the name of its file, an address without its password."""
        path = Path(self.requirement)
        return path.name if path.is_absolute() else without_credentials(self.requirement)


async def _build_wheel(uv: Uv, source: SourceFolder, folder: Path) -> Path:
    built = folder / "wheel"
    options = ("--wheel", "--python", sys.executable, "--out-dir", built)
    await uv("build", *options, "--", source.path, folder=source.path, phase="build")
    wheels = list(built.glob("*.whl"))
    if len(wheels) != 1:
        raise DeployRefused(f"the build of {source} left {len(wheels)} wheels, not one", phase="build")
    return wheels[0]


def _installed_agent(environment: Path, distribution: str, agent_id: str | None) -> DiscoveredAgent:
    return choose_agent(read_environment(environment).agents, distribution, agent_id, phase="install")


def _require_free_id(found: DiscoveredAgent, known: Collection[Release], *, phase: str) -> None:
    """Refuse an id that belongs to another distribution, or that variables cannot tell apart from another."""
    for release in known:
        same = canonicalize_name(release.distribution) == canonicalize_name(found.distribution)
        if release.agent_id == found.id and not same:
            raise DeployRefused(
                f"the id {found.id!r} belongs to {release.distribution} on this host, not to {found.distribution}",
                f"rename the entry point of {found.distribution}, or remove {release.distribution}",
                phase=phase,
            )
    for first, second in colliding_ids({found.id, *(release.agent_id for release in known)}):
        if found.id in (first, second):
            raise DeployRefused(
                f"variables cannot tell the ids {first!r} and {second!r} apart",
                "rename the entry point, without '--' and without a '-' at the end",
                phase=phase,
            )


def _require_ready(report: AgentReport, environment: Path) -> None:
    """Refuse an agent that is not ready. Paths in the message are those within its packages, as it has no place yet."""
    if report.status == "ready":
        return
    message = str(report) if report.status == "broken" else f"agent {report.id} is {report.status}"
    message = message.removesuffix(f"; {report.hint}").replace(f"{site_packages(environment)}/", "")
    raise DeployRefused(message, report.hint, phase="check", report=report)
