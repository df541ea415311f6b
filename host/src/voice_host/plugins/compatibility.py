"""Whether an agent was made for the SDK that this host runs. Metadata only."""

from __future__ import annotations

from dataclasses import dataclass

import importlib_metadata
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from voice_host.plugins.metadata import SDK_DISTRIBUTION
from voice_host.plugins.phases import Installed


@dataclass(frozen=True, slots=True)
class Mismatch:
    """It was made for another SDK: what it declares, and what to do."""

    error: str
    hint: str


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
