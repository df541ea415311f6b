"""What an agent may ask of a telephone call, checked: digits to collect, digits to send, a number to transfer to."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_DIGITS = 64
"""Digits of one input or request. A card number has 16."""

KEYS = frozenset("0123456789*#")

_NUMBER = re.compile(r"\+[1-9]\d{6,14}")  # E.164
_SIP_ADDRESS = re.compile(r"sips?:[^\s@<>\"]+@[^\s@<>\"]+|sips?:[^\s@<>\"]+")
MAX_ADDRESS_CHARS = 255


@dataclass(frozen=True, slots=True)
class DigitsWanted:
    """The arguments of `Session.collect_digits`.

    Raises:
        ValueError: one of them makes no sense.
    """

    count: int | None = None
    finish: str = "#"
    timeout_s: float = 10.0
    between_s: float = 4.0

    def __post_init__(self) -> None:
        if self.count is not None and not 1 <= self.count <= MAX_DIGITS:
            raise ValueError(f"count must be 1 to {MAX_DIGITS}, or None, not {self.count!r}")
        if self.finish and self.finish not in KEYS:
            raise ValueError(f"finish must be one key, 0 to 9, * or #, or empty, not {self.finish!r}")
        if not (self.timeout_s > 0 and self.between_s > 0):
            raise ValueError("timeout_s and between_s must be greater than 0")


def checked_number(to: str) -> str:
    """Return a number in E.164 form, or a SIP address.

    Raises:
        ValueError: it is neither.
    """
    if _NUMBER.fullmatch(to) or (len(to) <= MAX_ADDRESS_CHARS and _SIP_ADDRESS.fullmatch(to)):
        return to
    raise ValueError("a call is transferred to a number in E.164 form, such as +15550100, or to a sip: address")


def checked_digits(digits: str) -> str:
    """Return digits to send.

    Raises:
        ValueError: they are none, too many, or other characters.
    """
    if 0 < len(digits) <= MAX_DIGITS and set(digits) <= KEYS | {"w"}:
        return digits
    raise ValueError(f"digits to send are 1 to {MAX_DIGITS} of 0 to 9, *, # and w, which is a pause of 0.5 s")
