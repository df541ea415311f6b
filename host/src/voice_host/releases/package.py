"""`AgentPackage`: what somebody wants to deploy, a wheel, a requirement or a folder with the agent's source."""

from __future__ import annotations

import platform
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import importlib_metadata
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from voice_host.plugins import BrokenAgent, DiscoveredAgent, discover_agents, sdk_mismatch
from voice_host.releases.steps import DeployRefused
from voice_host.releases.uv import without_credentials
from voice_host.settings import did_you_mean
from voice_host_sdk import ENTRY_POINT_GROUP

_PHASE = "read"
_WHAT = "deploy a wheel (*.whl), a folder with a pyproject.toml, or a requirement such as my-agent==1.4"


@dataclass(frozen=True, slots=True)
class WheelFile:
    """A wheel. The file name is that of the wheel, which contains its name and version."""

    path: Path

    def __str__(self) -> str:
        return self.path.name


@dataclass(frozen=True, slots=True)
class SourceFolder:
    """A folder with the `pyproject.toml` of an agent, of which a wheel is built."""

    path: Path

    def __str__(self) -> str:
        return self.path.name


@dataclass(frozen=True, slots=True)
class PackageRequirement:
    """A requirement such as `my-agent==1.4`, which uv finds in the indexes that it is configured for.

    As a text for people it is without the password that its address may contain.
    """

    text: str = field(repr=False)

    def __str__(self) -> str:
        return without_credentials(self.text)


AgentPackage = WheelFile | SourceFolder | PackageRequirement


def read_package(what: str, folder: Path) -> AgentPackage:
    """Return what the argument of `voice-host deploy` means. Blocks: it looks at the file system.

    Args:
        what: the path of a wheel or a folder, or a requirement.
        folder: what relative paths are relative to.

    Raises:
        DeployRefused: there is no such file or folder, or it is none of the three.
    """
    path = folder / Path(what).expanduser()
    if what and path.is_dir():
        if not (path / "pyproject.toml").is_file() and not (path / "setup.py").is_file():
            raise DeployRefused(
                f"{what} has no pyproject.toml, so that no wheel can be built of it", _WHAT, phase=_PHASE
            )
        return SourceFolder(path.resolve())
    if path.is_file():
        return WheelFile(path.resolve())
    if " @ " not in what and re.search(r"[/\\]|\.whl$", what):
        raise DeployRefused(f"there is no file or folder {without_credentials(what)}", _WHAT, phase=_PHASE)
    return PackageRequirement(required_name(what)[1])


def required_name(text: str) -> tuple[str, str]:
    """Return the name of the distribution that a requirement is for, and the requirement itself.

    Raises:
        DeployRefused: it is not a requirement.
    """
    try:
        return Requirement(text).name, text.strip()
    except InvalidRequirement:
        shown = without_credentials(text)
        raise DeployRefused(f"{shown!r} is neither a file nor a requirement", _WHAT, phase=_PHASE) from None


# --- a wheel, before it is installed --------------------------------------------------------------------------------


def agent_of_wheel(wheel: Path, agent_id: str | None) -> DiscoveredAgent:
    """Return the agent in a wheel that is to be deployed: see `choose_agent`. Blocks.

    Raises:
        DeployRefused: it is not a wheel, is not made for this Python, or has no suitable agent.
    """
    try:
        name, version, *_ = parse_wheel_filename(wheel.name)
    except InvalidWheelFilename:
        raise DeployRefused(f"{wheel.name} is not a wheel: that is not the name of one", _WHAT, phase=_PHASE) from None
    metadata = _metadata(wheel)
    if canonicalize_name(metadata.get("Name") or "") != name:
        raise DeployRefused(f"{wheel.name} contains {metadata.get('Name')}, not {name}", "build it again", phase=_PHASE)
    _require_python(f"{name} {version}", metadata.get("Requires-Python"))
    found = choose_agent(discover_agents(wheel), str(name), agent_id, phase=_PHASE)
    if mismatch := sdk_mismatch(found):
        raise DeployRefused(f"{name} {version}: {mismatch.error}", mismatch.hint, phase=_PHASE)
    return found


def _metadata(wheel: Path) -> importlib_metadata.PackageMetadata:
    hint = "build it again, with `uv build --wheel` in the folder of the agent"
    if not zipfile.is_zipfile(wheel):
        raise DeployRefused(f"{wheel.name} is not a wheel: it is no zip archive, or is cut off", hint, phase=_PHASE)
    inside = list(importlib_metadata.distributions(path=[str(wheel)]))
    if len(inside) != 1 or not inside[0].read_text("METADATA"):
        raise DeployRefused(f"{wheel.name} is not a wheel: it has no metadata", hint, phase=_PHASE)
    return inside[0].metadata


def _require_python(package: str, needed: str | None) -> None:
    """The environments have the interpreter of the host."""
    running = platform.python_version()
    try:
        fits = needed is None or SpecifierSet(needed).contains(running, prereleases=True)
    except InvalidSpecifier:  # uv says what is wrong with it
        fits = True
    if not fits:
        raise DeployRefused(
            f"{package} needs Python {needed}, this host runs {running}",
            "deploy a version of it for this Python, or run the host with another one",
            phase=_PHASE,
        )


# --- which agent ------------------------------------------------------------------------------------------------------


def choose_agent(
    found: Sequence[DiscoveredAgent | BrokenAgent], distribution: str, agent_id: str | None, *, phase: str
) -> DiscoveredAgent:
    """Return the agent to deploy.

    Args:
        found: the agents in a wheel or an environment.
        distribution: the one that is deployed. Agents of others are ignored.
        agent_id: which of its agents; None: it has only one.
        phase: of `DeployRefused`.

    Raises:
        DeployRefused: there is no such agent, or more than one.
    """
    own = {agent.id: agent for agent in found if _distribution(agent) == canonicalize_name(distribution)}
    if not own:
        raise DeployRefused(
            f"{distribution} contains no agent: it has no entry point in the group {ENTRY_POINT_GROUP!r}",
            f'add [project.entry-points."{ENTRY_POINT_GROUP}"] with `my-agent = "my_package"` to its pyproject.toml',
            phase=phase,
        )
    if agent_id is None and len(own) > 1:
        raise DeployRefused(
            f"{distribution} contains more than one agent: {', '.join(sorted(own))}",
            "choose one with --agent, and deploy each in turn",
            phase=phase,
        )
    agent = own.get(agent_id or next(iter(own)))
    if agent is None:
        raise DeployRefused(
            f"{distribution} contains no agent {agent_id!r}", did_you_mean(agent_id or "", own), phase=phase
        )
    if isinstance(agent, BrokenAgent):
        raise DeployRefused(f"{distribution}: {agent.error}", agent.hint, phase=phase)
    return agent


def _distribution(agent: DiscoveredAgent | BrokenAgent) -> str:
    found = agent.discovered if isinstance(agent, BrokenAgent) else agent
    return canonicalize_name(found.distribution)
