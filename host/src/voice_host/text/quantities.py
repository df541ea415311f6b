"""Quantities: numbers with units, fractions, ratios and powers, and finally bare numbers."""

from __future__ import annotations

import re

from voice_host.text.lexicon import FIXED
from voice_host.text.naming import naming_before
from voice_host.text.numbers import (
    LONGEST_CARDINAL,
    SUPERSCRIPTS,
    Number,
    cardinal,
    digits,
    fraction,
    number,
    ordinal,
    power,
    read_long_number,
    read_number,
)
from voice_host.text.spans import Kind, Reading
from voice_host.text.units import PER, UNIT_WORDS, UNITS, VOWEL_SOUNDS, describes_noun, stop_of_unit

RANGE = re.compile(r" ?[-–—] ?(?=\.?\d)")

VULGAR = {
    **{"½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅖": (2, 5), "⅗": (3, 5)},
    **{"⅘": (4, 5), "⅙": (1, 6), "⅚": (5, 6), "⅐": (1, 7), "⅛": (1, 8), "⅜": (3, 8), "⅝": (5, 8), "⅞": (7, 8)},
    **{"⅑": (1, 9), "⅒": (1, 10)},
}
_MIXED_VULGAR = re.compile(rf"(?:(\d{{1,4}}) ?)?([{''.join(VULGAR)}])")
_FRACTION = re.compile(r"(?:(\d{1,4})[ -])?(\d{1,3})[/⁄](\d{1,3})(?![\w/]|\.\d)")
_SCORE = re.compile(r"(\d{1,3}(?:\.\d{1,2})?)/(5|10|100)(?![\w/]|\.\d)")
_SCORED = re.compile(
    r"\b(?:rat(?:ed|es?|ing)|scor(?:ed?|es|ing)|got|gave|give|gets?|grade[ds]?|at)\b[^.!?]{0,12}\Z", re.IGNORECASE
)
_STARS = re.compile(r" (?:stars?|points?|rating|score|overall|on\b)")
_SLASHED_NUMBERS = re.compile(r"(\d{1,15})/(?=\d)")
_FIXED = re.compile("(?:" + "|".join(re.escape(f) for f in sorted(FIXED, key=len, reverse=True)) + r")(?![\w/]|[.-]\d)")

_UNIT = re.compile(
    r"([ -]?)((?:sq|cu|fl)\.? ?[a-z]{1,2}\b|°[CF]?|[℃℉%‰″]|[A-Za-zµμ]{1,5}[²³]?|[kmc]?m[23])"
    r"(?:/([A-Za-zµμ]{1,6}[²³]?))?(?![\w²³'’]|/[^\W\d])"
)
_INITIAL = re.compile(r"[A-Z]\. [A-Z\d]")
_BITS_PER = re.compile(r"( ?)([kKMG]b(?:it)?)/s(?!\w)")
_INCHES = re.compile(
    r" ?in\b(?= (?:tall|wide|long|high|deep|thick|across|by|x|×|of (?:rain|snow))\b| ?[x×] ?\d|\Z|[.,;])"
)
_INCHES_STOP = re.compile(r" ?in\.(?=\s+[a-z])")
_AFTER_LENGTH = re.compile(r"\d ?(?:(?:ft|feet|foot|['’′])\.? |[x×] ?)\Z")
_QUOTED_INCHES = re.compile(r" ?[\"”″](?!\w)")
_NOUN_FOLLOWS = re.compile(
    r" (?!(?:and|or|by|x|in|is|are|was|of|to|for|from|at|on|with|tall|wide|long|high|deep)\b)[a-z]"
)
_QUOTATION = 200  # characters before an inch sign in which a quotation may have begun
_QUOTE = re.compile(r"(?<!\d)[\"“”]")
_HEIGHT = re.compile(r"(\d)['’′] ?(\d{1,2})(?:[\"”″]|(?!\w))")
_FEET = re.compile(r"['’′](?= ?(?:x|×|by|tall|wide|long|high|deep)\b)|′")
_DURATION = re.compile(r"(\d{1,3}) ?(?:(h)(?:rs?)?\.? ?([0-5]?\d) ?m|m(?:ins?)?\.? ?([0-5]?\d) ?s)(?![^\W\d])")
_UNIT_WORD = re.compile(r" ([A-Za-z]{2,12})\b")
_DECIMAL_COMMA_UNIT = re.compile(
    r"\d{1,9},\d{1,2}(?: ?[-–—] ?\d{1,9}(?:[.,]\d{1,2})?| (?:and|or|to) \d{1,9},\d{1,2})?([ -]?)"
)
_PART = re.compile(
    r" (cup|mile|teaspoon|tablespoon|inch|hour|pound|liter|litre|ounce|acre|pint|quart|gallon|year|kilometer|meter"
    r"|yard|foot)\b"
)

