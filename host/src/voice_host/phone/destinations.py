"""Which numbers the host may call: `[phone.outbound] allow`.

Calls cost money, and numbers that share their revenue with whoever is called are the usual way to steal it. So a
pattern such as `+49*` allows ordinary numbers only. What kind of number it is, libphonenumber knows.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE,
    NumberParseException,
    PhoneNumberType,
    number_type,
    parse,
)

ORDINARY = frozenset(
    {
        PhoneNumberType.FIXED_LINE,
        PhoneNumberType.MOBILE,
        PhoneNumberType.FIXED_LINE_OR_MOBILE,
        PhoneNumberType.TOLL_FREE,
        PhoneNumberType.VOIP,
    }
)
"""What a pattern allows. Each other number is allowed only where it is written out."""

_KINDS = {
    PhoneNumberType.PREMIUM_RATE: "a premium-rate number",
    PhoneNumberType.SHARED_COST: "a shared-cost number",
    PhoneNumberType.PERSONAL_NUMBER: "a personal number, which is charged like a premium-rate one",
    PhoneNumberType.UAN: "a company number, which may be charged like a premium-rate one",
    PhoneNumberType.PAGER: "a pager",
    PhoneNumberType.VOICEMAIL: "a voice mailbox",
}

WRITE_IT_OUT = "to allow it all the same, write the whole number into phone.outbound.allow"


def why_not_allowed(number: str, allow: Iterable[str]) -> str | None:
    """Return why a number may not be called; None: it may.

    It reads files the first time that it sees a number of a country.

    Args:
        number: in E.164 form.
        allow: whole numbers, and beginnings of numbers followed by `*`.
    """
    patterns = tuple(allow)
    if number in patterns:
        return None
    try:
        parsed = parse(number)
    except NumberParseException:
        return f"{number} begins with no country code"
    country = f"+{parsed.country_code}"
    beginnings = [pattern[:-1] for pattern in patterns if pattern.endswith("*")]
    if not any(number.startswith(beginning) and beginning.startswith(country) for beginning in beginnings):
        return f"{number} is not among the numbers that this host may call: see phone.outbound.allow"
    kind = number_type(parsed)
    if kind in ORDINARY:
        return None
    return f"{number} is {_KINDS.get(kind, 'in no range of numbers that is known to be in use')}; {WRITE_IT_OUT}"


def warnings_about(allow: Iterable[str]) -> list[str]:
    """Return what the operator may not expect of the patterns."""
    found = []
    for pattern in allow:
        code = pattern.removeprefix("+").removesuffix("*")
        if not pattern.endswith("*"):
            continue
        if not _begins_with_country(code):
            found.append(f"{pattern} allows no number: it has no whole country code, as +49* has")
        elif len(regions := COUNTRY_CODE_TO_REGION_CODE.get(int(code), ())) > 5:
            found.append(
                f"{pattern} allows numbers of {len(regions)} countries and territories, and calls to some of them are "
                "expensive: area codes narrow it, such as +1212*"
            )
    return found


@functools.cache
def _country_codes() -> frozenset[str]:
    return frozenset(map(str, COUNTRY_CODE_TO_REGION_CODE))


def _begins_with_country(code: str) -> bool:
    return any(code[:length] in _country_codes() for length in (1, 2, 3))
