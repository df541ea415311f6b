"""Symbols, as a person would read them in their context."""

from __future__ import annotations

import re

from voice_host.text.currencies import CURRENCIES
from voice_host.text.naming import naming_before
from voice_host.text.numbers import SUBSCRIPTS, SUPERSCRIPTS, digits, power
from voice_host.text.spans import Kind, Reading
from voice_host.text.units import PER, UNITS, stop_of_unit

_WORDS = {
    **{"&": "and", "@": "at", "+": "plus", "=": "equals", "%": "percent", "‰": "per mille", "°": "degrees"},
    **{"×": "times", "÷": "divided by", "±": "plus or minus", "≈": "approximately", "≠": "is not", "≤": "at most"},
    **{"≥": "at least", "→": "to", "√": "the square root of", "∞": "infinity", "№": "number", "⁄": "slash"},
    **{"|": ",", "¢": "cents", "℃": "degrees Celsius", "℉": "degrees Fahrenheit", "″": "inches", "′": "feet"},
    **{sign: currency.many for sign, currency in CURRENCIES.items() if len(sign) == 1},
}
DROPPED = "[]{}<>*_`~^#\\/¶†‡¬¦"
CHARACTERS = "".join(_WORDS) + DROPPED

_SPACE = " "
_COMPARISON = re.compile(r"(<=|>=|=/=|!=|[-=]>|={2,}|<|>) ?(?=[\w(])")
_COMPARED = {"<=": "at most", ">=": "at least", "=/=": "is not", "!=": "is not", "->": "to", "=>": "to"}
_LESS_OR_MORE = {"<": "less than", ">": "more than"}
_MINUS = re.compile(rf"[-−](?=\.?\d|[{re.escape(''.join(s for s in CURRENCIES if len(s) == 1))}]\d)")
_DIGIT_OR_MONEY = re.compile(rf" ?(?:\.?\d|[{re.escape(''.join(s for s in CURRENCIES if len(s) == 1))}½⅓⅔¼¾])")
_NUMBER_SIGN = re.compile(r"# ?\d|(?<=[a-z] )#(?=:| (?:is|was)\b)")
_KEY = re.compile(r"\b(?:press|hit|key|dial|enter) \Z", re.IGNORECASE)
_PER = re.compile(r" ?/ ?([A-Za-zµμ]{1,9}[²³]?)(?![\w/])")
_SUPERSCRIPT = re.compile(r"[⁺⁻]?[⁰¹²³⁴-⁹]{1,8}|[⁺⁻]")
_SUBSCRIPT = re.compile(r"[₀-₉]{1,8}")
_RATE_BEFORE = re.compile(r"(?:[\d%)¢$€£¥₹]|[a-z]{3,})\Z")


def symbol(text: str, start: int) -> Reading | None:
    """The words for the symbol at `start`, or none at all; None: it is left as it is."""
    character = text[start]
    before, after = text[max(0, start - 1) : start], text[start + 1 : start + 2]
    if character in "-−":
        if _MINUS.match(text, start) and not (before.isalnum() or (before in ")]" and before)):
            return Reading(start + 1, "minus", Kind.SYMBOL)
        return _compared(text, start) if text[start : start + 2] == "->" else _unsaid(text, start, character == "−")
    if character in "#~*^/" and (words := _in_context(text, start, character, before, after)):
        return words
    if character in "<>=!" and (words := _compared(text, start)):
        return words
    if match := _SUPERSCRIPT.match(text, start):
        return _raised(match, before)
    if match := _SUBSCRIPT.match(text, start):
        return Reading(match.end(), digits(match.group().translate(SUBSCRIPTS)), Kind.SYMBOL)
    if character in _WORDS:
        return Reading(start + 1, _WORDS[character], Kind.SYMBOL)
    return _unsaid(text, start, character in DROPPED)


def _unsaid(text: str, start: int, dropped: bool) -> Reading | None:
    if not dropped:
        return None
    return Reading(start + 1, "", Kind.SYMBOL)


def _raised(match: re.Match[str], before: str) -> Reading:
    exponent = match.group().translate(SUPERSCRIPTS)
    if before.isalnum() or before == ")":
        return Reading(match.end(), power(exponent), Kind.SYMBOL)
    return Reading(match.end(), digits(exponent), Kind.SYMBOL)


def _compared(text: str, start: int) -> Reading | None:
    match = _COMPARISON.match(text, start)
    if match is None:
        return None
    left = text[max(0, start - 2) : start]
    written = match[1]
    if set(written) == {"="}:
        return Reading(match.end(), "equals", Kind.SYMBOL)
    joined = bool(left.rstrip(_SPACE)) and (left.rstrip(_SPACE)[-1].isalnum() or left.rstrip(_SPACE)[-1] == ")")
    if written in _COMPARED:
        return Reading(match.end(), _COMPARED[written], Kind.SYMBOL) if joined else None
    numbers = text[match.end() : match.end() + 1].isdecimal()
    spaced = left[-1:] in ("", _SPACE) and (text[start + 1] == _SPACE or numbers)
    if (joined and spaced and text[start + 1] == _SPACE) or (
        numbers and (left[-1:] in ("", _SPACE, "\n") or left[-1:].isdecimal())
    ):
        return Reading(match.end(), _LESS_OR_MORE[written], Kind.SYMBOL)
    return None


def _in_context(text: str, start: int, character: str, before: str, after: str) -> Reading | None:
    words = ""
    if character == "#":
        if _NUMBER_SIGN.match(text, start) or (after.isalnum() and naming_before(text, start)):
            words = "number"
        elif before.isdecimal() or _KEY.search(text, max(0, start - 10), start):
            words = "pound"
        elif before in tuple("ABCDEFG") and not text[max(0, start - 2) : start - 1].isalnum():
            words = "sharp"
        elif after.isalnum():
            words = "hashtag"
    elif character == "~" and _DIGIT_OR_MONEY.match(text, start + 1):
        words = "about"
    elif character in "*^":
        left, right = (
            text[max(0, start - 2) : start].rstrip(_SPACE)[-1:],
            text[start + 1 : start + 3].lstrip(_SPACE)[:1],
        )
        if character == "*" and left.isdecimal() and right.isdecimal():
            words = "times"
        elif character == "^" and left.isalnum() and (right.isalnum() or right == "-"):
            words = "to the power of"
    elif character == "/":
        return _slash(text, start, before, after)
    return Reading(start + 1, words, Kind.SYMBOL) if words else None


def _slash(text: str, start: int, before: str, after: str) -> Reading | None:
    """What a slash means depends on what stands around it."""
    match = _PER.match(text, start)
    left = text[max(0, start - 12) : start].rstrip(_SPACE)
    if match and _RATE_BEFORE.search(left):
        unit = match[1]
        if unit.lower() in PER:
            return Reading(match.start(1), "per", Kind.SYMBOL)
        if unit in UNITS and (len(unit) > 1 or left[-1:].isdecimal()):
            return Reading(stop_of_unit(text, match.end()), f"per {UNITS[unit][0]}", Kind.SYMBOL)
    if before.isalpha() and after.isalpha():
        if before.islower() and (after.islower() or text[start + 2 : start + 3].islower()):
            return Reading(start + 1, "or", Kind.SYMBOL)
        if before.isupper() and after.isupper():
            return Reading(start + 1, "", Kind.SYMBOL)
    right = text[start + 1 : start + 3].lstrip(_SPACE)[:1]
    if left[-1:].isalnum() and right.isalnum():
        return Reading(start + 1, "slash", Kind.SYMBOL)
    return None
