"""What a caller said, word by word, as a recogniser or a keyboard gives it: with or without punctuation and case."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from voice_host.models.demo.words import is_content, listed

MAX_WORDS = 60
MAX_WORD_LENGTH = 40

_TOKEN = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\w+(?:[.:/@'-]+\w+)*")
_ASKED = re.compile(r"(what|where|who|when|how|why)'s", re.IGNORECASE)
_MERIDIEM = re.compile(r"(\d{1,2}(?:[:.]\d{2})?)([ap])m", re.IGNORECASE)
_WISHES = (
    "i want", "i need", "i'd like", "i would like", "can i get", "can i have", "could i get", "could i have",
    "i have to", "we need", "we want", "we'd like", "we would like", "can we get", "can we have", "let's",
)  # fmt: skip
_QUESTION_OPENINGS = frozenset(
    listed("what what's when where who who's why how which do does did is are was were will would should")
)
_REQUEST_OPENINGS = frozenset(listed("can could may please"))
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
    """

    words: list[str]
    raw: list[str]
    pauses: set[int] = field(default_factory=set)
    cased: bool = False
    ends_asking: bool = False
    used: set[int] = field(default_factory=set)

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
        return said

    def part(self, start: int, end: int) -> Utterance:
        """Return some of the words as an utterance of their own."""
        return Utterance(
            self.words[start:end],
            self.raw[start:end],
            {index - start for index in self.pauses if start <= index < end},
            self.cased,
            self.ends_asking,
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
        """Tell whether one of the phrases was said, as whole words."""
        text = f" {' '.join(self.words)} "
        return any(f" {phrase} " in text for phrase in phrases)

    @property
    def is_wish(self) -> bool:
        """Whether it asks for something to be done."""
        return self.has(*_WISHES) and self.words[0] not in _QUESTION_OPENINGS

    @property
    def is_question(self) -> bool:
        """Whether it asks for something to be told."""
        return bool(self.words) and (self.words[0] in _QUESTION_OPENINGS or (self.ends_asking and len(self.words) > 3))

    @property
    def is_request(self) -> bool:
        """Whether it begins as no answer does."""
        return self.is_wish or self.is_question or (bool(self.words) and self.words[0] in _REQUEST_OPENINGS)

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
