"""Single words: stop words, stems, and similarity in meaning or sound."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from functools import lru_cache


def listed(words: str) -> list[str]:
    """Return words written as one string, which reads better than a list of many literals."""
    return words.split()


STOP_WORDS = frozenset(
    listed("""
    a able about actually all almost already also am an and any anybody anyone anything are as at back be because
    been being but by can can't cannot could couldn't did didn't do does doesn't doing don't dont else even ever
    every exactly for from get gets getting give given go goes going gonna good got great had has have having he
    hello help her here hey hi him his how i i'd i'll i'm i've id if ill im in into is isn't it it's its itself ive
    just kind know let let's like likely maybe me mine much my myself need needs nice no not now of off oh ok okay
    on one or our out over please possible possibly really right said say see she should so some somebody someone
    something sorry still such sure take tell than thank thanks that that's the their them then there these they
    thing things think this those to today tomorrow tonight too try up us use user very wanna want wanted wants was
    we we'd we'll we're we've well were what what's whats when where which who who's why will with would yeah yes
    you you'd you'll you're you've your yours he'd he'll he's she'd she'll she's they'd they'll they're they've it'd
    it'll there's""")
)
"""Words that say nothing about which tool is wanted."""

_SYNONYMS = (
    "find search lookup look check retrieve seek",
    "cancel delete remove drop",
    "change update modify move reschedule edit",
    "renew refill repeat extend",
    "price cost expensive charge fee",
    "send transfer pay wire move",
    "buy purchase order",
    "deliver ship bring",
    "switch turn flip",
    "light lamp",
    "heat heating heater warm radiator temperature thermostat",
    "start begin launch set",
    "stop halt pause",
    "play listen hear",
    "music song track",
    "lock secure shut",
    "page website site web url link",
    "visit read browse fetch load",
    "people person guys human",
    "talk speak",
    "hang hangup goodbye bye disconnect",
    "mail email",
    "picture photo image",
    "add plus put",
    "address location directions way",
    "free available availability vacant",
    "doctor physician",
    "medicine medication drug pills",
    "prescription meds",
    "account balance",
    "block freeze",
    "lost stolen missing",
    "message note",
    "status progress track",
    "car vehicle",
    "taxi cab",
    "flight plane",
    "bill invoice",
    "repair fix broken",
    "store shop branch",
)
"""Everyday words that often stand for each other where somebody is asked to do something."""


def split_name(name: str) -> list[str]:
    """Split an identifier into its words: `send_money`, `sendMoney` and `send-money` are `send`, `money`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ").replace("-", " ").lower().split()


def is_content(word: str) -> bool:
    return word not in STOP_WORDS and word.removesuffix("'s") not in STOP_WORDS


def content_of(text: str) -> list[str]:
    """Return the words of a description that say something, in lower case."""
    return [word for word in re.findall(r"\w+(?:['’]\w+)?", text.lower()) if is_content(word)]


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

COMMANDS = frozenset(
    map(
        stem,
        listed("""
        add buy call cancel change check delete find get give leave lock look make order pay play put
        read remind remove repeat search send set show start stop switch tell transfer turn wake"""),
    )
)
"""The stems of verbs that orders begin with."""

SAME, RELATED, ALIKE = 1.0, 0.8, 0.6


@lru_cache(maxsize=16384)
def likeness(one: str, other: str) -> float:
    """Tell how alike two words are: `SAME` stem, `RELATED` in meaning or form, `ALIKE` in sound, or 0."""
    a, b = stem(one), stem(other)
    if a == b:
        return SAME
    if _GROUPS.get(a, frozenset()) & _GROUPS.get(b, frozenset()):
        return RELATED
    shorter, longer = sorted((a, b), key=len)
    if len(shorter) >= 5 and longer.startswith(shorter):  # "deliver", "delivery"
        return RELATED
    return ALIKE if sounds_like(a, b) else 0.0


@lru_cache(maxsize=16384)
def sounds_like(one: str, other: str) -> bool:
    """Whether two longer words begin alike and differ by about one sound."""
    if min(len(one), len(other)) < 5 or abs(len(one) - len(other)) > 2 or one[0] != other[0]:
        return False
    return SequenceMatcher(None, one, other, autojunk=False).ratio() >= 0.8
