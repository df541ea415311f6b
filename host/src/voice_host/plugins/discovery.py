"""Finding installed plugins by their metadata alone: nothing is imported, so none of their code runs."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar

import importlib_metadata
from packaging.utils import canonicalize_name

from voice_host.plugins.kinds import AGENT, EXTENSION, PluginKind
from voice_host.plugins.phases import (
    BrokenAgent,
    BrokenExtension,
    BrokenPlugin,
    DiscoveredAgent,
    DiscoveredExtension,
    DiscoveredPlugin,
    Phase,
)
from voice_host.plugins.requirements import sdk_range
from voice_host.settings import agent_id_hint, colliding_ids
from voice_host_sdk import AGENT_ID_PATTERN

log = logging.getLogger(__name__)

_Discovered = TypeVar("_Discovered", bound=DiscoveredPlugin)
_Broken = TypeVar("_Broken", bound=BrokenPlugin)

_EXTRAS = re.compile(r"\s*\[[^\]]*\]\Z")


def discover_agents(path: Path | None = None) -> list[DiscoveredAgent | BrokenAgent]:
    """Return all installed agents, sorted by id. Those with an invalid or ambiguous id are broken.

    Args:
        path: where to look: the `site-packages` of an environment, or a wheel. None: all that Python imports from.
    """
    return _discover(AGENT, path)


def discover_extensions() -> list[DiscoveredExtension | BrokenExtension]:
    """Return all installed extensions, sorted by name. Those with an invalid or ambiguous name are broken."""
    return _discover(EXTENSION, None)


def without_extras(entry_point: str) -> str:
    """Return what an entry point names, without the extras that may follow (a deprecated part of the standard)."""
    return _EXTRAS.sub("", entry_point.strip())


def _discover(kind: PluginKind[_Discovered, _Broken], path: Path | None) -> list[_Discovered | _Broken]:
    found = sorted(_registered(kind, path), key=lambda plugin: (plugin.id, plugin.distribution))
    conflicts: dict[int, tuple[str, str]] = {}
    for index, error, hint in _conflicts(found, kind):
        conflicts.setdefault(index, (error, hint))
    return [
        kind.broken(plugin, Phase.DISCOVERED, *conflicts[index]) if index in conflicts else plugin
        for index, plugin in enumerate(found)
    ]


def _registered(kind: PluginKind[_Discovered, _Broken], path: Path | None) -> Iterator[_Discovered]:
    """Yield the plugins of each distribution. Of two with the same name, Python imports the first on the path."""
    seen: set[str] = set()
    for distribution in importlib_metadata.distributions(**({"path": [str(path)]} if path else {})):
        try:
            points = [point for point in distribution.entry_points if point.group == kind.group]
            if not points:
                continue
            name, version = distribution.metadata["Name"], distribution.version
            key, sdk = canonicalize_name(name), sdk_range(distribution.requires or ())
        except Exception as error:  # noqa: BLE001 - a damaged installation must not hide the others
            _warn_unreadable(str(getattr(distribution, "_path", "an installed distribution")), type(error).__name__)
            continue
        if key not in seen:
            seen.add(key)
            for point in points:
                yield kind.discovered(point.name, name, version, without_extras(point.value), sdk)


@cache
def _warn_unreadable(where: str, why: str) -> None:
    """Log it once a process: discovery runs several times."""
    log.warning("%s has unreadable metadata and is left out (%s): reinstall or remove it", where, why)


# --- conflicts: both plugins are refused, since nobody can tell which one was meant --------------------------------

_Conflicts = Iterator[tuple[int, str, str]]
"""Index of a plugin, error, hint."""


def _conflicts(found: Sequence[DiscoveredPlugin], kind: PluginKind[_Discovered, _Broken]) -> _Conflicts:
    yield from _reserved_names(found, kind.reserved)
    yield from _invalid_names(found, kind.name_noun)
    yield from _same_names(found)
    yield from _same_objects(found)
    yield from _same_variables(found)


def _reserved_names(found: Sequence[DiscoveredPlugin], reserved: frozenset[str]) -> _Conflicts:
    for index, plugin in enumerate(found):
        if plugin.id in reserved:
            yield index, f"the name {plugin.id!r} is the host's own", "rename the entry point"


def _invalid_names(found: Sequence[DiscoveredPlugin], noun: str) -> _Conflicts:
    for index, plugin in enumerate(found):
        if re.fullmatch(AGENT_ID_PATTERN, plugin.id) is None:
            near = agent_id_hint(plugin.id)
            error = f"{plugin.id!r} is not {noun}: lower-case letters, digits and hyphens, at most 63"
            yield index, error, "rename the entry point" + (f", for example to {near!r}" if near else "")


def _same_names(found: Sequence[DiscoveredPlugin]) -> _Conflicts:
    for group in _groups(found, lambda plugin: plugin.id):
        owners = " and ".join(sorted(found[index].distribution for index in group))
        for index in group:
            error = f"the id {found[index].id!r} is taken more than once: by {owners}"
            yield index, error, "uninstall all but one of them, or rename an entry point"


def _same_objects(found: Sequence[DiscoveredPlugin]) -> _Conflicts:
    """Two distributions with a package of the same name overwrite each other: one would run the other's code."""
    for group in _groups(found, lambda plugin: plugin.entry_point):
        owners = sorted({found[index].distribution for index in group})
        if len(owners) > 1:
            for index in group:
                error = f"{' and '.join(owners)} both contain {found[index].entry_point!r}: Python can import only one"
                yield index, error, "rename the package of one of them"


def _same_variables(found: Sequence[DiscoveredPlugin]) -> _Conflicts:
    """Environment variables cannot tell `a` and `a--model` apart: see `colliding_ids`."""
    names = [plugin.id for plugin in found if re.fullmatch(AGENT_ID_PATTERN, plugin.id)]
    for first, second in colliding_ids(names):
        for index, plugin in enumerate(found):
            if plugin.id in (first, second):
                error = f"variables cannot tell the ids {first!r} and {second!r} apart"
                yield index, error, "rename one entry point, without '--' and without a '-' at the end"


def _groups(found: Sequence[DiscoveredPlugin], key: Callable[[DiscoveredPlugin], str]) -> Iterator[list[int]]:
    """Yield the indices of plugins that share a key, where more than one does."""
    groups: dict[str, list[int]] = defaultdict(list)
    for index, plugin in enumerate(found):
        groups[key(plugin)].append(index)
    yield from (group for group in groups.values() if len(group) > 1)
