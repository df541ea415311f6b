"""Wording text for the voice: markup is removed, spans are classified, and each is put into words."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping
from functools import lru_cache

from voice_host.text.classify import PLAIN_WORDS, classify
from voice_host.text.markup import NARROW_SPACE, strip_markup
from voice_host.text.pronunciations import Pronunciations
from voice_host.text.spans import Kind, Span, Worded

CONTEXT_CHARS = 80
"""How much of the preceding text is taken into account: a few words, more than any rule looks back."""

_CONTEXT_MARKUP = re.compile(r"[*_`~]")


class Wording:
    """Words texts for a voice. Stateless: one instance can be shared.

    Args:
        normalize: whether numbers, symbols and abbreviations become words. Markup is always removed.
        pronunciations: how words and phrases are said, see `AgentConfig.pronunciations`.
    """

    def __init__(self, *, normalize: bool = True, pronunciations: Mapping[str, str] | None = None) -> None:
        self._normalize = normalize
        self._pronunciations = Pronunciations(pronunciations) if pronunciations else None

    def word(self, written: str, *, start: int = 0, before: str = "") -> Worded:
        """Word `written[start:]`.

        Args:
            written: a clause as the model wrote it.
            start: index between two words. What precedes it was already spoken, but is still taken into account.
            before: the text spoken before the clause.

        Returns:
            the words; spans and places count from `start`.
        """
        stripped = strip_markup(written)
        origin = stripped.origin
        before = _CONTEXT_MARKUP.sub("", before[-CONTEXT_CHARS:])
        shift = len(before)
        begin = shift + (start if origin is None else bisect_left(origin, start, 0, len(origin) - 1))
        text = before + stripped.text

        def written_at(index: int) -> int:
            place = index - shift
            return max(0, (place if origin is None else origin[place]) - start)

        return Worded(self._classify(text, begin), written_at, len(written) - start, text[begin - 1 : begin])

    def plain_until(self, text: str, start: int) -> int:
        """Return the index up to which the text from `start` is spoken as it is written, whatever follows."""
        plain = PLAIN_WORDS.match(text, start)
        if plain is None:
            return start
        return plain.end() if self._pronunciations is None else self._pronunciations.begins(text, start, plain.end())

    def _classify(self, text: str, start: int) -> list[Span]:
        if self._pronunciations is None:
            return self._normalized(text, start, len(text)) if start < len(text) else []
        spans: list[Span] = []
        while start < len(text):
            found = self._pronunciations.find(text, start)
            end = found.start if found else len(text)
            if start < end:
                spans += map(self._pronounced, self._normalized(text, start, end))
            if found is not None:
                spans.append(found)
            start = found.end if found else end
        return spans

    def _pronounced(self, span: Span) -> Span:
        if self._pronunciations is None or span.kind is not Kind.ADDRESS:
            return span
        return span._replace(spoken=self._pronunciations.apply(span.spoken))

    def _normalized(self, text: str, start: int, end: int) -> list[Span]:
        spans = classify(text, start, end) if self._normalize else [Span(start, end, text[start:end], Kind.PLAIN)]
        if NARROW_SPACE in text:
            return [span._replace(spoken=span.spoken.replace(NARROW_SPACE, " ")) for span in spans]
        return spans


@lru_cache(maxsize=256)
def wording_for(normalize: bool, pronunciations: tuple[tuple[str, str], ...]) -> Wording:
    """Return the wording for an agent; made once for all its calls."""
    return Wording(normalize=normalize, pronunciations=dict(pronunciations))
