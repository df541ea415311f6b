"""Spans of written text with the words that are spoken for them, and the mapping from spoken words to the text."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """The class of a span of written text."""

    PLAIN = "plain"
    MARKUP = "markup"
    PRONUNCIATION = "pronunciation"
    ABBREVIATION = "abbreviation"
    ADDRESS = "address"
    CARDINAL = "cardinal"
    CODE = "code"
    DATE = "date"
    FRACTION = "fraction"
    MEASURE = "measure"
    MONEY = "money"
    NAME = "name"
    """Digits that identify something: a room, a flight, an account."""
    ORDINAL = "ordinal"
    RANGE = "range"
    REWRITTEN = "rewritten"
    """Worded by a custom cleaner."""
    SYMBOL = "symbol"
    TELEPHONE = "telephone"
    TIME = "time"
    WEEKDAY = "weekday"
    YEAR = "year"


class Reading(NamedTuple):
    """The result of a rule at a position: the end of the span, its words and its kind."""

    end: int
    spoken: str
    kind: Kind


class Span(NamedTuple):
    """`text[start:end]` and how it is spoken. The text of a plain span is spoken as it is."""

    start: int
    end: int
    spoken: str
    kind: Kind


class SpokenWord(NamedTuple):
    """One spoken word and its position in the written text.

    A span counts as spoken once its last word is. So all its words but the last end where the span starts, and all but
    the first start where it ends.
    """

    text: str
    start: int
    end: int


_SPACES = frozenset(["", *" \t\n"])
_NO_SPACE_AFTER = frozenset(["", *" \t\n([{\"'“‘-–—"])
_NO_SPACE_BEFORE = frozenset(["", *" \t\n)]}.,;:!?\"'”’-–—…"])
_STOP = re.compile(r"\.(?=\s|\Z)")
_WORD = re.compile(r"\S+")


def _as_written(place: int) -> int:
    return place


class Worded:
    """A written text with the words for the voice.

    Args:
        spans: of the text that was classified, in order and without overlaps.
        written_at: for each index that `spans` count in, the index in the written text.
        length: of the written text, which the spans cover.
        preceding: the character before the first span, or nothing.

    Attributes:
        spoken: the text for the voice. The words of a span are separated by spaces from adjacent letters.
    """

    __slots__ = ("_length", "_preceding", "_spans", "_written_at", "spoken")

    def __init__(self, spans: list[Span], written_at: Callable[[int], int], length: int, preceding: str = "") -> None:
        self._spans = spans
        self._written_at = written_at
        self._length = length
        self._preceding = preceding
        if len(spans) == 1 and spans[0].kind is Kind.PLAIN:
            self.spoken = spans[0].spoken
        else:
            self.spoken = "".join(piece.space + piece.spoken for piece in _pieces(spans, preceding))

    @classmethod
    def plain(cls, text: str) -> Worded:
        """Return a text that is spoken as it is written."""
        return cls([Span(0, len(text), text, Kind.PLAIN)], _as_written, len(text))

    @property
    def spans(self) -> tuple[Span, ...]:
        """Cover the written text, in order and without overlaps."""
        if not self._spans:
            return (Span(0, self._length, "", Kind.MARKUP),) if self._length else ()
        places = [0, *(self._written_at(span.start) for span in self._spans[1:]), self._length]
        return tuple(
            Span(start, end, span.spoken, span.kind)
            for start, end, span in zip(places, places[1:], self._spans, strict=False)
        )

    @property
    def words(self) -> tuple[SpokenWord, ...]:
        """Those of `spoken`, divided at white space."""
        pieces = _pieces(self._spans, self._preceding)
        words: list[SpokenWord] = []
        index, reached = 0, self._spans[0].start if self._spans else 0
        for match in _WORD.finditer(self.spoken):
            begin, end = match.span()
            while pieces[index].end <= begin:
                index += 1
            first = pieces[index]
            continues = first.span.kind is not Kind.PLAIN and begin > first.start
            start = first.span.end if continues else reached
            while pieces[index].end < end:
                index += 1
            last = pieces[index]
            if last.span.kind is Kind.PLAIN:
                reached = last.span.end - (last.end - end)
            else:
                reached = last.span.end if last.end == end else last.span.start
            words.append(SpokenWord(match.group(), self._place(start), self._place(reached)))
        return tuple(words)

    def _place(self, index: int) -> int:
        """Where in the written text an index of the classified one is; what precedes the first span belongs to it."""
        return self._written_at(index) if index > self._spans[0].start else 0


class _Piece(NamedTuple):
    """What a span adds to the spoken text."""

    span: Span
    space: str
    spoken: str
    start: int  # of `spoken` in the spoken text
    end: int


def _pieces(spans: list[Span], last: str) -> list[_Piece]:
    """Join spans after the character `last`: words that replace something are set off from letters beside them."""
    pieces: list[_Piece] = []
    length, after_words = 0, False
    for span in spans:
        spoken, space = span.spoken, False
        if span.kind is Kind.PLAIN:
            if after_words and last == "." and _STOP.match(spoken):
                spoken = spoken[1:]  # "p.m." and the stop of the sentence
            elif pieces and not pieces[-1].spoken and last in " \n":
                spoken = spoken.lstrip(" ")  # the space before what is not spoken is enough
            space = after_words and last not in _NO_SPACE_AFTER and spoken[:1] not in _NO_SPACE_BEFORE
        else:
            space = bool(spoken) and last not in _NO_SPACE_AFTER
            after_words = True
        if span.kind is Kind.REWRITTEN or (pieces and pieces[-1].span.kind is Kind.REWRITTEN):
            space = last not in _SPACES and spoken[:1] not in _SPACES  # words are only known to be divided by space
        start = length + space
        length = start + len(spoken)
        pieces.append(_Piece(span, " " if space else "", spoken, start, length))
        if spoken:
            last, after_words = spoken[-1], span.kind is not Kind.PLAIN
    return pieces
