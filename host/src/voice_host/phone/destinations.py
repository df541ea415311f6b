"""Which numbers the host may call, and where agents may transfer calls to: `allow` of `[phone.outbound]` and of
`[phone.transfer]`.

Calls cost money, and numbers that share their revenue with whoever is called are the usual way to steal it. So a
pattern such as `+49*` allows ordinary numbers only. What kind of number it is, libphonenumber knows.
"""

from __future__ import annotations

import functools
import re
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

_USER = r"[A-Za-z0-9_.!~*'()&=+$,%-]+"
"""Of SIP addresses that a host's pattern allows. No parameters: some of them name another host to connect to."""


def why_no_transfer(to: str, allow: Iterable[str]) -> str | None:
    """Return why no call may be transferred to a number or SIP address; None: it may.

    Args:
        to: a number in E.164 form, or a `sip:` address.
        allow: entries as in `why_not_allowed`, SIP addresses, and all addresses of a host: `sip:*@host`.
    """
    patterns = tuple(allow)
    if not patterns:
        return "this host transfers no calls: phone.transfer.allow must be set"
    if to.startswith("+"):
        return why_not_allowed(to, patterns, setting="phone.transfer.allow")
    for pattern in patterns:
        scheme, any_user, host = pattern.partition(":*@")
        if to == pattern or (any_user and re.fullmatch(f"{scheme}:{_USER}@{re.escape(host)}", to, re.IGNORECASE)):
            return None
    return f"{to} is not among the addresses that this host may call: see phone.transfer.allow"


def why_not_allowed(number: str, allow: Iterable[str], *, setting: str = "phone.outbound.allow") -> str | None:
    """Return why a number may not be called; None: it may.

    It reads files the first time that it sees a number of a country.

    Args:
        number: in E.164 form.
        allow: whole numbers, and beginnings of numbers followed by `*`.
        setting: where they come from, for the message.
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
        return f"{number} is not among the numbers that this host may call: see {setting}"
    kind = number_type(parsed)
    if kind in ORDINARY:
        return None
    described = _KINDS.get(kind, "in no range of numbers that is known to be in use")
    return f"{number} is {described}; to allow it all the same, write the whole number into {setting}"


def warnings_about(allow: Iterable[str]) -> list[str]:
    """Return what the operator may not expect of the patterns."""
    found = []
    for pattern in allow:
        code = pattern.removeprefix("+").removesuffix("*")
        if not pattern.endswith("*"):
            continue  # a whole number, or a SIP address
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
