"""Intent recognition: which tool a turn is about, by the overlap of its words with the words of the tools."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from pydantic_ai.tools import ToolDefinition

from voice_host.models.demo.numbers import number_at
from voice_host.models.demo.parameters import Parameter, parameters_of
from voice_host.models.demo.utterance import Utterance
from voice_host.models.demo.words import ALIKE, RELATED, SAME, content_of, likeness, listed, split_name, stem

_NAME, _DESCRIPTION, _CHOICE, _PARAMETER = 3.0, 1.6, 1.2, 0.8
"""What a matching word is worth, by where the tool says it. Tuned on the utterances of the tests."""

_PHRASE, _ANSWERED, _COVERED, _QUESTION, _INTENT = 0.8, 0.6, 0.6, 1.2, 0.5
"""What else counts: two words of the description in a row, a turn that holds all the tool needs, one in which no word
is left over, a question word, and a wish for a tool that does something, or a question for one that tells something."""

CERTAIN, ENOUGH, SOMEWHAT = 1.9, 1.2, 0.7
_CLOSE = 0.25
_GENERIC = frozenset(
    map(stem, listed("get fetch run do make tool api handle set put take give start find look check show"))
)
"""Words of names and descriptions that say little about what a tool is for."""
_ASKING = frozenset(
    map(
        stem,
        listed("get tell find check show list look read search give explain describe report return is see count track"),
    )
)
_KNOWING = frozenset(map(stem, listed("know ask hear information")))
_UNDOING = frozenset(map(stem, listed("cancel delete remove stop block undo end reverse revoke refund")))
_ALTERING = frozenset(map(stem, listed("change move reschedule postpone")))
"""What is done to something that is there already: "move my appointment" is hardly for a tool that makes one."""
_ADJUSTING = frozenset(map(stem, listed("set adjust turn switch dim")))

_QUESTION_WORDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("where", ("where", "address", "location")),
    ("when", ("when", "time")),
    ("how much", ("price", "cost", "fee")),
    ("how long", ("duration", "long")),
    ("how do i get", ("way", "directions", "where")),
    ("find you", ("way", "directions", "where", "address")),
)
"""What questions are about, in words that a description may have."""

_FUNCTION_WORDS = frozenset(
    listed("a an the to of in on is are and or for at by with it be as from that this when for")
)


class Intent:
    """A tool, and what the demo model reads from it once for a conversation.

    Attributes:
        parameters: required ones first.
        usable: whether all that it requires can be filled by word matching.
        trigger: the words by which it is called for; they are never values of its parameters.
        topic: the words of its description, by which it may be called for as well.
        worth: its words, each with what a match is worth.
    """

    def __init__(self, tool: ToolDefinition) -> None:
        self.tool = tool
        self.parameters = parameters_of(tool)
        self.required = tuple(parameter for parameter in self.parameters if parameter.required)
        self.usable = all(parameter.kind != "unsupported" for parameter in self.required)
        self.trigger = frozenset(split_name(tool.name))
        self.topic = frozenset(content_of(tool.description or ""))
        self.worth = _vocabulary(tool, self.parameters)
        self._described = re.findall(r"[\w']+", (tool.description or "").lower())
        self._pairs = {
            pair for pair in zip(self._described, self._described[1:], strict=False) if not _FUNCTION_WORDS & set(pair)
        }

    def is_named(self, said: Utterance) -> bool:
        """Whether a word of its name was said, or one that means the same."""
        places = (at for at in said.meaningful() if at not in said.negated)
        return any(likeness(said.words[at], word) >= RELATED for at in places for word in self.trigger)

    def parameter(self, name: str | None) -> Parameter | None:
        return next((parameter for parameter in self.parameters if parameter.name == name), None)

    @cached_property
    def only_asks(self) -> bool:
        """Whether calling it changes nothing, as far as its name and the first word of its description tell."""
        first = [*split_name(self.tool.name)[:1], *self._described[:1]]
        return any(stem(word) in _ASKING for word in first)

    @cached_property
    def makes(self) -> bool:
        """Whether it makes something, rather than to set what is there."""
        return _ADJUSTING.isdisjoint(map(stem, (*self.trigger, *self.topic)))

    @cached_property
    def ends_calls(self) -> bool:
        """Whether it hangs up and can be called without asking."""
        words = [*split_name(self.tool.name), *content_of(self.tool.description or "")]
        hangs_up = any(likeness(word, "goodbye") > ALIKE for word in words)
        ends = _says(words, "end", "finish", "terminate") and _says(words, "call", "conversation", "session")
        return (hangs_up or ends) and not self.required

    def is_meant(self, said: Utterance) -> bool:
        """Whether the tool itself was mentioned, rather than only something that could be one of its values."""
        places = [at for at in said.meaningful() if self.only_asks or at not in said.negated]
        own = {*self.trigger, *self.topic}
        own -= {
            word for parameter in self.parameters for choice in parameter.choices for word in split_name(str(choice))
        }
        asked = any(self._answers(said, question, signs) for question, signs in _QUESTION_WORDS)
        return asked or any(likeness(said.words[at], word) >= RELATED for at in places for word in own)

    def _answers(self, said: Utterance, question: str, signs: Sequence[str]) -> bool:
        return said.has(question) and any(sign in self._described or sign in self.trigger for sign in signs)

    def is_about(self, words: Sequence[str]) -> bool:
        """Whether one of the words is of its name, or means the same."""
        return any(likeness(word, own) >= RELATED for word in words for own in self.trigger)

    def is_undone_by(self, word: str) -> bool:
        """Whether a word takes back or changes what it does: "cancel" for a tool that books."""
        opposite = stem(word) in _UNDOING or (stem(word) in _ALTERING and self.makes)
        return opposite and not any(likeness(word, own) for own in self.worth)

    def needs_offer(self, said: Utterance) -> bool:
        """Whether nobody has asked for it in so many words, though it fits: it is offered before anything is done.

        That goes for tools that do something: "I lost my card" is no order to block it, nor is "do you take bookings?".
        """
        told = said.is_statement and not self.is_about(said.openings)
        return not self.only_asks and (said.asks_to_know or told or not self.is_meant(said))

    def score(self, said: Utterance, wanted: Sequence[str], spread: Counter[str]) -> float:
        """Add up the best match of each word said. A word that many tools share says less about each.

        Args:
            wanted: the words of the turn that say something.
            spread: how many tools have a word, by its stem.
        """
        if any(map(self.is_undone_by, wanted)):  # "stop the timer" is not for the tool that starts it
            return 0.0
        if not self.only_asks:
            wanted = [word for word in wanted if any(said.words[at] == word for at in said.affirmed)]
        best = [self._best(word, spread) for word in wanted]
        hits = sum(1 for value, _ in best if value)
        # One word in a long sentence is a coincidence unless it is the tool's name.
        total = sum(value for value, _ in best) * (1.0 if hits * 4 >= len(best) else 0.6)
        total += _COVERED if wanted and hits == len(wanted) else 0.0
        for question, signs in _QUESTION_WORDS:
            if self._answers(said, question, signs):
                total += _QUESTION
        pairs = zip(said.words, said.words[1:], strict=False)
        phrases = sum(pair in self._pairs for at, pair in enumerate(pairs) if self.only_asks or at in said.affirmed)
        total += _PHRASE * phrases + self._suits(said) if total or phrases else 0.0
        # Where no word is the tool's own, but only like one of them, it stays a guess.
        return total if phrases or any(same for _, same in best) else min(total, CERTAIN - _COVERED - 0.01)

    def _best(self, word: str, spread: Counter[str]) -> tuple[float, bool]:
        """Return what a word is worth for this tool, and whether it is one of the tool's own."""
        alike = [(likeness(word, other), other, worth) for other, worth in self.worth.items()]
        value = max((like * worth / spread[stem(other)] for like, other, worth in alike), default=0.0)
        return value, stem(word) not in _GENERIC and any(like == SAME for like, _, _ in alike)

    def _suits(self, said: Utterance) -> float:
        """Weigh the kind of turn: a wish goes to a tool that does something, a question to one that tells something."""
        first = self._described[:1]
        # To undo something has to be asked for.
        if any(stem(word) in _UNDOING and not any(likeness(word, other) for other in said.words) for word in first):
            return -_INTENT
        if said.is_wish:
            return 0.0 if self.only_asks else _INTENT
        return _INTENT if self.only_asks and said.is_question else 0.0


