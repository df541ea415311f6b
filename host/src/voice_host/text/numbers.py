"""Reading written numbers, and the English words for them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from num2words import num2words  # type: ignore[import-untyped]

LONGEST_CARDINAL = 15
"""A number with more digits is read digit by digit: nobody can follow quadrillions."""

_FRACTION_NAMES = {2: "half", 4: "quarter"}

SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")


@lru_cache(maxsize=1024)
def cardinal(value: int) -> str:
    """`1234` -> `one thousand two hundred and thirty-four`."""
    return str(num2words(value)).replace(",", "")


@lru_cache(maxsize=256)
def ordinal(value: int) -> str:
    """`22` -> `twenty-second`."""
    return str(num2words(value, to="ordinal")).replace(",", "")


@lru_cache(maxsize=256)
def year(value: int) -> str:
    """`2026` -> `twenty twenty-six`, `2005` -> `two thousand and five`."""
    return str(num2words(value, to="year")).replace(",", "")


def decade(value: int) -> str:
    """`1990` -> `nineteen nineties`, `80` -> `eighties`."""
    words = year(value) if value >= 1000 else cardinal(value)
    return f"{words[:-1]}ies" if words.endswith("y") else f"{words}s"


def digits(text: str) -> str:
    """`0150` -> `zero one five zero`; whatever is not a digit is left out."""
    return " ".join(cardinal(int(character)) for character in text if character.isdecimal())


def digit_groups(text: str) -> str:
    """`4111-2222` -> `four one one one, two two two two`."""
    return ", ".join(digits(group) for group in re.findall(r"\d+", text))


@lru_cache(maxsize=1024)
def name(text: str) -> str:
    """Digits that name a room, a road, a flight: `305` -> `three oh five`, `1549` -> `fifteen forty-nine`."""
    if text[0] == "0" or not 3 <= len(text) <= 4:
        return digits(text) if len(text) > 2 or text[0] == "0" else cardinal(int(text))
    if text.endswith("000"):
        return cardinal(int(text))
    front, pair = cardinal(int(text[:-2])), int(text[-2:])
    if pair == 0:
        return f"{front} hundred"
    return f"{front} oh {cardinal(pair)}" if pair < 10 else f"{front} {cardinal(pair)}"


def power(exponent: str) -> str:
    """What is said after the base: `2` -> `squared`, `-3` -> `to the minus three`."""
    if exponent in ("2", "3"):
        return "squared" if exponent == "2" else "cubed"
    sign = "minus " if exponent.startswith("-") else ""
    return f"to the {sign}{number(exponent.lstrip('+-') or '0')}"


def fraction(numerator: int, denominator: int) -> str:
    """`3, 4` -> `three quarters`."""
    part = _FRACTION_NAMES.get(denominator) or ordinal(denominator)
    if numerator == 1:
        return f"one {part}"
    plural = "halves" if part == "half" else f"{part}s"
    return f"{cardinal(numerator)} {plural}"


def number(whole: str, decimals: str = "") -> str:
    """A number without sign, by its digits before and after the point.

    Leading zeros and very long numbers are read digit by digit, as identifiers are.
    """
    spelled = len(whole) > LONGEST_CARDINAL or (len(whole) > 1 and int(whole[0]) == 0)
    words = digits(whole) if spelled else cardinal(int(whole or "0"))
    return f"{words} point {digits(decimals)}" if decimals else words


# --- reading ----------------------------------------------------------------------------------------------------------


class Number(NamedTuple):
    """A written number without its sign."""

    end: int
    whole: str
    decimals: str = ""
    grouped: bool = False
    """Whether separators group its digits, which shows that it is a quantity."""

    @property
    def words(self) -> str:
        """As it is said."""
        return number(self.whole, self.decimals)

    @property
    def is_one(self) -> bool:
        """Whether the noun after it stands in the singular."""
        return self.whole == "1" and not self.decimals


# All repetitions are bounded, and numbers are looked for where no digit stands before: the work stays linear.
_GROUPED = re.compile(
    r"""(?:
        \d{1,3}(?:,\d{3}){1,5}(?:\.\d{1,15})?            # 1,234,567.89
      | \d{1,2}(?:,\d{2}){1,6},\d{3}(?:\.\d{1,15})?      # 11,23,000.00: lakh and crore
      | \d{1,3}(?:\.\d{3}){2,5}(?:,\d{1,15})?            # 1.234.567,89
      | \d{1,3}\.\d{3},\d{1,2}                           # 1.234,56
      | \d{1,3}(?:['’\u202f]\d{3}){1,5}(?:[.,]\d{1,15})? # 1'234'567.89 and 1 234 567,89 with no-break spaces
      | [1-9]\d{0,2}(?:\ \d{3}){0,4}\ 000                # 10 000
      | [1-9]\d?(?:\ \d{3}){2,4}(?!\ ?\d)               # 12 345 678
    )(?![\d]|[,.'’]\d)""",
    re.VERBOSE,
)
_PLAIN = re.compile(r"\d{1,15}(?:\.\d{1,15})?(?!\d)|\.\d{1,15}(?!\d)")
_DECIMAL_COMMA = re.compile(r"(\d{1,9}),(\d{1,2})(?!\d)")
_LONG = re.compile(r"\d+(?:\.\d{1,15}(?!\d))?")
_SEPARATORS = re.compile(r"[,.'’\u202f ]")


def read_number(text: str, start: int, *, decimal_comma: bool = False) -> Number | None:
    """Read the number that is written at `start`, if it has at most 15 digits before the point.

    Args:
        text: what is read.
        start: the index of its first digit, or of the point before it.
        decimal_comma: whether `2,5` is two and a half; else it is two numbers.
    """
    if match := _GROUPED.match(text, start):
        return _grouped(match)
    if decimal_comma and (match := _DECIMAL_COMMA.match(text, start)):
        return Number(match.end(), match[1], match[2])
    if match := _PLAIN.match(text, start):
        whole, _, decimals = match.group().partition(".")
        return Number(match.end(), whole or "0", decimals)
    return None


def read_long_number(text: str, start: int) -> Number:
    """Read the number at `start`, however long. There must be a digit."""
    match = _LONG.match(text, start)
    assert match is not None
    whole, _, decimals = match.group().partition(".")
    return Number(match.end(), whole, decimals)


def _grouped(match: re.Match[str]) -> Number:
    text = match.group()
    marks = _SEPARATORS.findall(text)
    # The last mark begins the decimals if it differs from the marks before it, or if it is an odd one out: 1,234.5
    if len(marks) > 1 and marks[-1] != marks[0]:
        front, _, decimals = text.rpartition(marks[-1])
        return Number(match.end(), _SEPARATORS.sub("", front), decimals, grouped=True)
    return Number(match.end(), _SEPARATORS.sub("", text), grouped=True)
