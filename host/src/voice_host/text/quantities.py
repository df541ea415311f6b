"""Numbers with what belongs to them: percentages, units, ordinals, ranges, fractions; last of all the bare numbers."""

from __future__ import annotations

import re

from voice_host.text.numbers import LONGEST_CARDINAL, cardinal, digits, fraction, is_one, number, ordinal, year
from voice_host.text.speaking import NUMBER, NUMBER_START, RANGE, speak

_UNITS = {  # symbol: (one, many)
    "km/h": ("kilometer per hour", "kilometers per hour"),
    "kph": ("kilometer per hour", "kilometers per hour"),
    "mph": ("mile per hour", "miles per hour"),
    "m/s": ("meter per second", "meters per second"),
    "km²": ("square kilometer", "square kilometers"),
    "m²": ("square meter", "square meters"),
    "m³": ("cubic meter", "cubic meters"),
    "sq ft": ("square foot", "square feet"),
    "km": ("kilometer", "kilometers"),
    "cm": ("centimeter", "centimeters"),
    "mm": ("millimeter", "millimeters"),
    "m": ("meter", "meters"),
    "mi": ("mile", "miles"),
    "ft": ("foot", "feet"),
    "yd": ("yard", "yards"),
    "kg": ("kilogram", "kilograms"),
    "mg": ("milligram", "milligrams"),
    "g": ("gram", "grams"),
    "lb": ("pound", "pounds"),
    "lbs": ("pound", "pounds"),
    "oz": ("ounce", "ounces"),
    "ml": ("milliliter", "milliliters"),
    "mL": ("milliliter", "milliliters"),
    "cl": ("centiliter", "centiliters"),
    "l": ("liter", "liters"),
    "L": ("liter", "liters"),
    "°C": ("degree Celsius", "degrees Celsius"),
    "°F": ("degree Fahrenheit", "degrees Fahrenheit"),
    "°": ("degree", "degrees"),
    "ms": ("millisecond", "milliseconds"),
    "s": ("second", "seconds"),
    "sec": ("second", "seconds"),
    "secs": ("second", "seconds"),
    "min": ("minute", "minutes"),
    "mins": ("minute", "minutes"),
    "h": ("hour", "hours"),
    "hr": ("hour", "hours"),
    "hrs": ("hour", "hours"),
    "kB": ("kilobyte", "kilobytes"),
    "KB": ("kilobyte", "kilobytes"),
    "MB": ("megabyte", "megabytes"),
    "GB": ("gigabyte", "gigabytes"),
    "TB": ("terabyte", "terabytes"),
    "Hz": ("hertz", "hertz"),
    "kHz": ("kilohertz", "kilohertz"),
    "MHz": ("megahertz", "megahertz"),
    "GHz": ("gigahertz", "gigahertz"),
    "W": ("watt", "watts"),
    "kW": ("kilowatt", "kilowatts"),
    "kWh": ("kilowatt hour", "kilowatt hours"),
    "kcal": ("kilocalorie", "kilocalories"),
    "%": ("percent", "percent"),
}
_UNIT = "|".join(re.escape(unit) for unit in sorted(_UNITS, key=len, reverse=True))

_SIGN = r"(?P<sign>(?<![\w)])[-−])?"
_MEASURE = re.compile(
    rf"{NUMBER_START}{_SIGN}(?P<amount>{NUMBER})(?:{RANGE}(?P<upto>{NUMBER}))?(?P<joint>[ -]?)(?P<unit>{_UNIT})"
    r"(?![\w²³'’]|/\w)(?:(?<=\w)\.(?= [a-z]))?"
)
# "2,5 kg" is two and a half where the metric units are at home; three digits after the comma are thousands.
_DECIMAL_COMMA = re.compile(
    r"(?<![\w.,])(\d{1,9}),(\d{1,2})"
    rf"(?=(?:{RANGE}\d{{1,9}}(?:[.,]\d{{1,2}})?| (?:and|or|to) \d{{1,9}},\d{{1,2}})?[ -]?(?:{_UNIT})(?![\w²³'’]|/\w))"
)
_ORDINAL = re.compile(r"(?<![\w.,])(\d{1,12})(?:st|nd|rd|th)\b", re.IGNORECASE)
_VULGAR = {"½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅛": "1/8", "⅜": "3/8", "⅝": "5/8"}
_VULGAR_FRACTION = re.compile(f"[{''.join(_VULGAR)}]")
_FRACTION = re.compile(r"(?<![\w./,])(?:(\d{1,4}) )?(\d{1,3})/(\d{1,3})(?![\w/]|\.\d)")
_AROUND_THE_CLOCK = re.compile(r"(?<![\w./])24/7(?![\w/])")
_HEIGHT = re.compile(r"(?<![\w.,])(\d)['’′](\d{1,2})[\"”″](?!\w)")
_DIMENSION = re.compile(r"(?<=\d) ?[x×] ?(?=\d)")
_TIMES = re.compile(r"(?<=\d)x\b")
_RATIO = re.compile(r"(?<![\w:.])(\d{1,4}):(\d{1,4})(?![\w:]|\.\d)")
_DOTTED = re.compile(r"(?<![\d.])\d{1,9}(?:\.\d{1,9}){2,8}(?!\.?\d)")
_RANGE = re.compile(rf"(?<![\d.,–-])(?<!\d[ ])(?P<low>{NUMBER}){RANGE}(?P<high>{NUMBER})(?![\d]|[–-]\d)")
_THOUSANDS = re.compile(r"(?<=\d)[kK]\b")

