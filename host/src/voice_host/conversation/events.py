"""Events of one run of an agent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the reply's text."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """The model called a tool."""

    id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """A tool returned or failed; the model gets `result` in both cases."""

    id: str
    name: str
    arguments: Mapping[str, Any]
    ok: bool
    result: Any
    duration_ms: float
    timed_out: bool = False


@dataclass(frozen=True, slots=True)
class AnswerBrokenOff:
    """The model's service broke an answer off. `reason`: `content_filter` or `length`."""

    reason: str


AgentEvent = TextDelta | ToolStarted | ToolFinished | AnswerBrokenOff
