"""Names that two agents cannot share. Both are refused: which of them was meant, nobody can tell."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from voice_host.plugins.phases import BrokenAgent, DiscoveredAgent, Installed, Phase
from voice_host.settings import agent_id_hint, colliding_ids
from voice_host_sdk import AGENT_ID_PATTERN


def refuse_conflicts(found: list[DiscoveredAgent]) -> list[DiscoveredAgent | BrokenAgent]:
    """Return `found` in its order, with each agent broken whose name is invalid or in conflict with another's."""
    refused = conflicts(found, "an agent id")
    return [
        BrokenAgent(agent, Phase.DISCOVERED, *refused[place]) if place in refused else agent
        for place, agent in enumerate(found)
    ]


def conflicts(found: Sequence[Installed], noun: str) -> dict[int, tuple[str, str]]:
    """Return error and hint by place in `found`, for each whose name is invalid or in conflict with another's.

    Args:
        noun: what a name is called in the message: `an agent id`.
    """
    refused: dict[int, tuple[str, str]] = {}
    invalid = partial(_invalid_ids, noun=noun)
    for check in (invalid, _same_ids, _same_objects, _same_spellings):
        for place, error, hint in check(found):
            refused.setdefault(place, (error, hint))
    return refused


_Refusals = Iterator[tuple[int, str, str]]


def _invalid_ids(found: Sequence[Installed], noun: str) -> _Refusals:
    for place, agent in enumerate(found):
        if re.fullmatch(AGENT_ID_PATTERN, agent.id) is None:
            near = agent_id_hint(agent.id)
            error = f"{agent.id!r} is not {noun}: lower-case letters, digits and hyphens, at most 63"
            yield place, error, "rename the entry point" + (f", for example to {near!r}" if near else "")


def _same_ids(found: Sequence[Installed]) -> _Refusals:
    for places in _grouped(found, lambda agent: agent.id):
        owners = " and ".join(sorted(found[place].distribution for place in places))
        for place in places:
            error = f"the id {found[place].id!r} is taken more than once: by {owners}"
            yield place, error, "uninstall all but one of them, or rename an entry point"


def _same_objects(found: Sequence[Installed]) -> _Refusals:
    """Two distributions with a package of the same name overwrite each other: one would run the other's code."""
    for places in _grouped(found, lambda agent: agent.entry_point):
        owners = sorted({found[place].distribution for place in places})
        if len(owners) > 1:
            for place in places:
                error = f"{' and '.join(owners)} both contain {found[place].entry_point!r}: Python can import only one"
                yield place, error, "rename the package of one of them"


def _same_spellings(found: Sequence[Installed]) -> _Refusals:
    ids = [agent.id for agent in found if re.fullmatch(AGENT_ID_PATTERN, agent.id)]
    for first, second in colliding_ids(ids):
        for place, agent in enumerate(found):
            if agent.id in (first, second):
                error = f"variables cannot tell the ids {first!r} and {second!r} apart"
                yield place, error, "rename one entry point, without '--' and without a '-' at the end"


def _grouped(found: Sequence[Installed], key: Callable[[Installed], str]) -> Iterator[list[int]]:
    """Yield the places of agents that share a key, where more than one does."""
    groups: dict[str, list[int]] = defaultdict(list)
    for place, agent in enumerate(found):
        groups[key(agent)].append(place)
    yield from (places for places in groups.values() if len(places) > 1)
