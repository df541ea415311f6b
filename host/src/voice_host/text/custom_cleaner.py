"""A custom cleaner in place of the built-in wording. Spans are found by comparing its input and output."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from difflib import SequenceMatcher

from voice_host.text.classify import PLAIN_WORDS
from voice_host.text.spans import Kind, Span, Worded
from voice_host.text.wording import Wording

_log = logging.getLogger(__name__)

_MOST_WORDS = 100
"""Longer texts, such as a block of code, are not compared: that takes cubic time in the number of words at worst."""
_FALLBACK = Wording()
_WORD = re.compile(r"\S+")


class CustomCleaner:
    """Words clauses by a function from text to text.

    Args:
        clean: returns a clause, or the rest of one whose first words were already spoken, as it should be spoken. It
            must not change plain prose, which is spoken before it sees it. If it fails for a clause, the failure is
            logged and the built-in normalization is used.
    """

    def __init__(self, clean: Callable[[str], str]) -> None:
        self._clean = clean

    def word(self, written: str, *, start: int = 0, before: str = "") -> Worded:
        """Word `written[start:]`."""
        rest = written[start:]
        try:
            spoken = self._clean(rest)
            if not isinstance(spoken, str):
                raise TypeError(f"a cleaner returns str, not {type(spoken).__name__}")
        except Exception as error:  # noqa: BLE001 (custom code: its failure must not end the call)
            _log.exception("the cleaner failed with %s, so a clause is normalized by the host", type(error).__name__)
            return _FALLBACK.word(written, start=start, before=before)
        return Worded(_spans(rest, spoken), lambda place: place, len(rest))

    def plain_until(self, text: str, start: int) -> int:
        """Return the index up to which the text from `start` is spoken as it is written, whatever follows."""
        plain = PLAIN_WORDS.match(text, start)
        return plain.end() if plain else start


def _spans(written: str, spoken: str) -> list[Span]:
    """Divide a text at the points where its words start or stop being the same as those of `spoken`."""
    if written == spoken:
        return [Span(0, len(written), written, Kind.PLAIN)]
    places = [match.span() for match in _WORD.finditer(written)]
    said = spoken.split()
    if max(len(places), len(said)) > _MOST_WORDS:
        return [Span(0, len(written), spoken.strip(), Kind.REWRITTEN)]
    spans: list[Span] = []
    begin = 0
    matcher = SequenceMatcher(None, [written[start:end] for start, end in places], said, autojunk=False)
    for operation, _, last, first_said, last_said in matcher.get_opcodes():
        end = places[last - 1][1] if last else 0
        if operation == "equal":
            spans.append(Span(begin, end, written[begin:end], Kind.PLAIN))
        else:
            spans.append(Span(begin, end, " ".join(said[first_said:last_said]), Kind.REWRITTEN))
        begin = end
    return spans
