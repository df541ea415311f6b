"""Finding the installed agents by their metadata alone: nothing is imported, so nothing of theirs can run."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import TypeVar

import importlib_metadata
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from voice_host.plugins.conflicts import refuse_conflicts
from voice_host.plugins.phases import BrokenAgent, DiscoveredAgent, Installed
from voice_host_sdk import ENTRY_POINT_GROUP

log = logging.getLogger(__name__)

SDK_DISTRIBUTION = "voice-host-sdk"

_Found = TypeVar("_Found", bound=Installed)

_EXTRAS = re.compile(r"\s*\[[^\]]*\]\Z")


def discover_agents() -> list[DiscoveredAgent | BrokenAgent]:
    """Return every installed agent, sorted by id; one whose name is invalid or taken twice is broken."""
    return refuse_conflicts(installed(ENTRY_POINT_GROUP, DiscoveredAgent))


def requirements(lines: Iterable[str], extras: Iterable[str] = ()) -> Iterator[Requirement]:
    """Yield the requirements that hold in this environment with these extras; what cannot be read is left out."""
    environments = [{"extra": extra} for extra in ("", *extras)]
    for line in lines:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if requirement.marker is None or any(map(requirement.marker.evaluate, environments)):
            yield requirement


def without_extras(entry_point: str) -> str:
    """Return what an entry point names, without the extras that may follow: the standard deprecates their use."""
    return _EXTRAS.sub("", entry_point.strip())


def installed(group: str, kind: Callable[[str, str, str, str, str | None], _Found]) -> list[_Found]:
    """Return what the installed distributions register in a group of entry points, sorted by id.

    Args:
        kind: what to make of each: it takes the fields of `Installed`.
    """
    return sorted(_registered(group, kind), key=lambda found: (found.id, found.distribution))


def _registered(group: str, kind: Callable[[str, str, str, str, str | None], _Found]) -> Iterator[_Found]:
    """Yield each distribution's. The first one of a name on the path counts: Python imports that one."""
    seen: set[str] = set()
    for distribution in importlib_metadata.Distribution.discover():
        try:
            points = [point for point in distribution.entry_points if point.group == group]
            if not points:
                continue
            name, version = distribution.metadata["Name"], distribution.version
            key, requirement = canonicalize_name(name), _sdk_requirement(distribution.requires or ())
        except Exception as error:  # noqa: BLE001 - one damaged installation must not hide the others
            _tell_left_out(str(getattr(distribution, "_path", "an installed distribution")), type(error).__name__)
            continue
        if key not in seen:
            seen.add(key)
            yield from (kind(point.name, name, version, without_extras(point.value), requirement) for point in points)


@cache
def _tell_left_out(where: str, why: str) -> None:
    """Log it once a process: agents and extensions are looked for several times."""
    log.warning("%s has unreadable metadata and is left out (%s): reinstall or remove it", where, why)


def _sdk_requirement(lines: Iterable[str]) -> str | None:
    declared = [
        requirement.specifier
        for requirement in requirements(lines)
        if canonicalize_name(requirement.name) == SDK_DISTRIBUTION
    ]
    if not declared:
        return None
    combined = SpecifierSet()
    for specifier in declared:
        combined &= specifier
    return str(combined)
