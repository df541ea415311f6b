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
"""In order: the caller's speech ended (where the recogniser reports it), the transcript was final, the model was asked,
its first text arrived, the first words went to the voice, the voice's first audio arrived, the first audio was sent to
the caller, the last audio was played. `barge_in_to_silence` is a duration: from the onset of the caller's speech until
what was sent before has been played."""


class Stages:
    """The stages of one reply. The first time that a stage is reached counts.

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
        """Note a duration that is not counted from the origin."""
        self._lasted_ms.setdefault(stage, duration_ms)

    def correct(self, stage: str, duration_ms: float) -> None:
        """Replace an estimated duration by a measured one."""
        self._lasted_ms[stage] = duration_ms

    def in_ms(self) -> dict[str, float]:
        """Return when the stages were reached, in ms. Stages reached before the turn was final may be negative."""
        times = {stage: (at - self._origin_s) * 1000 for stage, at in self._reached.items()} | self._lasted_ms
        return {stage: round(times[stage], 1) for stage in STAGES if stage in times}
