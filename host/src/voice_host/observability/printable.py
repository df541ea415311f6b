"""Text from elsewhere, made safe to show in a terminal or a log line."""

from __future__ import annotations

import re
import unicodedata

MAX_CHARS = 4000
"""Longest text shown of one field, so that log lines are bounded."""

_MAX_NOTE_CHARS = 40
_CUT = re.compile(r"\.\.\. \(\d{1,15} more characters\)\Z")
"""The note at the end of a text that was truncated."""

_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
"""Control and format characters, lone surrogates, line and paragraph separators: they allow escape sequences, reversed
text and hidden line ends."""

_JOINERS = frozenset("\u200c\u200d")
"""Needed by emoji and by the scripts of Persian and Hindi, and harmless."""


def printable(text: str, *, max_chars: int = MAX_CHARS, keep: str = "") -> str:
    r"""Return `text` with control and invisible characters escaped: `\x1b`, `\u202e`.

    Args:
        text: untrusted.
        max_chars: a longer text is truncated, with a note. One that was truncated before is not truncated again.
        keep: characters that are not escaped, such as line ends in a stack trace.
    """
    if len(text) > max_chars and not (len(text) <= max_chars + _MAX_NOTE_CHARS and _CUT.search(text, max_chars)):
        text = f"{text[:max_chars]}... ({len(text) - max_chars} more characters)"
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if _is_harmless(character, keep) else _escaped(character) for character in text)


def _is_harmless(character: str, keep: str) -> bool:
    return character in keep or character in _JOINERS or unicodedata.category(character) not in _HIDDEN


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")
