"""Finding the installed agents by their metadata alone: nothing is imported, so nothing of theirs can run."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

import importlib_metadata
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from voice_host.discovery.conflicts import refuse_conflicts
from voice_host.discovery.phases import BrokenAgent, DiscoveredAgent
from voice_host_sdk import ENTRY_POINT_GROUP

log = logging.getLogger(__name__)

SDK_DISTRIBUTION = "voice-host-sdk"


def discover_agents() -> list[DiscoveredAgent | BrokenAgent]:
    """Return every installed agent, sorted by id; one whose name is invalid or taken twice is broken."""
    return refuse_conflicts(sorted(_installed(), key=lambda agent: (agent.id, agent.distribution)))


def requirements(lines: Iterable[str]) -> Iterator[Requirement]:
    """Yield the requirements that hold in this environment without extras; what cannot be read is left out."""
    for line in lines:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement


def _installed() -> Iterator[DiscoveredAgent]:
    """Yield the agents of each distribution. The first one of a name on the path counts: Python imports that one."""
    seen: set[str] = set()
    for distribution in importlib_metadata.Distribution.discover():
        try:
            points = [point for point in distribution.entry_points if point.group == ENTRY_POINT_GROUP]
            name = distribution.metadata["Name"] if points else ""
            agents = [_agent(point, name, distribution) for point in points]
        except Exception as error:  # noqa: BLE001 - one damaged installation must not hide the other agents
            log.warning("an installed distribution has unreadable metadata and is left out: %r", error)
            continue
        if agents and canonicalize_name(name) not in seen:
            seen.add(canonicalize_name(name))
            yield from agents


def _agent(
    point: importlib_metadata.EntryPoint, name: str, distribution: importlib_metadata.Distribution
) -> DiscoveredAgent:
    requirement = _sdk_requirement(distribution.requires or ())
    return DiscoveredAgent(point.name, name, distribution.version, point.value, requirement)


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