_ORDINAL = re.compile(r"(\d{1,12}|\d{1,3}(?:,\d{3}){1,3})(?:st|nd|rd|th)\b", re.IGNORECASE)
_TIMES = re.compile(r"x\b")
_RATIO = re.compile(r"(\d{1,4}):(\d{1,4})(?![\w:]|\.\d)")
_SUPERSCRIPT = re.compile(r"[⁺⁻]?[⁰¹²³⁴-⁹]{1,4}")
_SCALES = {"K": "thousand", "k": "thousand", "M": "million", "B": "billion", "bn": "billion", "mn": "million"}
_SCALE = re.compile(r"(bn|mn|[kKMB])(?!\w)(\+?)")
_PICTURE_SIZES = frozenset({"4", "8"})
_PICTURES = re.compile(
    r" (?:U?HD|TVs?|display|video|monitor|resolution|screen|camera|projector|content|movie|stream|footage|quality)",
    re.IGNORECASE,
)
_CAPITAL = re.compile(r" [A-Z]")
_RACE = re.compile(r" (?:run|race|walk|jog|course|fun)\b")
_COUNTED = re.compile(r"\+? (?:people|[a-z]{3,}s)\b")
_IDENTIFIER_DIGITS = 7


def fixed(text: str, start: int) -> Reading | None:
    """What is read in its own way: `24/7`."""
    match = _FIXED.match(text, start)
    return Reading(match.end(), FIXED[match.group()], Kind.CARDINAL) if match else None


# --- measures ---------------------------------------------------------------------------------------------------------


def measure(text: str, start: int) -> Reading | None:
    """`5 km`, `10-20 %`, `2,5 kg`, `2 1/4 tsp`, `a 5-min walk`, `2 kg/m²`, `6 ft 2 in`, `12"`."""
    if (mixed := _mixed(text, start)) and (match := _UNIT.match(text, mixed.end)) and (unit := _unit(match)):
        return Reading(_unit_end(text, match), _of(mixed.spoken, unit), Kind.MEASURE)
    if text[max(0, start - 1) : start] in (",", "."):
        return None
    comma = _has_decimal_comma(text, start)
    amount = read_number(text, start, decimal_comma=comma)
    if amount is None:
        return None
    upto = None
    if match := RANGE.match(text, amount.end):
        upto = read_number(text, match.end(), decimal_comma=comma)
    last = upto or amount
    if bits := _BITS_PER.match(text, last.end):
        return _measure(text, start, amount, upto, bits, UNITS[f"{bits[2][0].replace('K', 'k')}bps"])
    match = _UNIT.match(text, last.end)
    unit = _unit(match) if match else None
    if match is not None and unit is not None and not _INITIAL.match(text, match.start(2)):
        if match[1] == "-" and not text[match.end() : match.end() + 1].isspace():
            return None
        return _measure(text, start, amount, upto, match, unit)
    if comma:  # 12,5 degrees
        first = f"{amount.words} to " if upto else ""
        return Reading(last.end, first + last.words, Kind.MEASURE)
    return _length(text, start, amount, upto)


def duration(text: str, start: int) -> Reading | None:
    """`1h 45m`, where `m` is no meters, and `2m 30s`."""
    match = _DURATION.match(text, start)
    if match is None:
        return None
    units = ("hour", "minute") if match[2] else ("minute", "second")
    amounts = (int(match[1]), int(match[3] or match[4]))
    words = [f"{cardinal(n)} {unit}{'' if n == 1 else 's'}" for n, unit in zip(amounts, units, strict=True)]
    return Reading(match.end(), " ".join(words), Kind.MEASURE)


