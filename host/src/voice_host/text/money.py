"""Amounts of money, spoken."""

from __future__ import annotations

import re

from voice_host.text.numbers import cardinal, is_one, number
from voice_host.text.speaking import NUMBER_START, RANGE, speak

_CURRENCIES = {  # (one, many, one hundredth, hundredths)
    "$": ("dollar", "dollars", "cent", "cents"),
    "€": ("euro", "euros", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "¥": ("yen", "yen", "sen", "sen"),
    "₹": ("rupee", "rupees", "paisa", "paise"),
    "CHF": ("Swiss franc", "Swiss francs", "centime", "centimes"),
}
_CODES = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹", "CHF": "CHF"}
_SCALES = {"k": "thousand", "m": "million", "mn": "million", "bn": "billion", "b": "billion"}

# "3,50" is three and a half where the euro is paid.
_AMOUNT = r"(?:\d{1,3}(?:,\d{3}){1,5}(?:\.\d{1,9})?|\d{1,15}(?:[.,]\d{1,9})?)(?!\d)"
_SIGN = r"(?P<sign>(?<!\w)[-−])?"
_SCALE = r"(?: ?(?P<scale>thousand|million|billion|trillion|[km]|mn|bn|b)\b)?"
_SYMBOL = r"[$€£¥₹]"
_CODE = "|".join(_CODES)

_SYMBOL_FIRST = re.compile(
    rf"{_SIGN}(?:\b(?:US|CA|AU|NZ|HK|C|A))?(?P<currency>{_SYMBOL}|\b(?:{_CODE})) ?(?P<amount>{_AMOUNT})"
    rf"(?:{RANGE}(?:{_SYMBOL})?(?P<upto>{_AMOUNT}))?{_SCALE}",
    re.IGNORECASE,
)
_SYMBOL_LAST = re.compile(
    rf"{NUMBER_START}{_SIGN}(?P<amount>{_AMOUNT})(?:{RANGE}(?P<upto>{_AMOUNT}))?{_SCALE}"
    rf" ?(?P<currency>{_SYMBOL}(?! ?\d)|(?:{_CODE})\b)",
    re.IGNORECASE,
)
_THOUSANDS = re.compile(r",(?=\d{3}(?:\D|\Z))")


def say_money(text: str) -> str:
    """Put amounts of money into words: `$3.50` -> `three dollars and fifty cents`."""
    return speak(_SYMBOL_LAST, _money, speak(_SYMBOL_FIRST, _money, text))


def _money(match: re.Match[str]) -> str:
    names = _CURRENCIES[_CODES.get(match["currency"].upper(), match["currency"])]
    amount, upto = (_THOUSANDS.sub("", match[group] or "").replace(",", ".") for group in ("amount", "upto"))
    scale = (match["scale"] or "").lower()
    sign = "minus " if match["sign"] else ""
    if upto:
        return f"{sign}{number(amount)} to {_amount(upto, scale, names)}"
    return sign + _amount(amount, scale, names)


def _amount(amount: str, scale: str, names: tuple[str, str, str, str]) -> str:
    one, many, hundredth, hundredths = names
    whole, _, decimals = amount.partition(".")
    if scale:
        return f"{number(amount)} {_SCALES.get(scale, scale)} {many}"
    if len(decimals) > 2:
        return f"{number(amount)} {many}"
    small = int(decimals.ljust(2, "0") or "0")
    large = int(whole)
    small_words = f"{cardinal(small)} {hundredth if small == 1 else hundredths}"
    large_words = f"{number(whole)} {one if is_one(whole) else many}"
    if not small:
        return large_words
    return f"{large_words} and {small_words}" if large else small_words
