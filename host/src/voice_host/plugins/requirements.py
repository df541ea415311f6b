"""What a distribution requires, and whether it is what is installed here. Metadata only."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import importlib_metadata
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from voice_host.installing import install_command
from voice_host.plugins.metadata import SDK_DISTRIBUTION, requirements

HOST_DISTRIBUTION = "voice-host"


@dataclass(frozen=True, slots=True)
class Violation:
    """A requirement that this environment does not meet.

    Attributes:
        requirement: name and range.
        installed: the version that is installed; None: none is.
        by: the distributions that lead to it, after the one that was asked about: empty for a requirement of its own.
        needed: what the host needs of it, where an exact pin can never agree with that.
    """

    requirement: str
    installed: str | None
    by: tuple[str, ...] = ()
    needed: str | None = None

    def __str__(self) -> str:
        needs = " ".join(f"needs {name}, which" for name in self.by)
        start = f"it {needs} needs {self.requirement}".replace("  ", " ")
        if self.needed:
            return f"it pins {self.requirement}, but voice-host needs {self.needed}: declare a range instead"
        if self.installed is None:
            return f"{start}, which is not installed: {install_command(self.requirement)}"
        return f"{start}, but {self.installed} is installed here"


def violations(distribution: str) -> list[Violation]:
    """Return the requirements of a distribution, and of all that it requires, that are not met here.

    Those of another environment (markers) do not count, those of extras only where the extra is required. Nothing is
    said of the distribution's own requirement of the SDK: see `sdk_mismatch`. Of one that cannot be found by its name,
    because its metadata are damaged, nothing is known.
    """
    if _installed_version(distribution) is None:
        return []
    needs = _needs_of_the_host()
    found: dict[str, Violation] = {}
    for requirement, by in _required(distribution):
        name = canonicalize_name(requirement.name)
        if name == SDK_DISTRIBUTION and not by:
            continue
        text = f"{requirement.name}{requirement.specifier}"
        installed = _installed_version(name)
        needed = needs.get(name, SpecifierSet())
        if not by and installed and any(version not in needed for version in _pinned(requirement.specifier)):
            found[text] = Violation(text, installed, needed=f"{requirement.name}{needed}")
        elif installed is None or not _contains(requirement.specifier, installed):
            found.setdefault(text, Violation(text, installed, by))
    return list(found.values())


def _required(distribution: str) -> Iterator[tuple[Requirement, tuple[str, ...]]]:
    """Yield each requirement and the distributions that lead to it, the distribution's own requirements first."""
    waiting: deque[tuple[str, frozenset[str], tuple[str, ...]]] = deque([(distribution, frozenset(), ())])
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, extras, by = waiting.popleft()
        for requirement in requirements(importlib_metadata.distribution(name).requires or (), extras):
            yield requirement, by
            key = canonicalize_name(requirement.name), frozenset(requirement.extras)
            if key not in seen and _installed_version(requirement.name) is not None:
                seen.add(key)
                waiting.append((*key, (*by, requirement.name)))


def _installed_version(name: str) -> str | None:
    try:
        return importlib_metadata.version(name)
    except (importlib_metadata.PackageNotFoundError, ValueError):  # there is none, or the name is empty
        return None


def _contains(specifier: SpecifierSet, installed: str) -> bool:
    try:
        return specifier.contains(installed, prereleases=True)
    except InvalidVersion:  # nothing can be said about it
        return True


def _pinned(specifier: SpecifierSet) -> list[str]:
    pins = [each.version for each in specifier if each.operator == "=="]
    return [version for version in pins if not version.endswith(".*")]


def _needs_of_the_host() -> dict[str, SpecifierSet]:
    """Return the ranges that the host and its SDK declare, by canonical name."""
    needs: dict[str, SpecifierSet] = {}
    for distribution in (HOST_DISTRIBUTION, SDK_DISTRIBUTION):
        for requirement in requirements(importlib_metadata.distribution(distribution).requires or ()):
            name = canonicalize_name(requirement.name)
            needs[name] = needs.get(name, SpecifierSet()) & requirement.specifier
    return needs
