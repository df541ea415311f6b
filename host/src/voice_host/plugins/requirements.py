"""What distributions require, and whether this environment has it. Reads metadata only."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import importlib_metadata
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from voice_host.plugins.installing import install_command
from voice_host.plugins.phases import DiscoveredPlugin

HOST_DISTRIBUTION = "voice-host"
SDK_DISTRIBUTION = "voice-host-sdk"


def parsed(lines: Iterable[str]) -> Iterator[Requirement]:
    """Yield all requirements of a distribution's metadata. Invalid lines are skipped."""
    for line in lines:
        try:
            yield Requirement(line)
        except InvalidRequirement:
            continue


def applicable(lines: Iterable[str], extras: Iterable[str] = ()) -> Iterator[Requirement]:
    """Yield the requirements whose markers hold in this environment with these extras. Invalid lines are skipped."""
    environments = [{"extra": extra} for extra in ("", *extras)]
    for requirement in parsed(lines):
        if requirement.marker is None or any(map(requirement.marker.evaluate, environments)):
            yield requirement


# --- the SDK ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Why a plugin does not fit the SDK of this host, and what to do about it."""

    error: str
    hint: str


def sdk_version() -> str:
    """Return the version of the SDK that this host runs: the version of the contract."""
    return importlib_metadata.version(SDK_DISTRIBUTION)


def sdk_range(lines: Iterable[str]) -> str | None:
    """Return the range of SDK versions that a distribution's requirements allow; None if they declare none."""
    declared = [
        requirement.specifier
        for requirement in applicable(lines)
        if canonicalize_name(requirement.name) == SDK_DISTRIBUTION
    ]
    if not declared:
        return None
    combined = SpecifierSet()
    for specifier in declared:
        combined &= specifier
    return str(combined)


def sdk_mismatch(found: DiscoveredPlugin, running: str | None = None) -> Mismatch | None:
    """Return why the SDK that a plugin declares is not the one it gets; None if it fits.

    Args:
        running: the version of the SDK in the plugin's environment; None: of this host.
    """
    where = "this host runs" if running is None else "its environment has"
    declared, running = SpecifierSet(found.sdk_requirement or ""), running or sdk_version()
    if declared.contains(running, prereleases=True):
        return None
    wants_newer = any(
        Version(specifier.version.removesuffix(".*")) > Version(running)
        for specifier in declared
        if specifier.operator in (">=", ">", "~=", "==")
    )
    return Mismatch(
        f"it declares {SDK_DISTRIBUTION}{found.sdk_requirement}, {where} {running}",
        f"upgrade voice-host, or install an older version of {found.distribution}"
        if wants_newer
        else f"install a version of {found.distribution} that was made for {SDK_DISTRIBUTION} {running}",
    )


# --- everything else ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Violation:
    """A requirement that this environment does not meet.

    Attributes:
        requirement: name and range.
        installed: the installed version; None if it is not installed.
        by: the chain of dependencies that leads to it; empty for a direct requirement.
        needed: the range that the host needs, if an exact pin can never agree with it.
    """

    requirement: str
    installed: str | None
    by: tuple[str, ...] = ()
    needed: str | None = None

    def __str__(self) -> str:
        chain = "".join(f"needs {name}, which " for name in self.by)
        if self.needed:
            return f"it pins {self.requirement}, but voice-host needs {self.needed}: declare a range instead"
        if self.installed is None:
            return f"it {chain}needs {self.requirement}, which is not installed: {install_command(self.requirement)}"
        return f"it {chain}needs {self.requirement}, but {self.installed} is installed here"


