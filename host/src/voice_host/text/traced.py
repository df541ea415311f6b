"""Rewriting a text while tracking the original position of each character."""

from __future__ import annotations

import re


class Traced:
    """A text with the index in the original text for each character.

    Attributes:
        text: as it is now.
        origin: one index for each character and one for the end; None: nothing has been rewritten.
    """

    __slots__ = ("origin", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.origin: list[int] | None = None

    def sub(self, pattern: re.Pattern[str], replacement: str) -> None:
        """Replace what `pattern` matches. `\\1` in `replacement` stands for the first group."""
        parts: list[str] = []
        origin: list[int] = []
        done = 0
        before, keeps, after = replacement.partition(r"\1")
        for match in pattern.finditer(self.text):
            old = self.origin if self.origin is not None else range(len(self.text) + 1)
            kept = match.span(1) if keeps else (match.end(), match.end())
            parts += (self.text[done : match.start()], before, self.text[slice(*kept)], after)
            origin += old[done : match.start()]
            origin += [old[match.start()]] * len(before)
            origin += old[slice(*kept)]
            origin += [old[kept[1]]] * len(after)
            done = match.end()
        if done or parts:
            old = self.origin if self.origin is not None else range(len(self.text) + 1)
            origin += old[done:]
            self.text = "".join(parts) + self.text[done:]
            self.origin = origin