_YEAR = re.compile(r"(?<![\w.,])(19\d{2}|20\d{2})(?![\w%]|[.,:/-]\d)")
_EARLIER_YEAR = re.compile(r"\b([Ii]n|[Ss]ince|[Uu]ntil|[Yy]ear|[Ss]ummer|[Ww]inter) (1[1-8]\d{2})(?!\w|[.,:/-]\d)")
_LEADING_POINT = re.compile(r"(?<![\w.])\.(?=\d)")
_MINUS = re.compile(r"(?<![\w)\]])[-−](?=\d)")
_LETTER_BESIDE_DIGIT = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
_NUMBER = re.compile(r"\d{1,3}(?:,\d{3}){1,5}(?:\.\d{1,15})?(?!\d|,\d{3})|\d+(?:\.\d{1,15}(?!\d))?")
_IDENTIFIER_DIGITS = 7


def say_quantities(text: str) -> str:
    """Put numbers whose neighbours tell how to read them into words."""
    text = _VULGAR_FRACTION.sub(lambda match: f" {_VULGAR[match.group()]}", text)
    text = _LEADING_POINT.sub("0.", text)
    text = speak(_MEASURE, _measure, _DECIMAL_COMMA.sub(r"\1.\2", text))
    text = speak(_ORDINAL, lambda match: ordinal(int(match[1])), text)
    text = speak(_AROUND_THE_CLOCK, lambda _: "twenty-four seven", text)
    text = speak(_FRACTION, _fraction, text)
    text = speak(_HEIGHT, lambda match: f"{number(match[1])} foot {number(match[2])}", text)
    text = _TIMES.sub(" times", _DIMENSION.sub(" by ", text))
    text = speak(_RATIO, lambda match: f"{number(match[1])} to {number(match[2])}", text)
    text = speak(_DOTTED, _dotted, text)
    text = speak(_RANGE, _range, text)
    return _THOUSANDS.sub(" thousand", text)


def say_numbers(text: str) -> str:
    """Put all numbers that are left into words."""
    text = speak(_MINUS, lambda _: "minus ", text)
    text = speak(_YEAR, lambda match: year(int(match[1])), text)
    text = speak(_EARLIER_YEAR, lambda match: f"{match[1]} {year(int(match[2]))}", text)
    return speak(_NUMBER, lambda match: _plain(match.group()), _LETTER_BESIDE_DIGIT.sub(" ", text))


def _measure(match: re.Match[str]) -> str:
    one, many = _UNITS[match["unit"]]
    sign = "minus " if match["sign"] else ""
    if match["joint"] == "-":  # a 5-min walk
        return f"{sign}{number(match['amount'])}-{one}"
    if match["upto"]:
        return f"{sign}{number(match['amount'])} to {number(match['upto'])} {many}"
    return f"{sign}{number(match['amount'])} {one if is_one(match['amount']) else many}"


def _fraction(match: re.Match[str]) -> str:
    whole, numerator, denominator = match[1], int(match[2]), int(match[3])
    if not (2 <= denominator <= 10 and 1 <= numerator < denominator):
        front = f"{number(whole)} " if whole else ""
        return f"{front}{number(match[2])} slash {number(match[3])}"
    words = fraction(numerator, denominator)
    if whole and words == "one half":
        return f"{number(whole)} and a half"
    return f"{number(whole)} and {words}" if whole else words


def _dotted(match: re.Match[str]) -> str:
    """A version, or with four parts a network address."""
    parts = match.group().split(".")
    return (" dot " if len(parts) == 4 else " point ").join(map(number, parts))


def _range(match: re.Match[str]) -> str:
    low, high = match["low"], match["high"]
    if _YEAR.fullmatch(low) and _YEAR.fullmatch(high):
        return f"{year(int(low))} to {year(int(high))}"
    return f"{number(low)} to {number(high)}"


def _plain(text: str) -> str:
    """A long row of digits without separators is an identifier, unless it is round."""
    whole = text.partition(".")[0]
    if "," not in whole and len(whole) >= _IDENTIFIER_DIGITS and not whole.endswith("000"):
        return digits(text)
    if len(whole.replace(",", "")) > LONGEST_CARDINAL:
        return digits(text)
    return cardinal(int(text)) if text.isdecimal() and text == str(int(text)) else number(text)
