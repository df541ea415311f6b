"""Detects a recogniser that accepts speech but returns nothing. No I/O, no clock."""

from __future__ import annotations

from voice_host.call.loudness import peak_to_peak

QUIET = 1000
"""Of 65536, from the lowest to the highest sample: anything softer is not speech. About -36 dB."""

ABOVE_NOISE = 3.0
"""Speech is at least this many times louder than the noise, or it could not be recognised."""

FLOOR_RISE_RATE = 0.16
"""Fraction of the difference to the current level by which the noise floor rises per second; it falls at once. So new
noise counts as noise after some seconds, and speech, which has gaps, never does."""

MAX_FACTOR = 32
"""Maximum factor by which the limit grows."""


class Loudness:
    """Distinguishes speech from silence and steady noise, just well enough to notice a dead recogniser.

    It is not voice activity detection: nothing that a caller hears depends on it.

    Args:
        sample_rate: Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self._rise_per_byte = FLOOR_RISE_RATE / (2 * sample_rate)
        self._floor = 0.0

    def is_loud(self, pcm: bytes) -> bool:
        """Whether the next piece of PCM16 may be speech."""
        level = peak_to_peak(pcm)
        if level < self._floor:
            self._floor = level
        else:
            self._floor += (level - self._floor) * min(1.0, self._rise_per_byte * len(pcm))
        return level > max(QUIET, ABOVE_NOISE * self._floor)


class SttWatchdog:
    """Measures the loud audio sent since the recogniser's last event.

    A false alarm (music, a television) costs one reconnection. Each alarm without an event since doubles the limit.

    Args:
        limit_s: seconds of loud audio without an event.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._factor = 1
        self._loud_s = 0.0

    def heard(self) -> None:
        """The recogniser returned an event."""
        self._factor = 1
        self._loud_s = 0.0

    def sent(self, duration_s: float) -> bool:
        """Loud audio was sent. Returns whether the recogniser seems to have stopped working."""
        self._loud_s += duration_s
        if self._loud_s < self._limit_s * self._factor:
            return False
        self._loud_s = 0.0
        self._factor = min(self._factor * 2, MAX_FACTOR)
        return True

    def new_line(self) -> None:
        """Start again with a new recogniser, which has heard nothing yet."""
        self._loud_s = 0.0
