"""Metadata of a source tree, as if it were installed: so that all else finds its agents where it finds any."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution, DistributionFinder
from pathlib import Path
from types import MappingProxyType

from packaging.utils import canonicalize_name

from voice_host.dev.source import SourceTree
from voice_host_sdk import ENTRY_POINT_GROUP

_ANY = DistributionFinder.Context()


def put_on_path(tree: SourceTree) -> None:
    """Let this process import the tree's code and find its metadata, before whatever else is installed."""
    sys.path[:0] = [str(root) for root in tree.roots]
    sys.meta_path.insert(0, _Finder(_SourceDistribution(tree)))


class _SourceDistribution(Distribution):
    """What a wheel's `dist-info` would hold."""

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
