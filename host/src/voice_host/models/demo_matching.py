"""Which of an agent's tools was meant: overlap of the words said with the words of the tools."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic_ai.tools import ToolDefinition

from voice_host.models.demo_parameters import Parameter, parameters_of
from voice_host.models.demo_words import Said, likeness, listed, split_name, stem, words_of

_NAME, _DESCRIPTION, _CHOICE, _PARAMETER = 3.0, 1.6, 1.2, 0.6
"""What a matching word is worth, by where the tool says it. Tuned on conversations, see the tests."""

CERTAIN = 2.0
_ENOUGH = 1.5
_SOMEWHAT, _ANSWERED = 0.9, 0.4
_GENERIC_NAMES = frozenset(map(stem, listed("get fetch run do make tool api handle set")))


class Skill:
    """A tool, and what the demo model reads from it once for a conversation.

    Attributes:
        parameters: required ones first.
        usable: whether all that it requires can be filled by word matching.
        trigger: the words by which it is called for; they are never values of its parameters.
        topic: the words of its description, by which it may be called for as well.
        worth: its stems, each with what a match is worth.
    """

    def __init__(self, tool: ToolDefinition) -> None:
        self.tool = tool
        self.parameters = parameters_of(tool)
        self.required = tuple(parameter for parameter in self.parameters if parameter.required)
        self.usable = all(parameter.kind != "unsupported" for parameter in self.required)
        self.trigger = frozenset(split_name(tool.name))
        self.topic = frozenset(words_of(tool.description or ""))
        self.worth = _vocabulary(tool, self.parameters)

    def parameter(self, name: str | None) -> Parameter | None:
        return next((parameter for parameter in self.parameters if parameter.name == name), None)

    @property
    def ends_calls(self) -> bool:
        """Whether it hangs up and can be called without asking."""
        words = [*split_name(self.tool.name), *words_of(self.tool.description or "")]
        hangs_up = any(likeness(word, "goodbye") >= 0.8 for word in words)
        ends = _says(words, "end", "finish", "terminate") and _says(words, "call", "conversation", "session")
        return (hangs_up or ends) and not self.required


@dataclass(frozen=True)
class Match:
    """A tool that may have been meant. From the score `CERTAIN` on a change of subject counts."""

    skill: Skill
    score: float


class Skills:
    """What an agent can do."""

    def __init__(self, tools: Sequence[ToolDefinition]) -> None:
        self._skills = [skill for skill in map(Skill, tools) if skill.usable]
        self._spread = Counter(word for skill in self._skills for word in skill.worth)

    def best_match(self, said: Said, is_answered: Callable[[Skill], bool]) -> Match | None:
        """Return the tool that fits best, the first of equals; None when none fits well enough.

        Args:
            is_answered: tells whether all that a tool requires was said; asked only of tools that fit somewhat.
        """
        content = said.content()
        best: Match | None = None
        for skill in self._skills:
            score = _score(content, skill.worth, self._spread)
            if score >= _SOMEWHAT and is_answered(skill):
                score += _ANSWERED
            if score >= _ENOUGH and (best is None or score > best.score):
                best = Match(skill, score)
        return best

    def farewell(self) -> Skill | None:
        """Return the tool that ends a call, if there is one."""
        return next((skill for skill in self._skills if skill.ends_calls), None)


def _says(words: Sequence[str], *wanted: str) -> bool:
    return any(stem(word) == stem(other) for word in words for other in wanted)


def _vocabulary(tool: ToolDefinition, parameters: Sequence[Parameter]) -> dict[str, float]:
    worth: dict[str, float] = {}

    def add(words: Sequence[str], value: float) -> None:
        for word in words:
            worth[stem(word)] = max(worth.get(stem(word), 0.0), value)

    for parameter in parameters:
        add(split_name(parameter.name), _PARAMETER)
        add(words_of(parameter.description), _PARAMETER)
        for choice in parameter.choices:
            add(split_name(str(choice)), _CHOICE)
    add(words_of(tool.description or ""), _DESCRIPTION)
    add([word for word in split_name(tool.name) if stem(word) not in _GENERIC_NAMES], _NAME)
    return worth


def _score(content: Sequence[str], vocabulary: dict[str, float], spread: Counter[str]) -> float:
    """Add up the best match of each word said. A word that many tools share says less about each."""
    matched = [
        max((likeness(word, other) * worth / spread[other] for other, worth in vocabulary.items()), default=0.0)
        for word in dict.fromkeys(content)
    ]
    hits = sum(1 for value in matched if value)
    # One word in a long sentence is a coincidence unless it is the tool's name.
    return sum(matched) * (1.0 if hits * 4 >= len(matched) else 0.6)
