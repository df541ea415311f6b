"""Number words: how an English speaker says digits. Every function takes what its callers' patterns have matched."""

from __future__ import annotations

from functools import lru_cache

from num2words import num2words  # type: ignore[import-untyped]

LONGEST_CARDINAL = 15
"""Digits beyond which a number is read digit by digit; nobody follows quadrillions."""

_FRACTION_NAMES = {2: "half", 4: "quarter"}


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


def number(text: str) -> str:
    """A written number without sign: `1,234.50`, `007`, `12`.

    Leading zeros and very long numbers are read digit by digit, as identifiers are.
    """
    whole, point, fraction = text.replace(",", "").partition(".")
    words = digits(whole) if len(whole) > LONGEST_CARDINAL or (len(whole) > 1 and whole[0] == "0") else ""
    words = words or cardinal(int(whole or "0"))
    return f"{words} point {digits(fraction)}" if point and fraction else words


def is_one(text: str) -> bool:
    """Whether the noun after this number stands in the singular."""
    return text == "1"


def fraction(numerator: int, denominator: int) -> str:
    """`3, 4` -> `three quarters`; denominators from 2 to 10."""
    name = _FRACTION_NAMES.get(denominator) or ordinal(denominator)
    if numerator == 1:
        return f"one {name}"
    plural = "halves" if name == "half" else f"{name}s"
    return f"{cardinal(numerator)} {plural}"
