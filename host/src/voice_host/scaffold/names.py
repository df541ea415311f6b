"""What a new agent may be called. Nothing is imported to find out, and nothing is looked up in the network."""

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
"""Modules that a new package's own tests and checks need by these names."""


class NameRefused(Exception):
    """The name cannot be used. The message says why, `hint` what can."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one agent.

    Attributes:
        agent_id: what the platform calls it; also the name of the distribution and of its folder.
        package: what Python imports.
        title: what people read.
    """

    agent_id: str
    package: str
    title: str


def names_for(name: str) -> Names:
    """Return the names of an agent called `name`.

    Raises:
        NameRefused: it is no agent id or no package, or somebody in this environment has it already.
    """
    refusal = _refusal(name)
    if refusal is not None:
        usable = next((other for other in _alternatives(name) if _refusal(other) is None), None)
        raise NameRefused(refusal, f"`voice-host new {usable}` would do" if usable else "choose another name")
    return Names(name, _package(name), name.replace("-", " ").capitalize())


def _refusal(name: str) -> str | None:
    """Why a name cannot be used, or None when it can. What is wrong with the name itself comes first."""
    package = _package(name)
    if re.fullmatch(AGENT_ID_PATTERN, name) is None:
        return f"{name!r} is not an agent id: lower-case letters, digits and hyphens, at most 63"
    if name.endswith("-") or "--" in name:
        return f"{name!r} cannot be told from other ids in variables: no '--', and no '-' at the end"
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
    """Who in this environment has the name already: an agent, a distribution or a module."""
    outcomes = discover_agents()
    agents = {agent.id: agent.discovered if isinstance(agent, BrokenAgent) else agent for agent in outcomes}
    if name in agents:
        return f"the agent {name!r} is installed here, from {agents[name].distribution} {agents[name].version}"
    for first, second in colliding_ids([*agents, name]):
        if name in (first, second):
            return f"variables could not tell {first!r} and {second!r} apart, and one of them is installed here"
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
    """Whether it is any folder of the working directory: `python -m` makes packages of them all."""
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
