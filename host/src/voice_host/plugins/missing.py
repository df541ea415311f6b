"""What to install, or to declare, when a plugin's code asks for a module that is not there."""

from __future__ import annotations

import importlib_metadata
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from voice_host.installing import install_command


def missing_module_hint(missing: str | None, entry_point: str, distribution: str | None) -> str | None:
    """Return what to do about a module that cannot be found.

    Args:
        missing: the module's full name; None: nobody knows.
        entry_point: the module that was to be imported.
        distribution: the one it belongs to, if it is known.
    """
    if missing is None:
        return None
    owner = distribution or "its distribution"
    if entry_point == missing or entry_point.startswith(f"{missing}."):
        return f"{owner} does not contain it: check the entry point, and that the package is part of the build"
    top = missing.partition(".")[0]
    if top == entry_point.partition(".")[0]:
        return f"{owner} does not contain it: is the name right, and is the file part of the build?"
    for requirement in _declared(distribution):
        if canonicalize_name(requirement.name) == canonicalize_name(top):
            wanted = f"{requirement.name}{requirement.specifier}"
            return f"{owner} declares {str(requirement)!r}, which is not installed: {install_command(wanted)}"
    return f"{owner} does not declare what brings {top!r}: add it to its dependencies, and install it again"


def _declared(distribution: str | None) -> list[Requirement]:
    """Return every requirement, those of extras and other environments too: one of them may be what is missing."""
    declared = []
    try:
        lines = importlib_metadata.distribution(distribution).requires or () if distribution else ()
    except importlib_metadata.PackageNotFoundError:
        return []
    for line in lines:
        try:
            declared.append(Requirement(line))
        except InvalidRequirement:
            continue
    return declared