def _measure(
    text: str, start: int, amount: Number, upto: Number | None, match: re.Match[str], unit: tuple[str, str]
) -> Reading:
    one, many = unit
    end = _unit_end(text, match)
    first = f"{amount.words} to " if upto else ""
    last = upto or amount
    if match[1] == "-":
        return Reading(end, f"{first}{last.words}-{one}", Kind.MEASURE)
    singular = (last.is_one and not upto) or describes_noun(text, start, end)
    return Reading(end, f"{first}{last.words} {one if singular else many}", Kind.MEASURE)


def _unit(match: re.Match[str]) -> tuple[str, str] | None:
    written, per = match[2].replace(".", ""), match[3]
    if written.startswith(("sq", "cu", "fl")) and " " not in written and written not in UNITS:
        written = f"{written[:2]} {written[2:]}"
    if per is None:
        return UNITS.get(written)
    if (unit := UNITS.get(f"{written}/{per}") or UNITS.get(written)) is None:
        return None
    below = UNITS[per][0] if per in UNITS else per if per in PER else ""
    if per in ("s²", "s^2"):
        below = "second squared"
    return (f"{unit[0]} per {below}", f"{unit[1]} per {below}") if below else None


def _unit_end(text: str, match: re.Match[str]) -> int:
    return stop_of_unit(text, match.end()) if match.group()[-1].isalpha() else match.end()


def _has_decimal_comma(text: str, start: int) -> bool:
    """Whether `2,5` is one number: "2,5 kg" is two and a half where the metric units are at home."""
    match = _DECIMAL_COMMA_UNIT.match(text, start)
    if match is None:
        return False
    unit = _UNIT.match(text, match.start(1))
    if unit is not None and _unit(unit) is not None:
        return True
    word = _UNIT_WORD.match(text, match.start(1))
    return word is not None and word[1] in UNIT_WORDS


def _length(text: str, start: int, amount: Number, upto: Number | None) -> Reading | None:
    """Feet and inches, whose signs are also quotation marks and a preposition."""
    last = upto or amount
    if (match := _HEIGHT.match(text, start)) and not upto:
        return Reading(match.end(), f"{number(match[1])} foot {number(match[2])}", Kind.MEASURE)
    if match := _QUOTED_INCHES.match(text, last.end):
        if "″" not in match.group() and len(_QUOTE.findall(text, max(0, last.end - _QUOTATION), last.end)) % 2:
            return None  # it closes a quotation
        unit = ("inch", "inches")
        if _NOUN_FOLLOWS.match(text, match.end()) and not upto:
            return Reading(match.end(), f"{amount.words}-inch", Kind.MEASURE)
    elif match := _FEET.match(text, last.end):
        unit = ("foot", "feet")
    elif (match := _INCHES_STOP.match(text, last.end)) or (
        (match := _INCHES.match(text, last.end))
        and (
            _AFTER_LENGTH.search(text, max(0, start - 8), start)
            or (match.end() < len(text) and text[match.end()] not in ".,;")
        )
    ):
        unit = ("inch", "inches")
    else:
        return None
    first = f"{amount.words} to " if upto else ""
    return Reading(match.end(), f"{first}{last.words} {unit[0] if last.is_one and not upto else unit[1]}", Kind.MEASURE)


# --- fractions --------------------------------------------------------------------------------------------------------


def _mixed(text: str, start: int) -> Reading | None:
    """A fraction with or without a whole number before it."""
    if match := _MIXED_VULGAR.match(text, start):
        whole, (numerator, denominator) = match[1], VULGAR[match[2]]
    elif match := _FRACTION.match(text, start):
        whole, numerator, denominator = match[1], int(match[2]), int(match[3])
        unit = _UNIT.match(text, match.end())
        simple = 2 <= denominator <= 10 or (denominator in (12, 16, 32, 64, 100) and unit is not None)
        if not (simple and 1 <= numerator < denominator):
            return None
    else:
        return None
    words = fraction(numerator, denominator)
    if whole:
        words = words.replace("one ", "a ", 1) if numerator == 1 else words
        words = words.replace("a eighth", "an eighth")
        return Reading(match.end(), f"{number(whole)} and {words}", Kind.FRACTION)
    return Reading(match.end(), words, Kind.FRACTION)


