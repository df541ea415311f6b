"""`AgentPackage`: what somebody wants to deploy, a wheel, a requirement or a folder with the agent's source."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from voice_host.releases.steps import DeployRefused


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
        return str(self.path)


@dataclass(frozen=True, slots=True)
class PackageRequirement:
    """A requirement such as `my-agent==1.4`, which uv finds in the indexes that it is configured for."""

    text: str

    def __str__(self) -> str:
        return self.text


AgentPackage = WheelFile | SourceFolder | PackageRequirement


def read_package(what: str, folder: Path) -> AgentPackage:
    """Return what the argument of `voice-host deploy` means. Blocks: it looks at the file system.

    Args:
        what: the path of a wheel or a folder, or a requirement.
        folder: what relative paths are relative to.

    Raises:
        DeployRefused: there is no such file or folder, or it is none of the three.
    """
    raise NotImplementedError
