"""A turn in words, from a recogniser or typed, with or without punctuation and capitals."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from voice_host.models.demo.words import COMMANDS, is_content, listed, stem

MAX_WORDS = 60
MAX_WORD_LENGTH = 40

_TOKEN = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\w+(?:[.:/@'-]+\w+)*")
_ASKED = re.compile(r"(what|where|who|when|how|why)'s", re.IGNORECASE)
_MERIDIEM = re.compile(r"(\d{1,2}(?:[:.]\d{2})?)([ap])m", re.IGNORECASE)
_WISHES = (
    "i want", "i need", "i'd like", "i would like", "can i get", "can i have", "could i get", "could i have",
    "i have to", "we need", "we want", "we'd like", "we would like", "can we get", "can we have", "let's",
    "i'll have", "i'll take", "we'll have", "we'll take",
)  # fmt: skip
_QUESTION_OPENINGS = frozenset(
    listed("what what's when where who who's why how which do does did is are was were will would should")
)
_BEFORE_QUESTIONS = frozenset(listed("okay ok so and well right exactly but oh hi hello hey sorry then actually"))
_REQUEST_OPENINGS = frozenset(listed("can could may please"))
_NEGATIONS = frozenset(
    listed("""
    not don't won't can't cannot couldn't wouldn't shouldn't didn't doesn't isn't aren't wasn't weren't haven't hasn't
    hadn't never without neither nor except dont wont cant couldnt wouldnt shouldnt didnt doesnt isnt havent""")
)
_DENYING_NOUNS = frozenset(listed("no without except neither nor"))
_SUBJECTS = frozenset(listed("you we i it there he she they that this"))
_HARMLESS = frozenset(listed("forget worry mind only find see remember hear"))
"""What "don't" and "can't" stand before without denying what follows: "don't forget the milk"."""
_ASKED_ABOUT = frozenset(listed("if whether what when where who which how why"))
_NEW_CLAUSES = frozenset(listed("but so can could please let's actually instead rather"))
_REQUESTS = tuple(f"{may} {who}" for may in listed("can could will would may") for who in listed("you i we"))
_PERSONS = frozenset(listed("i we he she they you i've we've you've my our"))
_THINGS = frozenset(listed("the it there this that somebody someone"))
_STATES = frozenset(listed("is are was were has have had isn't aren't does did"))
_HESITATIONS = frozenset(listed("um uh uhm er erm hm hmm ah"))


