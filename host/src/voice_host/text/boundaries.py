"""Where a clause may end: the patterns and rules behind `ClauseSplitter`.

Every rule looks at a bounded neighbourhood of one candidate, so that the work per character is constant. A verdict is
True (a clause ends here), False (it does not) or None (it depends on characters that have not arrived yet).
"""

from __future__ import annotations

import re

from voice_host.text.lexicon import LAST_UNLESS_NUMBERED, MAY_BE_LAST, NEVER_LAST, SHORT_MONTHS, WEEKDAYS
from voice_host.text.units import UNITS

_CLOSERS = "\"'”’»›)]}*_`」』）】》〉"
_CLOSER = f"[{re.escape(_CLOSERS)}]"
_PICTOGRAPH = r"\u2190-\u2bff\U0001f000-\U0001faff"

BOUNDARY = re.compile(
    rf"""
    (?P<newline> \n )
  | (?P<fence> `+ | ~+ )
  | (?P<sentence> [.!?…‽。．｡！？।॥؟۔]+ {_CLOSER}* )
  | (?P<soft> [,;:،؛，、；：—–-] {_CLOSER}* )
    """,
    re.VERBOSE,
)
"""Whatever a clause may end with. A match that touches the end of the text may still grow."""

FENCE = re.compile(r"`+|~+")
_FENCE_LENGTH = 3

LETTER = re.compile(r"[^\W\d_]")

# Scripts that put no space after a full stop or a comma.
_SPACELESS_END = re.compile(r"[。｡！？।॥؟]")
_SPACELESS_COMMAS = frozenset("，、；：")
_AFTER_SENTENCE = re.compile(rf"[\s{_PICTOGRAPH}]")

_NEIGHBOURHOOD = 16  # characters: longer than any abbreviation below with what precedes it


def _stopped(*alternatives: str) -> re.Pattern[str]:
    """Match abbreviations with their stop, at the end of a text."""
    longest_first = sorted(alternatives, key=len, reverse=True)
    return re.compile(rf"(?<![\w.])(?:{'|'.join(longest_first)})\.\Z", re.IGNORECASE)


def _plain(*words: str) -> list[str]:
    return [re.escape(word) for word in words]


# Followed by what it belongs to: no clause ends here.
_LEADING_ABBREVIATION = _stopped(*_plain(*NEVER_LAST), r"[^\W\d_]")
# Abbreviations only in front of a number: "No. 5", but "No. That is wrong."
_NUMBERING_ABBREVIATION = _stopped(*_plain(*LAST_UNLESS_NUMBERED))
# May also be the last word of a sentence, so the next word decides.
_CLOSING_ABBREVIATION = _stopped(*_plain(*MAY_BE_LAST), r"(?:[^\W\d_]\.){1,4}[^\W\d_]")
_MONTHS = tuple(month for month in SHORT_MONTHS if month != "may")
# The same, and a small letter or a digit after it is enough: "5 min. by car", "$5/mo. for it", "Mon. to Fri."
_UNIT_OR_DAY = re.compile(
    rf"(?:(?:\d[ -]?|/)(?:in|{'|'.join(sorted((unit for unit in UNITS if unit.isalpha()), key=len, reverse=True))})"
    rf"|(?<!\w)(?:{'|'.join((*WEEKDAYS, *_MONTHS))}))\.\Z",
    re.IGNORECASE,
)
_DAY_IN_LIST = re.compile(rf"(?<!\w)(?:{'|'.join(WEEKDAYS)})\.?\Z", re.IGNORECASE)
SENTENCE_STARTER = re.compile(
    r"""\s+(?:
        The | This | That | There | These | Those | It | I | We | You | He | She | They | If | When | What | Which | Who
      | Where | Why | How | Is | Are | Was | Do | Does | Did | Can | Could | Would | Will | Shall | Should | May | Have
      | Please | Thanks | Thank | And | But | So | Or | Then | Also | Let | Yes | No | My | Our | Your | In | On | At
    )(?=[\s,.!?'’])""",
    re.VERBOSE,
)
"""White space and a word that is rarely a name."""
_NEXT_WORD = re.compile(r"\s+(?:\w+\W|[^\w\s])")
_NEXT_VISIBLE = re.compile(r"[^\S\n]*(\n|\S)")
_LIST_NUMBER = re.compile(r"(?:\A|[\n:;])\s{0,8}\(?\d{1,3}\.\Z")
_ENDS_SENTENCE = re.compile(rf"[.!?…‽。．｡！？।॥؟۔]{_CLOSER}{{0,4}}\Z")
_ENDS_SOFTLY = re.compile(r"(?<!\d)[,;:،؛，、；：—]\Z")


