"""Normalizing whole texts for the voice."""

from __future__ import annotations

import re

from voice_host.text.clauses import ClauseSplitter
from voice_host.text.wording import CONTEXT_CHARS, Wording

_WORDING = Wording()
_MOST_PASSES = 4
_SPACES = re.compile(r"[ \t]{2,}")
_AROUND_NEWLINE = re.compile(r" ?\n[\n ]*")


def normalize_voice_text(text: str) -> str:
    """Return `text` as it should be spoken in English; plain prose is returned as it is.

    Markdown, code, link targets and pictographs are taken out; numbers, dates, money, units, addresses, abbreviations
    and symbols become words. Idempotent, linear in the length of the text, and defined for every string. A text that
    streams to the voice, in whatever pieces, is worded the same way.

    The white space around a text is kept; of a text of which nothing is left, nothing is. What marks the beginning of a
    line (`- `, `1. `, `# `) counts at the start of the text and after a newline.
    """
    for _ in range(_MOST_PASSES):  # what was beside a word that is not spoken is beside another one now
        spoken = _tidy(_stream(text), text)
        if spoken == text:
            break
        text = spoken
    return text


def _stream(text: str) -> str:
    """Return the whole of a text as it is spoken when it streams."""
    splitter = ClauseSplitter()
    before, spoken = "", ""
    for clause in [*splitter.feed(text), splitter.flush()]:
        words = _WORDING.word(clause, before=before).spoken
        glued = words and spoken and not spoken[-1].isspace() and not words[0].isspace()
        spoken += f" {words}" if glued and before[-1] != spoken[-1] else words
        before = (before + clause)[-CONTEXT_CHARS:]
    return spoken


def _tidy(words: str, written: str) -> str:
    """Close the gaps that empty clauses leave."""
    if words == written:
        return words
    core = _SPACES.sub(" ", _AROUND_NEWLINE.sub("\n", words.strip()))
    if not core:
        return ""
    return written[: len(written) - len(written.lstrip())] + core + written[len(written.rstrip()) :]


class VoiceCleaner:
    """`normalize_voice_text` as an object, for `VoiceSessionHandler(cleaner=...)`. Stateless."""

    def normalize(self, text: str) -> str:
        """Return `text` as it should be spoken."""
        return normalize_voice_text(text)

    def clean(self, text: str) -> str:
        """Return `text` as it should be spoken."""
        return normalize_voice_text(text)

    def __call__(self, text: str) -> str:
        """Return `text` as it should be spoken."""
        return normalize_voice_text(text)
