"""`SpokenAudio`: a reply's speech in whole packets, with marks that tell how much of it was played. No I/O."""

from __future__ import annotations

import re

from voice_host.clients.protocol import Played

MARK_EVERY_MS = 400
"""How much audio is sent before the next mark. Between marks, what was played is known from the clock. Each mark that
comes back counts as a message of the client, of which `limits.messages_per_s` allows 20 a second."""

_MARK = re.compile(r"(\d{1,9}):(\d{1,12})")


class SpokenAudio:
    """The speech that a carrier is sent.

    A mark is `<reply>:<bytes>`: so much of a reply precedes it. Marks follow the first piece of a reply, then every
    `MARK_EVERY_MS`, and its end.

    Args:
        packet_bytes: audio is sent in multiples of this.
        bytes_per_ms: of the audio.
        silence: one byte of it, which fills the last packet of a reply.
    """

    def __init__(self, packet_bytes: int, bytes_per_ms: int, silence: bytes) -> None:
        self._packet_bytes = packet_bytes
        self._bytes_per_ms = bytes_per_ms
        self._silence = silence
        self._reply = 0
        """Whose audio was sent last."""
        self._sent_bytes = 0
        self._marked_bytes = 0
        """How much of it precedes the last mark."""
        self._rest = b""
        """The end of it, too short to be sent."""
        self._cut = 0
        """The last reply that was cut: its marks come back because it was, and not because they were played."""

    def add(self, reply: int, data: bytes) -> bytes:
        """Return what to send: whole packets, or nothing. What is too short waits for more."""
        if reply != self._reply:
            self._reply, self._sent_bytes, self._rest = reply, 0, b""
            self._marked_bytes = -MARK_EVERY_MS * self._bytes_per_ms  # the first piece has one: it tells of the delay
        data = self._rest + data
        size = len(data) - len(data) % self._packet_bytes
        self._rest = data[size:]
        self._sent_bytes += size
        return data[:size]

    def finish(self, reply: int) -> bytes:
        """Return the last packet of a reply, filled up with silence; or nothing if none is left."""
        if reply != self._reply or not self._rest:
            return b""
        rest, self._rest = self._rest, b""
        self._sent_bytes += len(rest)
        return rest + self._silence * (self._packet_bytes - len(rest))

    def mark(self, *, last: bool = False) -> str | None:
        """Return the mark that follows what was returned last; None: the one before is recent enough.

        Args:
            last: the reply is complete.
        """
        if self._sent_bytes - self._marked_bytes < (1 if last else MARK_EVERY_MS * self._bytes_per_ms):
            return None
        self._marked_bytes = self._sent_bytes
        return f"{self._reply}:{self._sent_bytes}"

    def cut(self, reply: int) -> None:
        """A reply was cut: nothing of it follows, and its marks count no more."""
        self._cut = max(self._cut, reply)
        self._marked_bytes, self._rest = self._sent_bytes, b""

    def played(self, mark: str) -> Played | None:
        """Return what a mark that came back tells; None: nothing, since its reply was cut.

        Raises:
            ValueError: it was not sent. Of former replies, it is not known how long they were.
        """
        if (found := _MARK.fullmatch(mark)) is None:
            raise ValueError(mark)
        reply, played_bytes = int(found[1]), int(found[2])
        if (reply, played_bytes) > (self._reply, self._marked_bytes):
            raise ValueError(mark)
        return Played(reply, played_bytes / self._bytes_per_ms) if reply > self._cut else None
