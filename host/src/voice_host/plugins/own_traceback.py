"""The stack trace that an agent's developer wants to see: the exception, and the frames of the agent's own code."""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from traceback import StackSummary, TracebackException

import pluggy
import pydantic

import voice_host
import voice_host_sdk
from voice_host.settings import redact

_LONGEST = 6000
"""Characters. A longer trace loses its beginning: the exception is at the end."""

_MACHINERY = (
    *(
        f"{Path(str(module.__file__)).parent}{os.sep}"
        for module in (voice_host, voice_host_sdk, pluggy, pydantic, importlib, asyncio)
    ),
    "<frozen importlib",
)
"""Where the code lies that imports agents, runs their hooks and validates what they return."""


def own_traceback(error: BaseException, secrets: Iterable[str]) -> str | None:
    """Return the stack trace of an exception, and of those that led to it, without the frames of the host.

    None when that leaves no frame: the agent's code did not raise it.

    Args:
        secrets: texts that are taken out.
    """
    trace = TracebackException.from_exception(error)
    frames = 0
    for part in _chain(trace):
        own = [frame for frame in part.stack if not frame.filename.startswith(_MACHINERY)]
        part.stack = StackSummary.from_list(own)
        frames += len(own)
    if not frames and not isinstance(error, SyntaxError):  # that has a place, and no frame: the code never ran
        return None
    text = redact("".join(trace.format()), secrets).rstrip("\n")
    return text if len(text) <= _LONGEST else f"[...]\n{text[-_LONGEST:]}"


def _chain(trace: TracebackException) -> Iterator[TracebackException]:
    """Yield a trace and those of its causes, contexts and group members; none of them twice."""
    yield trace
    for before in (trace.__cause__, trace.__context__, *(trace.exceptions or ())):
        if before is not None:
            yield from _chain(before)
