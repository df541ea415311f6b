"""Noticing a recogniser that takes speech and gives nothing. No I/O, no clock."""

from __future__ import annotations

from voice_host.call.loudness import peak_to_peak

QUIET = 1000
"""Of 65536, from the lowest to the highest sample: below it nobody speaks into the microphone. About -36 dB."""

ABOVE_NOISE = 3.0
"""Speech stands out from the noise around it by this factor at least, or no recogniser understands it."""

FLOOR_RISE = 0.01
"""How much of the way to the present level the noise floor rises with each piece; it falls at once. Pieces are about
60 ms, so noise that begins is taken for noise after some seconds, and speech, which has gaps, never is."""

MAX_PATIENCE_FACTOR = 32


class Loudness:
    """Tells speech from silence and steady noise well enough to suspect a recogniser, and no better than that.

    It is no voice activity detection: nothing a caller hears depends on it.
    """

    def __init__(self) -> None:
        self._floor = 0.0

    def is_loud(self, pcm: bytes) -> bool:
        """Take the next piece of PCM16 and return whether it may be speech."""
        level = peak_to_peak(pcm)
        if level < self._floor:
            self._floor = level
        else:
            self._floor += (level - self._floor) * FLOOR_RISE
        return level > max(QUIET, ABOVE_NOISE * self._floor)


class DeafWatchdog:
    """Adds up the loud audio that was sent without an event.

    Where it is wrong - music, a television - it costs a reconnection; each one without an event since doubles its
    patience.

    Args:
        patience_s: seconds of loud audio.
    """

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._factor = 1
        self._loud_s = 0.0

    def heard(self) -> None:
        """The recogniser gave an event."""
        self._factor = 1
        self._loud_s = 0.0

    def sent(self, duration_s: float) -> bool:
        """Loud audio was sent. Returns whether the recogniser must be taken for deaf."""
        self._loud_s += duration_s
        if self._loud_s < self._patience_s * self._factor:
            return False
        self._loud_s = 0.0
        self._factor = min(self._factor * 2, MAX_PATIENCE_FACTOR)
        return True

    def new_line(self) -> None:
        """A recogniser that is new has heard nothing yet."""
        self._loud_s = 0.0
