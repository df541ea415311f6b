"""Words as the demo model sees them: tokens of what was said, their stems, and how alike two of them are.

Written for recognised speech: no punctuation, no case, and now and then a word that was misheard.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import lru_cache

MAX_WORDS = 60
MAX_WORD_LENGTH = 40

_TOKEN = re.compile(r"\w+(?:[.:/@'’-]+\w+)*")
_MERIDIEM = re.compile(r"(\d{1,2}(?:[:.]\d{2})?)([ap])\.?m\.?")


def listed(words: str) -> list[str]:
    """Words written as one string, which reads better than a list of many literals."""
    return words.split()


STOP_WORDS = frozenset(
    listed("""
    a about actually all also am an and any anything are as at be because been but by can could did do does doing
    dont for from get give given go going got had has have he hello help her hey hi him his how i i'd i'll i'm i've id
    if ill im in into is it it's its ive just kind know let let's like make maybe me mine my need no not now of okay ok
    on one or our out over please really right said say she should so some something sorry sure take tell than thank
    thanks that that's the their them then there they thing this to too try uh uhm um up us use user very want was we
    well were what what's whats when where which who why will with without would yeah yes you your""")
)
"""Words that say nothing about what is wanted."""

_SYNONYMS = (
    "open opened close closed closing hours schedule",
    "book reserve reservation",
    "find search lookup look check retrieve seek",
    "cancel delete remove",
    "change update modify move reschedule edit",
    "weather forecast temperature rain sunny climate",
    "price cost expensive charge fee",
    "page website site web url link",
    "visit read browse fetch load",
    "guest people person seat",
    "hang hangup goodbye bye disconnect",
    "buy purchase order",
    "mail email",
    "picture photo image",
    "add plus sum",
)


@dataclass
class Said:
    """What was said, token by token. Tokens that became the value of a parameter are marked as used.

    Attributes:
        tokens: in lower case; times as `7:30`, `7 pm`.
        raw: the same tokens as they came.
    """

    tokens: list[str]
    raw: list[str]
    used: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, text: str) -> Said:
        tokens: list[str] = []
        raw: list[str] = []
        text = text.replace("’", "'").replace("p.m", "pm").replace("a.m", "am")
        for match in list(_TOKEN.finditer(text))[:MAX_WORDS]:
            word = match.group()[:MAX_WORD_LENGTH] if "/" not in match.group() else match.group()
            joined = _MERIDIEM.fullmatch(word.lower())
            pieces = [joined.group(1), f"{joined.group(2)}m"] if joined else [word]
            raw += pieces
            tokens += [piece.lower() for piece in pieces]
        return cls(tokens, raw)

    def free(self, index: int) -> bool:
        return 0 <= index < len(self.tokens) and index not in self.used

    def take(self, start: int, end: int) -> str:
        """Mark the tokens from `start` up to `end` as used and return them as they came."""
        self.used.update(range(start, end))
        return " ".join(self.raw[start:end])

    def has(self, *phrases: str) -> bool:
        """Tell whether one of the phrases was said, as whole words."""
        text = f" {' '.join(self.tokens)} "
        return any(f" {phrase} " in text for phrase in phrases)

    def content(self) -> list[str]:
        """The unused words that say something."""
        return [token for index, token in enumerate(self.tokens) if index not in self.used and is_content(token)]


def is_content(token: str) -> bool:
    return token not in STOP_WORDS and token.removesuffix("'s") not in STOP_WORDS


def split_name(name: str) -> list[str]:
    """Split an identifier into its words: `book_table`, `bookTable` and `book-table` are `book`, `table`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ").replace("-", " ").lower().split()


def words_of(text: str) -> list[str]:
    """The words of a description that say something."""
    return [word for word in Said.of(text).tokens if is_content(word)]


@lru_cache(maxsize=4096)
def stem(word: str) -> str:
    """Reduce a word to what its forms share: `bookings`, `booked` -> `book`. Not a dictionary form."""
    word = word.removesuffix("'s")
    for suffix, rest in (("ings", ""), ("ing", ""), ("ies", "y"), ("ied", "y"), ("ed", ""), ("es", ""), ("s", "")):
        if word.endswith(suffix) and len(word) - len(suffix) >= 3 and not word.endswith("ss"):
            word = word.removesuffix(suffix) + rest
            break
    if len(word) > 4 and word[-1] == word[-2]:
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 3 else word


_GROUPS: dict[str, frozenset[int]] = {
    stem(word): frozenset(i for i, group in enumerate(_SYNONYMS) if stem(word) in map(stem, group.split()))
    for word in " ".join(_SYNONYMS).split()
}


@lru_cache(maxsize=8192)
def likeness(one: str, other: str) -> float:
    """Tell how alike two words are: 1 the same stem, 0.8 a synonym, 0.7 probably misheard, 0 different."""
    a, b = stem(one), stem(other)
    if a == b:
        return 1.0
    if _GROUPS.get(a, frozenset()) & _GROUPS.get(b, frozenset()):
        return 0.8
    return 0.7 if sounds_like(a, b) else 0.0


def sounds_like(one: str, other: str) -> bool:
    """Tell whether two longer words differ by about one sound."""
    if min(len(one), len(other)) < 5 or abs(len(one) - len(other)) > 2:
        return False
    return SequenceMatcher(None, one, other, autojunk=False).ratio() >= 0.8