@dataclass(frozen=True)
class Match:
    """A tool that may have been meant. From the score `CERTAIN` on it is, unless a `rival` is as good."""

    intent: Intent
    score: float
    rival: Intent | None = None


class Intents:
    """What an agent can do."""

    def __init__(self, tools: Sequence[ToolDefinition]) -> None:
        self.all = [intent for intent in map(Intent, tools) if intent.usable]
        self._spread = Counter(shared for intent in self.all for shared in set(map(stem, intent.worth)))

    def best_match(self, said: Utterance, answered: Callable[[Intent], float]) -> Match | None:
        """Return the tool that fits best; None when none fits well enough.

        Args:
            answered: tells which share of what a tool requires was said; asked only of tools that fit somewhat.
        """
        read = [(start, number_at(said, start)) for start in range(len(said.words))]
        numbers = {at for start, number in read if number for at in range(start, number.end)}
        wanted = list(dict.fromkeys(said.words[at] for at in said.meaningful() if at not in numbers))
        scores: list[tuple[float, Intent]] = []
        for intent in self.all:
            score = intent.score(said, wanted, self._spread)
            if score >= SOMEWHAT:
                score += _ANSWERED * answered(intent)
            if score >= ENOUGH:
                scores.append((score, intent))
        if not scores:
            return None
        scores.sort(key=lambda scored: -scored[0])
        best, intent = scores[0]
        wished = intent.only_asks and said.is_wish and not any(stem(word) in _ASKING | _KNOWING for word in said.words)
        rivals = (other for score, other in scores[1:2] if best - score < _CLOSE)
        if wished:  # for something to be done
            rivals = (other for score, other in scores[1:] if score >= CERTAIN and not other.only_asks)
        return Match(intent, best, next(rivals, None))

    def farewell(self) -> Intent | None:
        """Return the tool that ends a call, if there is one."""
        return next((intent for intent in self.all if intent.ends_calls), None)


def is_taken_back_by(verb: str) -> bool:
    """Whether a verb asks for something to be undone or changed that is there already."""
    return stem(verb) in _ALTERING | _UNDOING


def _says(words: Sequence[str], *wanted: str) -> bool:
    return any(stem(word) == stem(other) for word in words for other in wanted)


def _vocabulary(tool: ToolDefinition, parameters: Sequence[Parameter]) -> dict[str, float]:
    worth: dict[str, float] = {}

    def add(words: Sequence[str], value: float) -> None:
        for word in words:
            worth[word] = max(worth.get(word, 0.0), value)

    for parameter in parameters:
        add(split_name(parameter.name), _PARAMETER)
        add(content_of(parameter.description), _PARAMETER)
        for choice in parameter.choices:
            add(split_name(str(choice)), _CHOICE)
    described, named = content_of(tool.description or ""), split_name(tool.name)
    add([word for word in described if stem(word) not in _GENERIC], _DESCRIPTION)
    add([word for word in described if stem(word) in _GENERIC], _PARAMETER)
    add([word for word in named if stem(word) not in _GENERIC], _NAME)
    return worth
