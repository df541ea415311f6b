"""Whether what an agent's distribution declares fits what is installed. Metadata only."""

from __future__ import annotations

from dataclasses import dataclass

import importlib_metadata
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from voice_host.discovery.metadata import SDK_DISTRIBUTION, requirements
from voice_host.discovery.phases import Installed

HOST_DISTRIBUTION = "voice-host"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """It was made for another SDK: what it declares, and what to do."""

    error: str
    hint: str


@dataclass(frozen=True, slots=True)
class PinClash:
    """A distribution pins exactly what is installed here in another version, or what the host needs in another one."""

    requirement: str
    installed: str
    needed: str | None = None

    def __str__(self) -> str:
        if self.needed:
            return f"it pins {self.requirement}, but voice-host needs {self.needed}: declare a range instead"
        return f"it pins {self.requirement}, but {self.installed} is installed here"


def sdk_version() -> str:
    """Return the version of the SDK that this host runs: the version of the contract."""
    return importlib_metadata.version(SDK_DISTRIBUTION)


def sdk_mismatch(found: Installed) -> Mismatch | None:
    """Return why the SDK that something installed declares is not the one this host runs, or None when it is."""
    declared, running = SpecifierSet(found.sdk_requirement or ""), sdk_version()
    if declared.contains(running, prereleases=True):
        return None
    wants_newer = any(
        Version(specifier.version.removesuffix(".*")) > Version(running)
        for specifier in declared
        if specifier.operator in (">=", ">", "~=", "==")
    )
    return Mismatch(
        f"it declares {SDK_DISTRIBUTION}{found.sdk_requirement}, this host runs {running}",
        f"upgrade voice-host, or install an older version of {found.distribution}"
        if wants_newer
        else f"install a version of {found.distribution} that was made for {SDK_DISTRIBUTION} {running}",
    )


def clashing_pins(distribution: str) -> list[PinClash]:
    """Return the exact pins (`==`) of a distribution that the host, or the installed versions, do not meet.

    Installing such an agent beside the host makes pip exchange what the host itself depends on.

    Raises:
        importlib_metadata.PackageNotFoundError: the distribution is not installed.
    """
    clashes = []
    needs = _needs_of_the_host()
    for requirement in requirements(importlib_metadata.distribution(distribution).requires or ()):
        if not any(specifier.operator in ("==", "===") for specifier in requirement.specifier):
            continue
        try:
            installed = importlib_metadata.version(requirement.name)
        except importlib_metadata.PackageNotFoundError:
            continue
        pin = f"{requirement.name}{requirement.specifier}"
        needed = needs.get(canonicalize_name(requirement.name), SpecifierSet())
        versions = [pinned.version for pinned in requirement.specifier if pinned.operator == "=="]
        if any(not version.endswith(".*") and version not in needed for version in versions):
            clashes.append(PinClash(pin, installed, f"{requirement.name}{needed}"))
        elif not requirement.specifier.contains(installed, prereleases=True):
            clashes.append(PinClash(pin, installed))
    return clashes


def _needs_of_the_host() -> dict[str, SpecifierSet]:
    """Return the ranges that the host and its SDK declare, by canonical name."""
    needs: dict[str, SpecifierSet] = {}
    for distribution in (HOST_DISTRIBUTION, SDK_DISTRIBUTION):
        for requirement in requirements(importlib_metadata.distribution(distribution).requires or ()):
            name = canonicalize_name(requirement.name)
            needs[name] = needs.get(name, SpecifierSet()) & requirement.specifier
    return needs
