"""Text for the voice: what a model writes, as a person would say it."""

from __future__ import annotations

import re

from voice_host.text.dates import say_dates, say_times, say_weekday_ranges
from voice_host.text.markup import strip_markup
from voice_host.text.money import say_money
from voice_host.text.phones import say_phone_numbers
from voice_host.text.quantities import say_numbers, say_quantities
from voice_host.text.symbols import say_abbreviations, say_addresses, say_symbols

_DIGIT = re.compile(r"\d")
_SPACES = re.compile(r"[ \t]{2,}|\t")
_AROUND_NEWLINE = re.compile(r" ?\n[\n ]*")
_BEFORE_PUNCTUATION = re.compile(r" (?=[,.;:!?…](?:\s|\Z))")
_EMPTY_BRACKETS = re.compile(r"\( ?\)")
_COMMAS = re.compile(r",(?: ?,)+")
_LEADING_PUNCTUATION = re.compile(r"\A(?:[,;:] ?)+")
_MOST_PASSES = 4


def normalize_voice_text(text: str) -> str:
    """Return `text` as it should be spoken in English; plain prose is returned as it is.

    Markdown, code, links and pictographs are taken out; numbers, dates, money, units, abbreviations and symbols become
    words. Idempotent, linear in the length of the text, and defined for every string.

    The white space around a clause is kept, so that clauses cleaned one by one read as if cleaned together; a clause
    of which nothing is left becomes empty. What marks the beginning of a line (`- `, `1. `, `# `) counts at the start
    of the text and after a newline: cut a text before its white space, as `ClauseSplitter` does.
    """
    for _ in range(_MOST_PASSES):
        spoken = _speak(text)
        if spoken == text:
            break
        text = spoken
    return text


class VoiceCleaner:
    """`normalize_voice_text` as an object: what `VoiceSessionHandler(cleaner=...)` takes. Without state; share it."""

    def normalize(self, text: str) -> str:
        """Return `text` as it should be spoken."""
        return normalize_voice_text(text)

    def clean(self, text: str) -> str:
        """Return `text` as it should be spoken."""
        return normalize_voice_text(text)

    def __call__(self, text: str) -> str:
        """Return `text` as it should be spoken."""
        return normalize_voice_text(text)


def _speak(text: str) -> str:
    """Make one pass. Taking out one thing may bring forth another: `[[a](b)](c)`."""
    words = say_weekday_ranges(say_addresses(strip_markup(text)))
    if _DIGIT.search(words):
        words = say_times(say_dates(words))
        words = say_abbreviations(words)
        words = say_quantities(say_money(say_phone_numbers(words)))
        words = say_numbers(say_symbols(words))
    else:
        words = say_symbols(say_abbreviations(words))
    return words if words == text else _tidy(words, text)


def _tidy(words: str, written: str) -> str:
    """Close the gaps that were left, and restore the white space around the clause."""
    words = _AROUND_NEWLINE.sub("\n", _SPACES.sub(" ", words))
    words = _EMPTY_BRACKETS.sub("", words)
    words = _COMMAS.sub(",", _BEFORE_PUNCTUATION.sub("", _SPACES.sub(" ", words)))
    words = _LEADING_PUNCTUATION.sub("", words.strip()).strip()
    if not words:
        return ""
    leading = written[: len(written) - len(written.lstrip())]
    return leading + words + written[len(written.rstrip()) :]
