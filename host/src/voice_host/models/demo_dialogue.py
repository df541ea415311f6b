"""The demo model's part in a conversation: a turn is heard, a decision comes out. No I/O, no clock of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from pydantic_ai.tools import ToolDefinition

from voice_host.models import demo_speech as speech
from voice_host.models.demo_matching import CERTAIN, Match, Skill, Skills
from voice_host.models.demo_parameters import Parameter
from voice_host.models.demo_slots import fill
from voice_host.models.demo_words import Said

MAX_QUESTIONS = 3
"""How often the same thing is asked before the subject is dropped."""

_NEVER_MIND = ("never mind", "nevermind", "forget it", "cancel", "stop", "cancel that", "forget that")
_CLEAR_KINDS = ("choice", "day", "time", "number", "url")


@dataclass(frozen=True)
class Say:
    text: str


@dataclass(frozen=True)
class Call:
    tool: ToolDefinition
    arguments: Mapping[str, Any]


Decision = Say | Call


@dataclass
class _Task:
    """A tool on its way to being called."""

    skill: Skill
    values: dict[str, Any] = field(default_factory=dict)
    asked: str | None = None
    questions: int = 0

    def missing(self) -> Parameter | None:
        return next((parameter for parameter in self.skill.required if parameter.name not in self.values), None)


class Dialogue:
    """One conversation so far. The same turns always lead to the same decisions."""

    def __init__(self, tools: Sequence[ToolDefinition], today: date) -> None:
        self._tools = tools
        self._skills = Skills(tools)
        self._today = today
        self._task: _Task | None = None
        self._last: _Task | None = None
        self._explained = False
        self._farewell = False

    def hear(self, text: str) -> Decision:
        """Decide what to do about a turn of the caller."""
        said = Said.of(text)
        self._farewell = speech.is_farewell(said)
        match = self._skills.best_match(said, lambda skill: self._is_answered(skill, said))
        changes = match is not None and (self._task is None or self._is_other_subject(match, said))
        if self._farewell and not changes and (hang_up := self._skills.farewell()) is not None:
            return self._advance(_Task(hang_up))
        if self._task is not None and not changes:
            return self._go_on(self._task, said)
        self._task = None
        if match is not None:
            return self._begin(match.skill, said)
        return self._follow_up(said) or Say(self._small_talk(said))

    def _is_answered(self, skill: Skill, said: Said) -> bool:
        """Tell whether a turn holds a clear value for each parameter a tool requires."""
        clear = all(parameter.kind in (*_CLEAR_KINDS, "name") for parameter in skill.required)
        if not skill.required or not clear:
            return False
        values = self._filled(_Task(skill), Said(said.tokens, said.raw))
        return all(parameter.name in values for parameter in skill.required)

    def result(self, tool_name: str, content: object, *, ok: bool, wrong: Sequence[str] = ()) -> str:
        """Say what came of a call.

        Args:
            wrong: the parameters whose values the tool refused; the first is asked for again.
        """
        if ok:
            return speech.GOODBYE if content is None and self._farewell else speech.result(content)
        last = self._last
        if last is not None and last.skill.tool.name == tool_name and last.questions < MAX_QUESTIONS:
            again = next((parameter for parameter in last.skill.parameters if parameter.name in wrong), None)
            if again is not None:
                self._task, self._last = last, None
                last.values.pop(again.name, None)
                return f"{speech.NOT_UNDERSTOOD} {self._ask(last, again)}"
        return speech.failure(content)

    def _is_other_subject(self, match: Match, said: Said) -> bool:
        """Tell whether the caller, being asked something, speaks of something else instead of answering."""
        task = self._task
        if task is None or match.skill is task.skill or match.score < CERTAIN:
            return False
        asked = task.skill.parameter(task.asked)
        if asked is None or asked.kind not in _CLEAR_KINDS:
            return True
        return task.asked not in self._filled(task, Said(said.tokens, said.raw))

    def _begin(self, skill: Skill, said: Said) -> Decision:
        task = _Task(skill)
        task.values = self._filled(task, said)
        return self._advance(task)

    def _go_on(self, task: _Task, said: Said) -> Decision:
        if said.has(*_NEVER_MIND) or self._farewell:
            self._task = None
            return Say(speech.GOODBYE if self._farewell else "All right.")
        asked, before = task.asked, len(task.values)
        task.values = self._filled(task, said)
        if asked is not None and asked in task.values:
            task.questions = 0
            return self._advance(task)
        missing = task.missing()
        if missing is None or task.questions >= MAX_QUESTIONS:
            self._task = None
            return self._advance(task) if missing is None else Say(f"{speech.NOT_UNDERSTOOD} Let us leave that.")
        again = self._ask(task, missing)
        return Say(again if len(task.values) > before else f"{speech.NOT_UNDERSTOOD} {again}")

    def _follow_up(self, said: Said) -> Decision | None:
        """Repeat the last call with another value: "and on tuesday?"."""
        if self._last is None:
            return None
        skill = self._last.skill
        clear = [parameter for parameter in skill.parameters if parameter.kind in _CLEAR_KINDS]
        changed = fill(said, clear, {}, trigger=skill.trigger, today=self._today)
        if not changed or said.content():
            return None
        return self._advance(_Task(skill, {**self._last.values, **changed}))

    def _advance(self, task: _Task) -> Decision:
        missing = task.missing()
        if missing is not None:
            self._task = task
            return Say(self._ask(task, missing))
        self._task, self._last = None, task
        return Call(task.skill.tool, task.values)

    def _ask(self, task: _Task, parameter: Parameter) -> str:
        task.asked = parameter.name
        task.questions += 1
        return speech.question(parameter)

    def _filled(self, task: _Task, said: Said) -> dict[str, Any]:
        skill = task.skill
        return fill(
            said,
            skill.parameters,
            task.values,
            asked=task.asked,
            trigger=skill.trigger,
            topic=skill.topic,
            today=self._today,
        )

    def _small_talk(self, said: Said) -> str:
        answer = speech.small_talk(said)
        if answer is not None:
            return answer
        offer = speech.abilities(self._tools)
        if speech.is_call_for_help(said) and self._explained:
            return offer
        opening = speech.NOT_UNDERSTOOD if self._explained else speech.NOT_CONFIGURED
        self._explained = True
        return f"{opening} {offer}"