def is_fence(marker: str) -> bool:
    """Whether a run of backticks or tildes is long enough to fence code."""
    return len(marker) >= _FENCE_LENGTH


def sentence_may_end(text: str, start: int, end: int) -> bool | None:
    """Judge a sentence end with its closing quotes at `text[start:end]`; at least one character follows it."""
    if _SPACELESS_END.search(text, start, end):
        return True
    if not _AFTER_SENTENCE.match(text, end):
        return False  # a decimal, a web address, an initial: the next character belongs to it
    if text[end - 1] in _CLOSERS:
        following = _NEXT_VISIBLE.match(text, end)
        return None if following is None else not following[1].islower()
    if text[start:end] == ".":
        return _full_stop_may_end(text, end)
    return True


def _full_stop_may_end(text: str, end: int) -> bool | None:
    if _found(_LEADING_ABBREVIATION, text, end) or _found(_LIST_NUMBER, text, end):
        return False
    following = _NEXT_VISIBLE.match(text, end)
    if _found(_UNIT_OR_DAY, text, end):
        return None if following is None else not (following[1].islower() or following[1].isdigit())
    if _found(_NUMBERING_ABBREVIATION, text, end):
        return None if following is None else not following[1].isdigit()
    if _found(_CLOSING_ABBREVIATION, text, end):
        if following is not None and following[1] == "\n":
            return True
        return None if _NEXT_WORD.match(text, end) is None else SENTENCE_STARTER.match(text, end) is not None
    return True


def _found(pattern: re.Pattern[str], text: str, end: int) -> bool:
    return pattern.search(text, max(0, end - _NEIGHBOURHOOD), end) is not None


def soft_may_end(text: str, start: int, end: int) -> bool | None:
    """Judge a comma, semicolon, colon or dash at `text[start:end]`; at least one character follows it."""
    mark = text[start]
    if mark in _SPACELESS_COMMAS:
        return True
    following = _NEXT_VISIBLE.match(text, end)
    if following is None:
        return None
    if following[1].isdigit() and text[:start].rstrip()[-1:].isdigit():
        return False  # "November 22, 2026", "10 - 12", "1, 2, 3"
    if mark == "—":
        return True
    if mark == "," and _found(_DAY_IN_LIST, text, start):
        return False  # "Sat, Sun": among others it is a day
    return text[end].isspace() and (mark not in "-–" or text[start - 1 : start].isspace())


def may_end_here(text: str, soft_minimum: int) -> bool:
    """Return whether `text`, after which nothing has arrived for a while, is probably a whole clause.

    A full stop after a digit is not enough: the rest of a price may follow.
    """
    text = text.rstrip()
    if not LETTER.search(text):
        return False
    if _found(_ENDS_SOFTLY, text, len(text)):
        return len(text.lstrip()) >= soft_minimum
    if not _found(_ENDS_SENTENCE, text, len(text)):
        return False
    if text[-1] != "." or text[-2] == ".":
        return True
    return not (
        text[-2].isdigit()
        or _found(_LEADING_ABBREVIATION, text, len(text))
        or _found(_NUMBERING_ABBREVIATION, text, len(text))
    )
