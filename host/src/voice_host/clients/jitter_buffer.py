"""`JitterBuffer`: puts a telephone's packets in order, and fills gaps with silence. No I/O, and no clock."""

from __future__ import annotations

MAX_HELD_FRAMES = 5
"""How many packets may wait for one that is missing: 100 ms of audio. In order, none waits."""

MIN_GAP_MS = 20
"""Gaps shorter than a packet are not filled: they are rounding of the carrier's timestamps."""

MAX_GAP_MS = 500
"""Longer gaps are not filled: the line was silent, and the microphone buffer has replaced it in real time already."""

RESTARTED_FRAMES = 500
"""A packet that is older than this (10 s) is not late: the carrier has begun to count again."""


class JitterBuffer:
    """Returns audio in order and without gaps, in the encoding in which it came.

    Args:
        bytes_per_ms: of the audio.
        silence: one byte of silence: 0xFF in mu-law, 0xD5 in A-law, 0 in linear PCM.
    """

    def __init__(self, bytes_per_ms: int, silence: bytes) -> None:
        self._bytes_per_ms = bytes_per_ms
        self._silence = silence
        self._next = 1
        self._held: dict[int, tuple[float, bytes]] = {}
        self._end_ms: float | None = None
        """Where the audio returned so far ends, on the scale of the carrier's timestamps."""

    def put(self, number: int, timestamp_ms: float, audio: bytes) -> bytes:
        """Take a packet. Returns the audio that is complete by now, often none or just this.

        Args:
            number: of the packet, counted from 1. Duplicates and packets that come too late are dropped.
            timestamp_ms: when the packet begins.
        """
        if number == self._next and not self._held:
            self._next += 1
            return self.follow(timestamp_ms, audio)
        if number < self._next - RESTARTED_FRAMES:
            self._next, self._end_ms = number, None
            self._held.clear()
        if number < self._next:
            return b""
        self._held[number] = (timestamp_ms, audio)
        if number > self._next and len(self._held) > MAX_HELD_FRAMES:
            self._next = min(self._held)  # what is missing is lost
        complete = b""
        while self._next in self._held:
            complete += self.follow(*self._held.pop(self._next))
            self._next += 1
        return complete

    def flush(self) -> bytes:
        """Return what still waits for missing packets, at the end of the stream."""
        rest = b"".join(self.follow(*self._held.pop(number)) for number in sorted(self._held))
        self._held.clear()
        return rest

    def follow(self, timestamp_ms: float, audio: bytes) -> bytes:
        """Take the packet that follows the last one. For carriers whose packets come in order, that is each packet.

        Returns:
            it, preceded by the silence that is missing before it.
        """
        duration_ms, end_ms = len(audio) / self._bytes_per_ms, self._end_ms
        if end_ms is None:
            self._end_ms = timestamp_ms + duration_ms
            return audio
        gap_ms = timestamp_ms - end_ms
        if -MIN_GAP_MS < gap_ms < MIN_GAP_MS:
            # Not counted by the timestamp: small deviations add up until they are a gap.
            self._end_ms = end_ms + duration_ms
            return audio
        self._end_ms = timestamp_ms + duration_ms
        if not MIN_GAP_MS <= gap_ms <= MAX_GAP_MS:
            return audio  # a break, after which time is counted anew
        return self._silence * int(gap_ms * self._bytes_per_ms) + audio
