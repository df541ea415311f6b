"""Amounts of money."""

from __future__ import annotations

import re

from voice_host.text.currencies import ALSO_WORDS, CURRENCIES, ONLY_AFTER_NUMBER, Currency
from voice_host.text.numbers import Number, cardinal, number, read_number
from voice_host.text.spans import Kind, Reading
from voice_host.text.units import describes_noun

_SCALES = {
    "k": "thousand",
    "m": "million",
    "mn": "million",
    "mio": "million",
    "bn": "billion",
    "b": "billion",
    "t": "trillion",
}
_WORDS = r"thousand|million|billion|trillion|lakhs?|crores?"
_SCALE = re.compile(rf" ?({_WORDS})\b|(k|mn|mio|bn|[mMKBbT])(?!\w)")
_CODES = "|".join(code for code in CURRENCIES if len(code) == 3 and code.isascii() and code.isalpha())
_SIGNS = "|".join(
    re.escape(sign) for sign in sorted(CURRENCIES, key=len, reverse=True) if not (len(sign) == 3 and sign.isalpha())
)
_COMMON_CODES = "usd|eur|gbp|jpy|inr|chf|cad|aud"

_BEFORE = re.compile(rf"({_SIGNS})\.? ?(?=\.?\d)|({_CODES}|{_COMMON_CODES}) ?(?=\.?\d)")
_AFTER = re.compile(rf" ?({_SIGNS}|¢)(?! ?\d|\w)| ?({_CODES}|{_COMMON_CODES})\b")
_TO = re.compile(rf" ?[-–—] ?(?:{_SIGNS})? ?(?=\.?\d)")
_SAME_CODE = re.compile(r" (USD|CAD|AUD|NZD|SGD|HKD|MXN)\b")
_LONGEST_CENTS = 2


def currency_first(text: str, start: int) -> Reading | None:
    """`$3.50`, `US$5-10 million`, `INR 11,23,000`, `Rs. 500`."""
    match = _BEFORE.match(text, start)
    if match is None or (text[start].isalpha() and text[max(0, start - 1) : start].isalnum()):
        return None
    sign = match[1] or match[2].upper()
    if sign in ONLY_AFTER_NUMBER or sign in ALSO_WORDS:
        return None
    currency = CURRENCIES[sign]
    amount = _read(text, match.end(), currency)
    if amount is None:
        return None
    end = _amount(text, amount, currency).end
    if sign == "$" and (code := _SAME_CODE.match(text, end)):  # $5 CAD
        currency, end = CURRENCIES[code[1]], code.end()
    return Reading(end, _amount(text, amount, _before_noun(text, start, end, currency)).spoken, Kind.MONEY)


def amount_first(text: str, start: int) -> Reading | None:
    """`50 zł`, `3,50 €`, `99¢`, `20 EUR`."""
    for comma in (True, False):
        amount = read_number(text, start, decimal_comma=comma)
        if amount is not None and (reading := _amount_before_sign(text, start, amount)):
            return reading
    return None


def _amount_before_sign(text: str, start: int, amount: Number) -> Reading | None:
    upto = None
    end = _scale_end(text, amount.end)
    if match := _TO.match(text, end):
        upto = read_number(text, match.end(), decimal_comma=True)
        end = _scale_end(text, upto.end) if upto else end
    match = _AFTER.match(text, end)
    if match is None:
        return None
    if match[1] == "¢":
        if upto:
            return None
        singular = amount.is_one or describes_noun(text, start, match.end())
        return Reading(match.end(), f"{amount.words} {'cent' if singular else 'cents'}", Kind.MONEY)
    currency = _before_noun(text, start, match.end(), CURRENCIES[match[1] or match[2].upper()])
    if currency.groups_with_dots:
        amount = _dots_group(amount)
        upto = upto and _dots_group(upto)
    return Reading(match.end(), _words(text, amount, upto, currency).spoken, Kind.MONEY)


def _before_noun(text: str, start: int, end: int, currency: Currency) -> Currency:
    """`a $50 card` is a fifty dollar card."""
    if not describes_noun(text, start, end):
        return currency
    return currency._replace(many=currency.one, cents=currency.cent)


def _scale_end(text: str, end: int) -> int:
    scale = _SCALE.match(text, end)
    return scale.end() if scale else end


def _read(text: str, start: int, currency: Currency) -> Number | None:
    amount = read_number(text, start, decimal_comma=True)
    return _dots_group(amount) if amount and currency.groups_with_dots else amount


def _dots_group(amount: Number) -> Number:
    """`€1.500` is fifteen hundred where dots group."""
    if not amount.grouped and len(amount.decimals) == 3 and len(amount.whole) <= 3 and amount.whole != "0":
        return amount._replace(whole=amount.whole + amount.decimals, decimals="", grouped=True)
    return amount


def _amount(text: str, amount: Number, currency: Currency) -> Reading:
    upto = None
    match = _TO.match(text, _scale_end(text, amount.end))
    if match and (upto := _read(text, match.end(), currency)) and text[upto.end : upto.end + 1].isalnum():
        upto = upto if _SCALE.match(text, upto.end) else None
    return _words(text, amount, upto, currency)


def _words(text: str, amount: Number, upto: Number | None, currency: Currency) -> Reading:
    last = upto or amount
    scale = _SCALE.match(text, last.end)
    end = scale.end() if scale else last.end
    own = _SCALE.match(text, amount.end) if upto else None
    words = _with_currency(last, _scale_word(scale), currency)
    if upto is not None:
        first = f"{amount.words} {_scale_word(own)}" if own else _bare(amount)
        words = f"{first} to {words}"
    return Reading(end, words, Kind.MONEY)


def _scale_word(scale: re.Match[str] | None) -> str:
    if scale is None:
        return ""
    return scale[1] or _SCALES[scale[2].lower()]


def _bare(amount: Number) -> str:
    return number(amount.whole) if not amount.decimals.strip("0") else amount.words


def _with_currency(amount: Number, scale: str, currency: Currency) -> str:
    if scale:
        return f"{amount.words} {scale} {currency.many}"
    if len(amount.decimals) > _LONGEST_CENTS:
        return f"{amount.words} {currency.many}"
    small = int(amount.decimals.ljust(_LONGEST_CENTS, "0") or "0")
    large = f"{number(amount.whole)} {currency.one if amount.whole == '1' else currency.many}"
    if not small:
        return large
    cents = f"{cardinal(small)} {currency.cent if small == 1 else currency.cents}"
    return f"{large} and {cents}" if int(amount.whole) else cents
