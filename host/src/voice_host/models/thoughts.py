"""A model's thoughts within its text, between `<think>` and `</think>`: nobody is to hear them."""

from __future__ import annotations

import re

_TAG = re.compile(r"<(/?)think(?:ing)?>", re.IGNORECASE)
_SPELLED = ("<think>", "<thinking>", "</think>", "</thinking>")

_NEEDS_NO_SPACE = frozenset(".,;:!?)]}…\"'’”")
"""What may follow a word without a space."""


class SpokenText:
    """Takes thoughts out of a text that comes in pieces of any size, tags cut in two included.

    Thoughts that nobody ends go on to the end of the text. What stood before and after them stays apart: a space is put
    between where there is none.
    """

    def __init__(self) -> None:
        self._held = ""
        """The end of the last piece, which may be the beginning of a tag."""
        self._thinking = False
        self._gap = False
        self._open_end = False
        """Whether what was said last ends without a space."""

    def take(self, piece: str) -> str:
        """Return what of the next piece is to be said; empty while the model thinks."""
        if not (self._held or self._thinking or self._gap or "<" in piece):  # nearly always
            self._open_end = not piece[-1:].isspace() if piece else self._open_end
            return piece
        text, self._held = self._held + piece, ""
        said = []
        while (tag := _TAG.search(text)) is not None:
            if not self._thinking:
                said.append(self._joined(text[: tag.start()]))
            self._thinking = not tag[1]
            self._gap = True
            text = text[tag.end() :]
        start = text.rfind("<")
        if start >= 0 and any(spelled.startswith(text[start:].lower()) for spelled in _SPELLED):
            text, self._held = text[:start], text[start:]
        if not self._thinking:
            said.append(self._joined(text))
        return "".join(said)

    def rest(self) -> str:
        """Return what was held back and is no tag, since no more text follows."""
        held, self._held = self._held, ""
        return "" if self._thinking else self._joined(held)

    def pause(self) -> None:
        """Thoughts come between that are no part of the text."""
        self._gap = True

    def _joined(self, text: str) -> str:
        if not text:
            return ""
        if self._gap and self._open_end and not text[0].isspace() and text[0] not in _NEEDS_NO_SPACE:
            text = f" {text}"
        self._gap = False
        self._open_end = not text[-1].isspace()
        return text


def without_thoughts(text: str) -> str:
    """Return a whole text without thoughts."""
    spoken = SpokenText()
    return spoken.take(text) + spoken.rest()
