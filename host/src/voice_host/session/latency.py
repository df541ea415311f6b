"""When each stage of a reply was reached."""

from __future__ import annotations

import time
from collections.abc import Callable

STAGES = ("transcript_final", "model_request", "first_token", "first_clause", "first_audio_in", "first_audio_out")
"""In the order in which a reply to speech passes them: the transcript is final, the model is asked, its first text
arrives, the first clause goes to the voice, the voice's first audio arrives, the first audio goes to the caller."""


class Stages:
    """The stages of one reply. Each is noted once: the first time counts.

    Args:
        origin_s: the end of the caller's speech if it is known, else the moment the turn was finished.
        clock: seconds, monotonic; the clock `origin_s` was read from.
    """

    def __init__(self, origin_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._origin_s = origin_s
        self._clock = clock
        self._reached: dict[str, float] = {}

    def reach(self, stage: str) -> None:
        """Note that `stage` was reached now."""
        self._reached.setdefault(stage, self._clock())

    def since_origin_ms(self) -> dict[str, float]:
        """Return the stages reached, in ms since the origin."""
        return {
            stage: round((self._reached[stage] - self._origin_s) * 1000, 1)
            for stage in STAGES
            if stage in self._reached
        }
