"""Units of measurement: their symbols and their names."""

from __future__ import annotations

import re

from voice_host.text.lexicon import word_set

_WRITTEN = {
    "kilometer": "km kms",
    "meter": "m",
    "centimeter": "cm cms",
    "millimeter": "mm",
    "micrometer": "µm μm",
    "nanometer": "nm",
    "mile": "mi",
    "yard": "yd yds",
    "foot": "ft",
    "inch": "″",
    "square kilometer": "km² km2 sq_km",
    "square meter": "m² m2 sqm sq_m",
    "square centimeter": "cm² cm2 sq_cm",
    "square millimeter": "mm²",
    "square foot": "ft² ft2 sqft sq_ft",
    "square inch": "in² sq_in",
    "square yard": "yd² sq_yd",
    "square mile": "mi² sq_mi",
    "cubic meter": "m³ m3 cu_m",
    "cubic centimeter": "cm³ cm3 cc",
    "cubic foot": "ft³ cu_ft",
    "hectare": "ha",
    "kilogram": "kg kgs",
    "gram": "g gr",
    "milligram": "mg mgs",
    "microgram": "µg μg mcg",
    "pound": "lb lbs",
    "ounce": "oz",
    "fluid ounce": "fl_oz",
    "liter": "l L ltr",
    "milliliter": "ml mL",
    "centiliter": "cl cL",
    "deciliter": "dl dL",
    "gallon": "gal gals",
    "quart": "qt qts",
    "teaspoon": "tsp tsps",
    "tablespoon": "tbsp tbsps tbs",
    "piece": "pc pcs",
    "dozen": "doz",
    "second": "s sec secs",
    "millisecond": "ms msec",
    "minute": "min mins",
    "hour": "h hr hrs",
    "week": "wk wks",
    "month": "mo mos mth mths",
    "year": "yr yrs",
    "degree": "° deg",
    "degree Celsius": "°C ℃",
    "degree Fahrenheit": "°F ℉",
    "percent": "% pct",
    "per mille": "‰",
    "bit": "bit",
    "kilobyte": "kB KB",
    "megabyte": "MB",
    "gigabyte": "GB",
    "terabyte": "TB",
    "petabyte": "PB",
    "kilobit per second": "kbps Kbps kbit/s",
    "megabit per second": "Mbps mbps Mbit/s Mb/s",
    "gigabit per second": "Gbps gbps Gbit/s Gb/s",
    "megapixel": "MP Mpx",
    "pixel": "px",
    "dot per inch": "dpi DPI",
    "frame per second": "fps FPS",
    "hertz": "Hz",
    "kilohertz": "kHz",
    "megahertz": "MHz",
    "gigahertz": "GHz",
    "decibel": "dB",
    "watt": "W",
    "kilowatt": "kW",
    "megawatt": "MW",
    "kilowatt hour": "kWh kwh",
    "volt": "V",
    "milliamp hour": "mAh",
    "joule": "J",
    "kilojoule": "kJ",
    "calorie": "cal",
    "kilocalorie": "kcal",
    "horsepower": "hp HP",
    "kilopascal": "kPa",
    "hectopascal": "hPa",
    "millibar": "mbar",
    "pound per square inch": "psi PSI",
    "millimeter of mercury": "mmHg",
    "kilometer per hour": "kph kmh",
    "mile per hour": "mph",
    "mile per gallon": "mpg",
    "revolution per minute": "rpm RPM",
    "beat per minute": "bpm BPM",
    "part per million": "ppm",
}
_PLURALS = {"foot": "feet", "inch": "inches", "hertz": "hertz", "percent": "percent", "per": "per", "dozen": "dozen"}
_INVARIABLE = ("hertz", "percent", "per mille", "kilohertz", "megahertz", "gigahertz", "horsepower", "dozen")
_MODIFIERS = frozenset({"square", "cubic", "fluid", "kilowatt", "milliamp"})


def _plural(unit: str) -> str:
    if unit in _INVARIABLE:
        return unit
    words = unit.split()
    head = 1 if words[0] in _MODIFIERS and len(words) > 1 else 0
    words[head] = _PLURALS.get(words[head], f"{words[head]}s")
    return " ".join(words)


def _by_sign() -> dict[str, tuple[str, str]]:
    signs = {
        sign.replace("_", " "): (unit, _plural(unit)) for unit, written in _WRITTEN.items() for sign in written.split()
    }
    # People also write 5 KM, 3 Hrs and 2 LBS; but "MM", "MS" and the like mean other things as often.
    for sign, names in [*signs.items()]:
        if sign.isascii() and sign.isalpha() and len(sign) > 1 and sign.islower() and sign not in ("mm", "ms", "nm"):
            signs.setdefault(sign.capitalize(), names)
            signs.setdefault(sign.upper(), names)
    return signs


UNITS = _by_sign()
"""By what is written (`km`, `sq ft`): the unit's name in the singular and in the plural."""

UNIT_WORDS = frozenset(
    {name for names in UNITS.values() for name in names}
    | {
        "degrees",
        "degree",
        "acre",
        "acres",
        "cup",
        "cups",
        "day",
        "days",
        "euros",
        "dollars",
        "pounds",
        "stars",
        "times",
    }
)
"""Nouns of measure that are written out; a decimal comma may be used before them."""

VOWEL_SOUNDS = ("hour", "ounce", "inch", "acre")

PER = word_set("person people guest night day week month year hour minute second unit item head seat room")
"""Nouns after which a slash before them is `per`, besides the units."""

_STOP = re.compile(r"\.(?=\s+[a-z\d(]|[,;:!?)])")
_ARTICLE = re.compile(r"\b(?:[Aa]n?|[Ee]very|[Ee]ach|[Aa]nother|per)\s\Z")
_NOUN = re.compile(
    r" (?!(?:and|or|but|by|x|in|is|are|was|of|off|to|for|from|at|on|with|per|if|as|than|more|less|an?|the|each|every"
    r"|you|we|i|it|tall|wide|long|high|deep|thick|away|ago|later|old|early|late|extra|now|today|plus|minus|times)\b)[a-z]{3,}"
)


def stop_of_unit(text: str, end: int) -> int:
    """Return where an abbreviated unit ends: its stop belongs to it, unless it ends the sentence."""
    return stop.end() if (stop := _STOP.match(text, end)) else end


def describes_noun(text: str, start: int, end: int) -> bool:
    """Whether the amount `text[start:end]` describes the noun after it, so that its unit is singular: `a $50 card`."""
    return _NOUN.match(text, end) is not None and _ARTICLE.search(text, max(0, start - 9), start) is not None
