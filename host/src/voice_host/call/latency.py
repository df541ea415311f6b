"""When each stage of a reply was reached."""

from __future__ import annotations

from collections.abc import Callable

from voice_host.clock import now_s

STAGES = (
    "speech_end",
    "transcript_final",
    "model_request",
    "first_token",
    "first_clause",
    "first_audio_in",
    "first_audio_out",
    "audible_end",
    "barge_in_to_silence",
)
"""In the order in which a reply passes them: the caller's speech ends (where the recogniser says so), the transcript is
final, the model is asked, its first text arrives, the first words go to the voice, the voice's first audio arrives, the
first audio goes to the caller, the last of it has been played. `barge_in_to_silence` is not counted from the origin but
from the caller's onset to the moment after which nothing more was sent."""


class Stages:
    """The stages of one reply. Each is noted once: the first time counts.

    Args:
        origin_s: the end of the caller's speech if it is known, else the moment the turn was finished.
        clock: seconds, monotonic; the clock `origin_s` was read from.
    """

    def __init__(self, origin_s: float, clock: Callable[[], float] = now_s) -> None:
        self._origin_s = origin_s
        self._clock = clock
        self._reached: dict[str, float] = {}
        self._lasted_ms: dict[str, float] = {}

    def reach(self, stage: str) -> None:
        """Note that `stage` was reached now."""
        self._reached.setdefault(stage, self._clock())

    def lasted(self, stage: str, duration_ms: float) -> None:
        """Note a stage that is not counted from the origin."""
        self._lasted_ms.setdefault(stage, duration_ms)

    def in_ms(self) -> dict[str, float]:
        """Return the stages reached, in ms. One that was passed before the turn was final may be negative."""
        times = {stage: (at - self._origin_s) * 1000 for stage, at in self._reached.items()} | self._lasted_ms
        return {stage: round(times[stage], 1) for stage in STAGES if stage in times}
