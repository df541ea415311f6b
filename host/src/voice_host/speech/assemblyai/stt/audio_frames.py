"""Cutting a stream of PCM16 into messages of the length and at the pace that the service accepts. No I/O, no clock."""

from __future__ import annotations

BYTES_PER_SAMPLE = 2

MIN_MESSAGE_MS = 50
"""The shortest message that the service accepts."""


class AudioCoalescer:
    """Gathers PCM16 mono of any frame size into messages of `min_ms` to `max_ms`.

    Less than `min_ms` of audio is kept back, and an odd byte until the next one arrives.

    Args:
        sample_rate: Hz.
        min_ms: the shortest message the service accepts.
        max_ms: the longest message to send. It is below the service's limit, to keep the delay small.
    """

    def __init__(self, sample_rate: int, *, min_ms: int = MIN_MESSAGE_MS, max_ms: int = 100) -> None:
        # Rounded inwards, for rates at which the limits are no whole number of samples.
        self._min_bytes = -(-sample_rate * min_ms // 1000) * BYTES_PER_SAMPLE
        self._max_bytes = sample_rate * max_ms // 1000 * BYTES_PER_SAMPLE
        if not 0 < self._min_bytes <= self._max_bytes:
            raise ValueError(f"no message of {min_ms} to {max_ms} ms exists at {sample_rate} Hz")
        self._held = bytearray()

    def push(self, pcm: bytes) -> list[bytes]:
        """Add audio of any length in bytes and return the messages that are ready, in order."""
        self._held += pcm
        messages = []
        while len(self._held) >= self._min_bytes:
            size = min(len(self._held), self._max_bytes) & ~1
            messages.append(bytes(self._held[:size]))
            del self._held[:size]
        return messages

    def flush(self) -> bytes:
        """Return the rest, padded with silence to `min_ms`; empty if there is no whole sample."""
        rest = bytes(self._held[: len(self._held) & ~1])
        self._held.clear()
        return rest.ljust(self._min_bytes, b"\0") if rest else b""


class RealTimePacer:
    """Tells how long to wait before sending audio to a service that accepts it at about real time.

    Up to `burst_ms` may be sent at once; beyond that, audio is sent at `speed` times real time. So a jittery microphone
    is never delayed, and a replay after a reconnect is.
    """

    def __init__(self, *, speed: float, burst_ms: float) -> None:
        self._speed = speed
        self._burst_s = burst_ms / 1000 / speed
        self._paid_until_s = float("-inf")

    def wait_s(self, audio_ms: float, now_s: float) -> float:
        """Count `audio_ms` as sent and return how many seconds from `now_s` to wait before sending it."""
        self._paid_until_s = max(self._paid_until_s, now_s) + audio_ms / 1000 / self._speed
        return max(0.0, self._paid_until_s - self._burst_s - now_s)
