"""The source tree of an agent: what its pyproject.toml says, and where its code is. Nothing is imported."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voice_host.plugins.discovery import without_extras
from voice_host_sdk import ENTRY_POINT_GROUP

PYPROJECT = "pyproject.toml"
UNKNOWN_VERSION = "0.dev0"
"""Of a project whose version is made when it is built and which is not installed."""


class NoAgentHere(Exception):
    """The folder is not the source tree of an agent. The message says why, `hint` what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class SourceTree:
    """A project that declares agents.

    Attributes:
        folder: where its pyproject.toml is.
        name: of the distribution.
        version: of the distribution.
        requires: its requirements, as they are written.
        entry_points: agent id and object, e.g. `front-desk` and `front_desk`.
        roots: the folders that Python has to import from.
        code: the packages and modules that the entry points name: folders and files.
    """

    folder: Path
    name: str
    version: str
    requires: tuple[str, ...]
    entry_points: dict[str, str]
    roots: tuple[Path, ...]
    code: tuple[Path, ...]


def find_project(path: Path) -> Path:
    """Return the folder of the nearest pyproject.toml, in `path` or above it.

    Raises:
        NoAgentHere: there is none.
    """
    start = path.expanduser().resolve()
    if not start.exists():
        raise NoAgentHere(f"there is no {path}", "name the folder of an agent's package: `voice-host dev PATH`")
    for folder in (start, *start.parents):
        if (folder / PYPROJECT).is_file():
            return folder
    raise NoAgentHere(
        f"there is no {PYPROJECT} in {start} or above",
        "name the folder of an agent's package, or `voice-host new NAME`",
    )


def read_tree(folder: Path) -> SourceTree:
    """Return what `folder` holds.

    Raises:
        NoAgentHere: its pyproject.toml cannot be read or declares no agent, or the agent's code cannot be found.
    """
    project = _project(folder / PYPROJECT)
    name = str(project["name"])
    points = project.get("entry-points", {}).get(ENTRY_POINT_GROUP, {})
    if not points:
        hint = f'add [project.entry-points."{ENTRY_POINT_GROUP}"] with a line like: {name} = "the_package"'
        raise NoAgentHere(f"{folder / PYPROJECT} declares no agent", hint)
    entry_points = {str(agent_id): without_extras(str(value)) for agent_id, value in points.items()}
    places = [_place(folder, value) for value in entry_points.values()]
    return SourceTree(
        folder,
        name,
        _version(project),
        tuple(str(line) for line in project.get("dependencies", ())),
        entry_points,
        tuple(dict.fromkeys(place.parent for place in places)),
        tuple(dict.fromkeys(places)),
    )


def _project(file: Path) -> dict[str, Any]:
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise NoAgentHere(f"{file} cannot be read: {error}", "put that right and save it") from error
    project = tables.get("project")
    if not isinstance(project, dict) or not isinstance(project.get("name"), str):
        raise NoAgentHere(f"{file} has no [project] with a name", 'add [project] with name = "..." and version = "..."')
    if "entry-points" in project.get("dynamic", ()):
        raise NoAgentHere(f"{file} leaves the entry points to the build", "write them into [project.entry-points]")
    return project


def _version(project: dict[str, Any]) -> str:
    if version := project.get("version"):
        return str(version)
    try:
        return importlib.metadata.version(project["name"])
    except importlib.metadata.PackageNotFoundError:
        return UNKNOWN_VERSION


def _place(folder: Path, entry_point: str) -> Path:
    """Where the module or package is that an entry point names: below src/, beside pyproject.toml, or installed."""
    top = entry_point.partition(":")[0].partition(".")[0].strip()
    for candidate in _candidates(folder, top):
        if candidate.exists():
            return candidate
    raise NoAgentHere(
        f"{folder / PYPROJECT} names {entry_point!r}, and there is no {top} in {folder / 'src'} or {folder}",
        f"make the package {top}, or correct the entry point",
    )


def _candidates(folder: Path, top: str) -> Iterator[Path]:
    for root in (folder / "src", folder):
        yield from (root / top, root / f"{top}.py")
    # A layout of its own: an editable installation knows where.
    spec = importlib.util.find_spec(top) if top.isidentifier() else None
    if spec is not None and spec.origin is not None:
        origin = Path(spec.origin)
        yield origin.parent if origin.name == "__init__.py" else origin
