"""Text from elsewhere, made safe to show in a terminal or a log line."""

from __future__ import annotations

import unicodedata

MAX_CHARS = 4000
"""Longest text that is shown of one field: more than anybody reads, little enough for a line of a log to be bounded."""

_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
"""Control and format characters, lone surrogates, line and paragraph separators: escape sequences, text that runs
backwards, and line ends that do not look like one."""

_JOINERS = frozenset("\u200c\u200d")
"""Emoji and the scripts of Persian and Hindi need them, and they do no harm."""


def printable(text: str, *, max_chars: int = MAX_CHARS, keep: str = "") -> str:
    r"""Return `text` with what a terminal would obey or a reader would not see written as an escape: `\x1b`, `\u202e`.

    Args:
        text: written by anybody.
        max_chars: a longer text is cut, and says so.
        keep: characters that stay as they are, such as line ends in a stack trace.
    """
    if len(text) > max_chars:
        text = f"{text[:max_chars]}... ({len(text) - max_chars} more characters)"
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if _is_harmless(character, keep) else _escaped(character) for character in text)


def _is_harmless(character: str, keep: str) -> bool:
    return character in keep or character in _JOINERS or unicodedata.category(character) not in _HIDDEN


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")
