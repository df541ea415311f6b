"""Server-sent events, as much of them as language models use. No I/O."""

from __future__ import annotations

MAX_EVENT_BYTES = 4 * 2**20
"""An event that grows beyond it is no language model's."""


class EventTooLong(Exception):
    """The stream is no stream of events, or one of them is absurdly long."""


class EventStream:
    """Bytes in, the data of whole events out. Names, ids and comments are ignored."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, received: bytes) -> list[bytes]:
        """Take bytes and return the data of the events that are complete now.

        Raises:
            EventTooLong: see there.
        """
        *lines, self._rest = (self._rest + received).split(b"\n")
        if len(self._rest) > MAX_EVENT_BYTES:
            raise EventTooLong
        events = []
        for line in lines:
            line = line.removesuffix(b"\r")
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
            elif not line and self._data:
                events.append(b"\n".join(self._data))
                self._data.clear()
        return events
