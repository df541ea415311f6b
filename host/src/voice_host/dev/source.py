"""The source tree of an agent: reading its pyproject.toml, and making it importable as if it were installed."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution, DistributionFinder
from pathlib import Path
from types import MappingProxyType
from typing import Any

from packaging.utils import canonicalize_name

from voice_host.plugins.discovery import without_extras
from voice_host_sdk import ENTRY_POINT_GROUP

PYPROJECT = "pyproject.toml"
UNKNOWN_VERSION = "0.dev0"
"""The version of a project that has a dynamic version and is not installed."""

_ANY = DistributionFinder.Context()


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
        requires: its requirements, as declared.
        entry_points: what the entry points name, by agent id: `{"front-desk": "front_desk"}`.
        roots: the folders to import from.
        code: the packages (folders) and modules (files) that the entry points name.
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
        raise NoAgentHere(f"{path} does not exist", "pass the folder of an agent's package: `voice-host dev PATH`")
    for folder in (start, *start.parents):
        if (folder / PYPROJECT).is_file():
            return folder
    raise NoAgentHere(
        f"there is no {PYPROJECT} in {start} or above",
        "pass the folder of an agent's package, or create one with `voice-host new NAME`",
    )


def read_tree(folder: Path) -> SourceTree:
    """Read the source tree in `folder`. Nothing is imported.

    Raises:
        NoAgentHere: its pyproject.toml cannot be read or declares no agent, or the agent's code cannot be found.
    """
    project = _project(folder / PYPROJECT)
    name = str(project["name"])
    points = project.get("entry-points", {}).get(ENTRY_POINT_GROUP, {})
    if not points:
        hint = f'add [project.entry-points."{ENTRY_POINT_GROUP}"] with a line such as: {name} = "the_package"'
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
        raise NoAgentHere(f"{file} cannot be read: {error}", "correct and save it") from error
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
    """Return the path of what an entry point names: in src/, beside pyproject.toml, or where it is installed."""
    top = entry_point.partition(":")[0].partition(".")[0].strip()
    for candidate in _candidates(folder, top):
        if candidate.exists():
            return candidate
    raise NoAgentHere(
        f"{folder / PYPROJECT} names {entry_point!r}, but there is no {top} in {folder / 'src'} or {folder}",
        f"create the package {top}, or correct the entry point",
    )


def _candidates(folder: Path, top: str) -> Iterator[Path]:
    for root in (folder / "src", folder):
        yield from (root / top, root / f"{top}.py")
    # Another layout: an editable installation knows where.
    spec = importlib.util.find_spec(top) if top.isidentifier() else None
    if spec is not None and spec.origin is not None:
        origin = Path(spec.origin)
        yield origin.parent if origin.name == "__init__.py" else origin


# --- as if it were installed --------------------------------------------------------------------------------------


def put_on_path(tree: SourceTree) -> None:
    """Make the tree importable and its metadata findable in this process, ahead of whatever is installed."""
    sys.path[:0] = [str(root) for root in tree.roots]
    sys.meta_path.insert(0, _Finder(_SourceDistribution(tree)))


class _SourceDistribution(Distribution):
    """The metadata that the `dist-info` of a wheel would contain."""

    def __init__(self, tree: SourceTree) -> None:
        self._tree = tree
        head = ["Metadata-Version: 2.1", f"Name: {tree.name}", f"Version: {tree.version}"]
        points = [f"[{ENTRY_POINT_GROUP}]", *(f"{name} = {value}" for name, value in tree.entry_points.items())]
        self._files: Mapping[str, str] = MappingProxyType(
            {
                "METADATA": "\n".join([*head, *(f"Requires-Dist: {line}" for line in tree.requires)]) + "\n",
                "entry_points.txt": "\n".join(points) + "\n",
            }
        )

    def read_text(self, filename: str) -> str | None:
        return self._files.get(filename)

    def locate_file(self, path: object) -> Path:
        return self._tree.folder / str(path)


class _Finder(DistributionFinder):
    """Finds one distribution, and no modules."""

    def __init__(self, distribution: _SourceDistribution) -> None:
        self._distribution = distribution

    def find_spec(self, *_: object) -> ModuleSpec | None:
        return None

    def find_distributions(self, context: DistributionFinder.Context = _ANY) -> Iterable[Distribution]:
        name = self._distribution.metadata["Name"]
        wanted = context.name is None or canonicalize_name(context.name) == canonicalize_name(name)
        return [self._distribution] if wanted else []
