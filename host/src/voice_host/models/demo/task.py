"""The decisions of the demo model, and the state of a tool whose parameters are being filled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_ai.tools import ToolDefinition

from voice_host.models.demo.intents import Intent
from voice_host.models.demo.parameters import Parameter
from voice_host.models.demo.slots import Filled


@dataclass(frozen=True)
class Say:
    text: str


@dataclass(frozen=True)
class Call:
    """A tool to be called, once for each of the arguments."""

    tool: ToolDefinition
    arguments: tuple[Mapping[str, Any], ...]


Decision = Say | Call


@dataclass
class Task:
    """A tool whose parameters are being filled.

    Attributes:
        unsure: parameters whose values are guesses, which are confirmed before the call.
        is_guess: whether the tool itself is a guess.
        confirming: whether the caller was asked if the guesses are right.
        misses: turns in a row that brought nothing.
        latest: the parameters that the last turn filled.
    """

    intent: Intent
    values: dict[str, Any] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)
    is_guess: bool = False
    confirming: bool = False
    asked: str | None = None
    misses: int = 0
    latest: list[str] = field(default_factory=list)

    def missing(self) -> Parameter | None:
        return next((parameter for parameter in self.intent.required if parameter.name not in self.values), None)

    def take(self, filled: Filled) -> None:
        self.values = filled.values
        self.unsure = (self.unsure - set(filled.changed)) | filled.unsure
        if filled.changed:
            self.latest, self.misses = filled.changed, 0
