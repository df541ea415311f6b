"""Currencies: how they are written and how their amounts are spoken."""

from __future__ import annotations

from typing import NamedTuple

from babel import Locale
from babel.core import get_global
from babel.numbers import get_currency_name


class Currency(NamedTuple):
    """The words for amounts of one currency.

    `groups_with_dots`: where it is paid, `1.500` is fifteen hundred.
    """

    one: str
    many: str
    cent: str = "cent"
    cents: str = "cents"
    groups_with_dots: bool = False


# What people say at home and abroad, with the hundredths, which CLDR does not name.
_SPOKEN = {
    "USD": Currency("dollar", "dollars"),
    "EUR": Currency("euro", "euros", groups_with_dots=True),
    "GBP": Currency("pound", "pounds", "penny", "pence"),
    "JPY": Currency("yen", "yen", "sen", "sen"),
    "CNY": Currency("yuan", "yuan", "fen", "fen"),
    "INR": Currency("rupee", "rupees", "paisa", "paise"),
    "CHF": Currency("Swiss franc", "Swiss francs", "centime", "centimes"),
    "BRL": Currency("real", "reais", "centavo", "centavos", groups_with_dots=True),
    "KRW": Currency("won", "won", "jeon", "jeon"),
    "PLN": Currency("zloty", "zlotys", "grosz", "groszy"),
    "CZK": Currency("koruna", "korunas", "haler", "halers", groups_with_dots=True),
    "HUF": Currency("forint", "forints", "filler", "fillers"),
    "SEK": Currency("krona", "kronor", "öre", "öre"),
    "NOK": Currency("krone", "kroner", "øre", "øre", groups_with_dots=True),
    "DKK": Currency("krone", "kroner", "øre", "øre", groups_with_dots=True),
    "RUB": Currency("ruble", "rubles", "kopeck", "kopecks"),
    "UAH": Currency("hryvnia", "hryvnias", "kopiyka", "kopiykas"),
    "TRY": Currency("lira", "lira", "kuruş", "kuruş", groups_with_dots=True),
    "ILS": Currency("shekel", "shekels", "agora", "agorot"),
    "THB": Currency("baht", "baht", "satang", "satang"),
    "VND": Currency("dong", "dong", "xu", "xu", groups_with_dots=True),
    "PHP": Currency("peso", "pesos", "centavo", "centavos"),
    "IDR": Currency("rupiah", "rupiah", "sen", "sen", groups_with_dots=True),
    "MYR": Currency("ringgit", "ringgit", "sen", "sen"),
    "NGN": Currency("naira", "naira", "kobo", "kobo"),
    "KZT": Currency("tenge", "tenge", "tiyn", "tiyn"),
    "GEL": Currency("lari", "lari", "tetri", "tetri"),
    "CRC": Currency("colón", "colones", "céntimo", "céntimos", groups_with_dots=True),
    "GHS": Currency("cedi", "cedis", "pesewa", "pesewas"),
    "ZAR": Currency("rand", "rand"),
    "MXN": Currency("Mexican peso", "Mexican pesos", "centavo", "centavos"),
    "BTC": Currency("bitcoin", "bitcoins"),
}
_BY_SIGN = {
    **{"$": "USD", "US$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "￥": "JPY", "JP¥": "JPY", "CN¥": "CNY"},
    **{"₹": "INR", "Rs": "INR", "R$": "BRL", "₩": "KRW", "zł": "PLN", "Kč": "CZK", "₽": "RUB", "₴": "UAH"},
    **{"₺": "TRY", "₪": "ILS", "฿": "THB", "₫": "VND", "₱": "PHP", "Rp": "IDR", "RM": "MYR", "₦": "NGN"},
    **{"₸": "KZT", "₾": "GEL", "₡": "CRC", "₵": "GHS", "₿": "BTC", "kr": "SEK", "Fr": "CHF", "SFr": "CHF"},
    **{"A$": "AUD", "AU$": "AUD", "C$": "CAD", "CA$": "CAD", "NZ$": "NZD", "HK$": "HKD", "S$": "SGD"},
    **{"NT$": "TWD", "MX$": "MXN"},
}
ONLY_AFTER_NUMBER = frozenset({"zł", "Kč", "kr"})
"""Signs that never stand before the amount."""

ALSO_WORDS = frozenset(
    {"ALL", "BAM", "COP", "CUP", "GEL", "MAD", "MOP", "PEN", "SOS", "TOP", "TRY", "BIF", "RON", "AMD"}
)
"""Codes that mean a currency only after an amount: `TRY 5 of them`."""


def _all_currencies() -> dict[str, Currency]:
    """Return every currency in use, by code and by sign; those that have no words above by their names in CLDR."""
    in_use = {
        code
        for used in get_global("territory_currencies").values()
        for code, _, until, tender in used
        if until is None and tender
    }
    english = Locale("en")
    names = {
        code: Currency(get_currency_name(code, 1, english), get_currency_name(code, 2, english)) for code in in_use
    }
    by_code = {**names, **_SPOKEN}
    return {**by_code, **{sign: by_code[code] for sign, code in _BY_SIGN.items()}}


CURRENCIES = _all_currencies()
"""By ISO code (`EUR`) and by sign (`€`, `R$`, `Rs`)."""

SIGN_CHARACTERS = "".join(sorted(sign for sign in CURRENCIES if len(sign) == 1)) + "¢"