def violations(distribution: str) -> list[Violation]:
    """Return the direct and transitive requirements of a distribution that this environment does not meet.

    Requirements whose markers do not hold are ignored, and so are those of extras that nothing requires. The
    distribution's own requirement of the SDK is left to `sdk_mismatch`. The list is empty for a distribution that
    cannot be found by its name because its metadata is damaged.
    """
    if installed_version(distribution) is None:
        return []
    needs = _host_requirements()
    found: dict[str, Violation] = {}
    for requirement, by in _transitive(distribution):
        name = canonicalize_name(requirement.name)
        if name == SDK_DISTRIBUTION and not by:
            continue
        text = f"{requirement.name}{requirement.specifier}"
        installed = installed_version(name)
        needed = needs.get(name, SpecifierSet())
        if not by and installed and any(version not in needed for version in _pinned(requirement.specifier)):
            found[text] = Violation(text, installed, needed=f"{requirement.name}{needed}")
        elif installed is None or not _contains(requirement.specifier, installed):
            found.setdefault(text, Violation(text, installed, by))
    return list(found.values())


def _transitive(distribution: str) -> Iterator[tuple[Requirement, tuple[str, ...]]]:
    """Yield each requirement and the chain of distributions that leads to it, direct requirements first."""
    waiting: deque[tuple[str, frozenset[str], tuple[str, ...]]] = deque([(distribution, frozenset(), ())])
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, extras, by = waiting.popleft()
        for requirement in applicable(importlib_metadata.distribution(name).requires or (), extras):
            yield requirement, by
            key = canonicalize_name(requirement.name), frozenset(requirement.extras)
            if key not in seen and installed_version(requirement.name) is not None:
                seen.add(key)
                waiting.append((*key, (*by, requirement.name)))


def installed_versions(distribution: str) -> dict[str, str]:
    """Return the versions of all that an installed distribution needs here, sorted by canonical name.

    Those that were not installed from an index are left out.
    """
    names = sorted({canonicalize_name(requirement.name) for requirement, _ in _transitive(distribution)})
    found = {name: version for name in names if (version := installed_version(name)) is not None}
    return {name: at for name, at in found.items() if importlib_metadata.distribution(name).origin is None}


def installed_version(name: str) -> str | None:
    """Return the version of a distribution in this environment; None: it is not installed."""
    try:
        return importlib_metadata.version(name)
    except (importlib_metadata.PackageNotFoundError, ValueError):  # not installed, or the name is empty
        return None


def _contains(specifier: SpecifierSet, installed: str) -> bool:
    try:
        return specifier.contains(installed, prereleases=True)
    except InvalidVersion:  # nothing can be said about it
        return True


def _pinned(specifier: SpecifierSet) -> list[str]:
    pins = [each.version for each in specifier if each.operator == "=="]
    return [version for version in pins if not version.endswith(".*")]


def _host_requirements() -> dict[str, SpecifierSet]:
    """Return the ranges that the host and its SDK declare, by canonical name."""
    needs: dict[str, SpecifierSet] = {}
    for distribution in (HOST_DISTRIBUTION, SDK_DISTRIBUTION):
        for requirement in applicable(importlib_metadata.distribution(distribution).requires or ()):
            name = canonicalize_name(requirement.name)
            needs[name] = needs.get(name, SpecifierSet()) & requirement.specifier
    return needs


def missing_module_hint(missing: str | None, entry_point: str, distribution: str) -> str | None:
    """Return what to do about a `ModuleNotFoundError`.

    Args:
        missing: the full name of the module that was not found, if it is known.
        entry_point: the module that was imported.
        distribution: the distribution it belongs to.
    """
    if missing is None:
        return None
    if entry_point == missing or entry_point.startswith(f"{missing}."):
        return f"{distribution} does not contain it: check the entry point, and that the package is part of the build"
    top = missing.partition(".")[0]
    if top == entry_point.partition(".")[0]:
        return f"{distribution} does not contain it: is the name right, and is the file part of the build?"
    for requirement in _declared(distribution):
        if canonicalize_name(requirement.name) == canonicalize_name(top):
            wanted = f"{requirement.name}{requirement.specifier}"
            return f"{distribution} declares {str(requirement)!r}, which is not installed: {install_command(wanted)}"
    return f"{distribution} does not declare what brings {top!r}: add it to its dependencies, and install it again"


def _declared(distribution: str) -> list[Requirement]:
    """Return all requirements, whatever their markers and extras: one of them may bring the missing module."""
    try:
        return list(parsed(importlib_metadata.distribution(distribution).requires or ()))
    except importlib_metadata.PackageNotFoundError:
        return []