@dataclass
class Utterance:
    """The words of one turn. Words that became the value of a parameter are marked as used.

    Attributes:
        words: in lower case, without punctuation; times as `7:30`, `7`, `pm`.
        raw: the same words as they came.
        pauses: the indices of words that a comma, a full stop or the like follows.
        cased: whether names can be told by their capitals.
        ends_asking: whether it ends with a question mark.
        negated: the indices of words that the caller denies: all of "I don't want to go".
    """

    words: list[str]
    raw: list[str]
    pauses: set[int] = field(default_factory=set)
    cased: bool = False
    ends_asking: bool = False
    used: set[int] = field(default_factory=set)
    negated: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, text: str) -> Utterance:
        text = re.sub(r"\b([ap])\.\s?m\b\.?", r"\1m", text.replace("’", "'"), flags=re.IGNORECASE)
        said = cls([], [])
        for match in list(_TOKEN.finditer(text))[:MAX_WORDS]:
            for word in _pieces(match.group()):
                if word.lower() not in _HESITATIONS:
                    said.raw.append(word)
                    said.words.append(word.lower())
            if text[match.end() : match.end() + 1] in tuple(",.;:!?") and said.words:
                said.pauses.add(len(said.words) - 1)
        capitals = [word for word in said.raw if word[:1].isupper()]
        said.cased = bool(capitals) and (bool(said.pauses) or any(word not in ("I", said.raw[0]) for word in capitals))
        said.ends_asking = text.rstrip().endswith("?")
        said.negated = _negated(said.words, said.pauses)
        return said

    def part(self, start: int, end: int) -> Utterance:
        """Return some of the words as an utterance of their own."""
        return Utterance(
            self.words[start:end],
            self.raw[start:end],
            {index - start for index in self.pauses if start <= index < end},
            self.cased,
            self.ends_asking,
            negated={index - start for index in self.negated if start <= index < end},
        )

    def free(self, index: int) -> bool:
        return 0 <= index < len(self.words) and index not in self.used

    def word(self, index: int) -> str:
        """Return a word that is not used yet, or an empty string."""
        return self.words[index] if self.free(index) else ""

    def take(self, start: int, end: int) -> str:
        """Mark the words from `start` up to `end` as used and return them as they came."""
        self.used.update(range(start, end))
        return " ".join(self.raw[start:end])

    def has(self, *phrases: str) -> bool:
        """Whether one of the phrases was said, as whole words."""
        text = f" {' '.join(self.words)} "
        return any(f" {phrase} " in text for phrase in phrases)

    @property
    def affirmed(self) -> set[int]:
        """The indices of the words that are not denied."""
        return set(range(len(self.words))) - self.negated

    def affirms(self, *phrases: str) -> bool:
        """Whether one of the phrases was said and not denied: not the "hang up" of "don't hang up"."""
        text = f" {' '.join('-' if at in self.negated else word for at, word in enumerate(self.words))} "
        return any(f" {phrase} " in text for phrase in phrases)

    @property
    def is_wish(self) -> bool:
        """Whether it asks for something to be done."""
        return self.has(*_WISHES) and self.words[0] not in _QUESTION_OPENINGS

    @property
    def is_question(self) -> bool:
        """Whether it asks for something to be told."""
        first = next((word for word in self.words if word not in _BEFORE_QUESTIONS), "")
        return first in _QUESTION_OPENINGS or (self.ends_asking and len(self.words) > 3)

    @property
    def is_request(self) -> bool:
        """Whether it begins as no answer does."""
        return self.is_wish or self.is_question or (bool(self.words) and self.words[0] in _REQUEST_OPENINGS)

    @property
    def asks_to_know(self) -> bool:
        """Whether it is a question, other than "could you ...?", which wants something done."""
        return self.is_question and not self.has(*_REQUESTS)

    @property
    def openings(self) -> list[str]:
        """The first word, and the one after each pause: where an order has its verb."""
        return [self.words[at] for at in sorted({0, *(pause + 1 for pause in self.pauses)}) if at < len(self.words)]

    @property
    def is_statement(self) -> bool:
        """Whether it says how things are: "I lost my card", "the doors are open"."""
        if (
            not self.words
            or any(stem(word) in COMMANDS for word in self.openings)
            or self.is_wish
            or self.is_question
            or self.has(*_REQUESTS, "please")
        ):
            return False
        return self.words[0] in _PERSONS or bool(self.words[0] in _THINGS and _STATES.intersection(self.words[1:5]))

    def meaningful(self) -> list[int]:
        """Return the places of the unused words that say something."""
        return [index for index, word in enumerate(self.words) if index not in self.used and is_content(word)]


def _pieces(token: str) -> list[str]:
    """Cut a token where it holds several words: "7pm", "half-past", "what's"."""
    token = token if "/" in token else token[:MAX_WORD_LENGTH]
    if joined := _MERIDIEM.fullmatch(token):
        return [joined.group(1), f"{joined.group(2)}m"]
    if asked := _ASKED.fullmatch(token):
        return [asked.group(1), "is"]
    if "-" in token and not re.search(r"[\d@/]", token):
        return [piece for piece in token.split("-") if piece]
    return [token.replace(",", "")]


def _negated(words: Sequence[str], pauses: Collection[int]) -> set[int]:
    """Return the words of the clauses that deny something; of "with milk, without sugar" it is "without sugar"."""
    starts = sorted(
        {0, *(pause + 1 for pause in pauses), *(at for at, word in enumerate(words) if word in _NEW_CLAUSES)}
    )
    negated: set[int] = set()
    for start, end in zip(starts, [*starts[1:], len(words)], strict=True):
        denying = next((at for at in range(start, end) if _denies(words, pauses, at, start)), None)
        if denying is not None:
            negated.update(range(denying if words[denying] in _DENYING_NOUNS else start, end))
    return negated


def _denies(words: Sequence[str], pauses: Collection[int], at: int, start: int) -> bool:
    """Whether a word denies its clause, which begins at `start`."""
    word, after = words[at], "".join(words[at + 1 : at + 2])
    if word == "no":  # one of its own answers, or corrects what was said before
        return at > 0 and at not in pauses
    if word not in _NEGATIONS or after in _HARMLESS or (after == "know" and _ASKED_ABOUT & set(words[at + 2 : at + 3])):
        return False
    # "why don't we", "why not", "couldn't you"
    return not ((at > start and words[at - 1] == "why") or (at == start and word != "not" and after in _SUBJECTS))