def _of(words: str, unit: tuple[str, str]) -> str:
    """`two and a quarter teaspoons`, `three quarters of a teaspoon`."""
    if " and " in words:
        return f"{words} {unit[1]}"
    return f"{_part_of(words, unit[0])} {unit[0]}"


def _part_of(words: str, unit: str) -> str:
    article = "an" if unit.startswith(VOWEL_SOUNDS) else "a"
    return f"half {article}" if words == "one half" else f"{words} of {article}"


def fraction_or_score(text: str, start: int) -> Reading | None:
    """`3/4` -> `three quarters`, `½ cup` -> `half a cup`, `4.5/5 stars` -> `four point five out of five stars`."""
    if match := _SCORE.match(text, start):
        scored = _STARS.match(text, match.end()) or _SCORED.search(text, max(0, start - 24), start)
        if scored or "." in match[1] or int(match[1]) == int(match[2]):
            amount = read_number(text, start)
            words = amount.words if amount and amount.end == match.end(1) else number(match[1])
            return Reading(match.end(), f"{words} out of {number(match[2])}", Kind.FRACTION)
    mixed = _mixed(text, start)
    if mixed is None:
        if match := _SLASHED_NUMBERS.match(text, start):
            return Reading(match.end(), f"{number(match[1])} slash", Kind.CARDINAL)
        return None
    part = _PART.match(text, mixed.end)
    if part is None or " and " in mixed.spoken:
        return mixed
    return mixed._replace(spoken=_part_of(mixed.spoken, part[1]))


# --- other numbers ----------------------------------------------------------------------------------------------------


def written_ordinal(text: str, start: int) -> Reading | None:
    """`22nd` -> `twenty-second`."""
    match = _ORDINAL.match(text, start)
    return Reading(match.end(), ordinal(int(match[1].replace(",", ""))), Kind.ORDINAL) if match else None


def ratio(text: str, start: int) -> Reading | None:
    """`3:1` -> `three to one`."""
    match = _RATIO.match(text, start)
    return Reading(match.end(), f"{number(match[1])} to {number(match[2])}", Kind.CARDINAL) if match else None


def shares(text: str, start: int) -> Reading | None:
    """`50-50` -> `fifty-fifty`: equal numbers, or falling ones that make a hundred, are no range."""
    match = _SHARES.match(text, start)
    if match is None:
        return None
    first, second = int(match[1]), int(match[2])
    if first == second or (first > second and first + second == 100):
        return Reading(match.end(), f"{cardinal(first)}-{cardinal(second)}", Kind.CARDINAL)
    return None


_SHARES = re.compile(r"([1-9]\d?)[-/]([1-9]\d?)(?![\w%]|[-–/.,:]\d| ?[%$€])")


def bare_number(text: str, start: int) -> Reading:
    """Any other number. Many digits without separators are an identifier, unless the number is round."""
    found = read_number(text, start) or read_long_number(text, start)
    if match := _SUPERSCRIPT.match(text, found.end):
        return Reading(match.end(), f"{found.words} {power(match.group().translate(SUPERSCRIPTS))}", Kind.CARDINAL)
    if (match := _SCALE.match(text, found.end)) and (scale := _scale(text, found, match)):
        return Reading(match.end(1), f"{found.words} {scale}", Kind.CARDINAL)
    if match := _TIMES.match(text, found.end):
        return Reading(match.end(), f"{found.words} times", Kind.CARDINAL)
    long = not found.grouped and len(found.whole) >= _IDENTIFIER_DIGITS and not found.whole.endswith("000")
    if long or len(found.whole) > LONGEST_CARDINAL:
        return Reading(found.end, digits(text[start : found.end]), Kind.CARDINAL)
    return Reading(found.end, found.words, Kind.CARDINAL)


def _scale(text: str, amount: Number, match: re.Match[str]) -> str:
    """`10k` is ten thousand; but K also measures pictures and races."""
    if match[1] in "kK" and _RACE.match(text, match.end()):
        return "K"
    if match[1] in "MB" and (_CAPITAL.match(text, match.end()) or naming_before(text, match.start() - 1)):
        return ""  # 221B Baker Street, unit 5B
    if match[1] == "K":
        if _PICTURES.match(text, match.end()):
            return "K"
        if amount.whole in _PICTURE_SIZES and not amount.decimals and not _COUNTED.match(text, match.end(1)):
            return "K"
    return _SCALES[match[1]]
