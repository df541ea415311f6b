"""Samples the stack of the event loop's thread: which agent its code is attributed to, and where it is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import FrameType

from voice_host.tenancy.attribution import CodeOwners, agent_of_frame

_STACK_DEPTH = 6
_IDLE = ("selectors", "asyncio", "uvloop")
"""Packages whose frames are innermost while the loop waits, or does work of its own."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a thread was doing at one moment.

    Attributes:
        agent_id: the agent that it is attributed to; None: none.
        where: file and line to look at: the agent's own innermost code where there is any.
        stack: the innermost calls, innermost first, as `file:line function`.
        idle: the loop was waiting: it is late because the process had no CPU, not because code blocked it.
    """

    agent_id: str | None
    where: str
    stack: tuple[str, ...]
    idle: bool


def sample(thread_id: int, owners: CodeOwners) -> Sample | None:
    """Return what a thread is doing; None: it has ended."""
    frame = sys._current_frames().get(thread_id)
    if frame is None:
        return None
    innermost = _module(frame).partition(".")[0]
    agent_id, attributed = _attributed(frame, owners)
    inner = islice(_outwards(frame), _STACK_DEPTH)
    stack = tuple(f"{_place(call)} {call.f_code.co_name}" for call in inner)
    return Sample(agent_id, _place(attributed), stack, idle=agent_id is None and innermost in _IDLE)


def _attributed(frame: FrameType, owners: CodeOwners) -> tuple[str | None, FrameType]:
    """Look for an agent's own code first, then for the call into an agent: a tool may be a function of a library."""
    for inner in _outwards(frame):
        if (agent_id := owners.of(_module(inner))) is not None:
            return agent_id, inner
    for inner in _outwards(frame):
        if (agent_id := agent_of_frame(inner)) is not None:
            return agent_id, frame
    return None, frame


def _outwards(frame: FrameType) -> Iterator[FrameType]:
    current: FrameType | None = frame
    while current is not None:
        yield current
        current = current.f_back


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _place(frame: FrameType) -> str:
    path = Path(frame.f_code.co_filename)
    return f"{path.parent.name}/{path.name}:{frame.f_lineno}"
