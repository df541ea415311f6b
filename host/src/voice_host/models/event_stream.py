"""Server-sent events as the HTML standard defines them, reduced to what language models use. No I/O."""

from __future__ import annotations

import re

MAX_EVENT_BYTES = 4 * 2**20
"""Longer than any event of a language model."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\n|\r")


class EventTooLong(Exception):
    """The stream does not consist of events, or one is longer than `MAX_EVENT_BYTES`."""


class EventStream:
    """Parses bytes into the data of complete events. Ignores names, ids, comments, and events without data."""

    def __init__(self) -> None:
        self._begun = False
        self._rest = b""
        self._after_cr = False
        """The last line ended with CR: an LF that follows belongs to the same line end."""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, received: bytes) -> list[bytes]:
        """Process received bytes, and return the data of events that are complete now.

        Raises:
            EventTooLong: this is not a stream of events.
        """
        text = self._rest + received
        if not self._begun:
            if len(text) < len(_BYTE_ORDER_MARK) and _BYTE_ORDER_MARK.startswith(text):
                self._rest = text
                return []
            self._begun = True
            text = text.removeprefix(_BYTE_ORDER_MARK)
        if self._after_cr and text:
            self._after_cr = False
            text = text.removeprefix(b"\n")
        *lines, self._rest = _LINE_END.split(text)
        self._after_cr = self._after_cr or text.endswith(b"\r")
        if len(self._rest) + self._size > MAX_EVENT_BYTES:
            raise EventTooLong
        return [event for line in lines if (event := self._event(line)) is not None]

    def _event(self, line: bytes) -> bytes | None:
        """Process a line. Returns the data of an event if the line ends one with data."""
        if line:
            field, _, value = line.partition(b":")
            if field == b"data":
                self._data.append(value.removeprefix(b" "))
                self._size += len(value)
            return None
        data = b"\n".join(self._data)
        self._data.clear()
        self._size = 0
        return data if data.strip() else None
