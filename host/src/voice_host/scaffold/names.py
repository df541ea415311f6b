"""The names of a new agent, and whether they can be used. Nothing is imported, and the network is not used."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path

import importlib_metadata

from voice_host.plugins import BrokenAgent, discover_agents
from voice_host.settings import agent_id_hint, colliding_ids
from voice_host_sdk import AGENT_ID_PATTERN

RESERVED = frozenset({"mypy", "pytest", "ruff", "tests"})
"""Modules that the tests and checks of a new package import or run."""


class NameRefused(Exception):
    """The name cannot be used. The message says why, `hint` suggests another one."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one agent.

    Attributes:
        agent_id: the agent's id; also the name of the distribution and of its folder.
        package: the name of the Python package.
        title: the name that people see.
    """

    agent_id: str
    package: str
    title: str


def names_for(name: str) -> Names:
    """Return the names of an agent called `name`.

    Raises:
        NameRefused: it is not a valid agent id or package name, or is already taken in this environment.
    """
    refusal = _refusal(name)
    if refusal is not None:
        usable = next((other for other in _alternatives(name) if _refusal(other) is None), None)
        raise NameRefused(refusal, f"try `voice-host new {usable}`" if usable else "choose another name")
    return Names(name, _package(name), name.replace("-", " ").capitalize())


def _refusal(name: str) -> str | None:
    """Return why a name cannot be used; None if it can. Errors in the name itself come first."""
    package = _package(name)
    if re.fullmatch(AGENT_ID_PATTERN, name) is None:
        return f"{name!r} is not an agent id: lower-case letters, digits and hyphens, at most 63"
    if name.endswith("-") or "--" in name:
        return f"{name!r} would be ambiguous in environment variables: no '--', and no '-' at the end"
    if not package.isidentifier():
        return f"{name!r} begins with a digit: Python cannot import {package!r}"
    if keyword.iskeyword(package):
        return f"{package!r} is a keyword of Python"
    if package in sys.stdlib_module_names:
        return f"{package!r} is a module of Python's standard library"
    if package in RESERVED:
        return f"{package!r} is a module that the new package's own tests or checks need"
    return _taken(name, package)


def _taken(name: str, package: str) -> str | None:
    """Return which agent, distribution or module in this environment has the name already; None if none has."""
    outcomes = discover_agents()
    agents = {agent.id: agent.discovered if isinstance(agent, BrokenAgent) else agent for agent in outcomes}
    if name in agents:
        return f"the agent {name!r} is installed here, from {agents[name].distribution} {agents[name].version}"
    for first, second in colliding_ids([*agents, name]):
        if name in (first, second):
            return (
                f"environment variables cannot tell {first!r} and {second!r} apart, and one of them is installed here"
            )
    try:
        found = importlib_metadata.distribution(name)
    except importlib_metadata.PackageNotFoundError:
        pass
    else:
        return f"the distribution {found.name} {found.version} is installed here"
    spec = importlib.util.find_spec(package)
    if spec is not None and not _is_folder_here(spec):
        return f"Python can import {package!r} here already"
    return None


def _is_folder_here(spec: ModuleSpec) -> bool:
    """Return whether it is just a folder in the working directory, which `python -m` makes importable."""
    places = [Path(place) for place in spec.submodule_search_locations or ()]
    return spec.origin is None and all(place.parent.resolve() == Path.cwd() for place in places)


def _package(name: str) -> str:
    return name.replace("-", "_")


def _alternatives(name: str) -> Iterator[str]:
    near = re.sub(r"-+", "-", agent_id_hint(name) or "")
    if near:
        yield near
        near = near[:50].strip("-")
        yield from (f"{near}-agent", f"agent-{near}", f"my-{near}", f"{near}-2")
