"""`Recent`: what happened with an agent or a release in the last minutes, computed from its counters."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

from pydantic import BaseModel, ConfigDict, Field

WINDOW_S = 300.0
"""`Recent` covers the last five minutes."""

STEP_S = 10.0
"""How often the totals are recorded for it."""

FIRST_AUDIO = "first_audio_out"
"""The stage at which the first audio of a reply goes to the caller."""

ANSWERS = ("spoken", "typed")
"""Kinds of turns that are answered; a greeting answers none."""

_COUNTED = frozenset(
    (
        "voice_host_calls_total",
        "voice_host_errors_total",
        "voice_host_stage_seconds_bucket",
        "voice_host_stage_seconds_sum",
    )
)


class Recent(BaseModel):
    """What happened in the last minutes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seconds: float = Field(default=0.0, description="The length of the time that this covers, at most five minutes.")
    calls: int = Field(default=0, description="Calls that began.")
    errors: int = Field(default=0, description="Errors reported to callers.")
    first_audio_p50_ms: float | None = Field(
        default=None,
        description="Median of the time from the end of the caller's turn to the first audio of the reply. None: there "
        "was no reply.",
    )
    first_audio_p95_ms: float | None = Field(default=None, description="As above, the 95th percentile.")


@dataclass(slots=True)
class Totals:
    """What has been counted since the beginning.

    Attributes:
        calls: calls that began.
        errors: errors reported to callers.
        first_audio: replies whose time to first audio was at most so many seconds.
        first_audio_s: the sum of these times.
    """

    calls: float = 0.0
    errors: float = 0.0
    first_audio: dict[float, float] = field(default_factory=dict)
    first_audio_s: float = 0.0

    @classmethod
    def of(cls, samples: Mapping[tuple[str, tuple[tuple[str, str], ...]], float]) -> Totals:
        """Return the totals of samples, by name and labels."""
        totals = cls()
        for (name, labels), value in samples.items():
            if name in _COUNTED:
                totals.count(name, dict(labels), value)
        return totals

    def count(self, name: str, labels: Mapping[str, str], more: float) -> None:
        """Add `more` of a sample, if it is one of these."""
        match name:
            case "voice_host_calls_total":
                self.calls += more
            case "voice_host_errors_total":
                self.errors += more
            case "voice_host_stage_seconds_bucket" if _is_first_audio(labels):
                bound = float(labels["le"])
                self.first_audio[bound] = self.first_audio.get(bound, 0.0) + more
            case "voice_host_stage_seconds_sum" if _is_first_audio(labels):
                self.first_audio_s += more

    def add(self, other: Totals) -> None:
        """Add what another process or release has counted."""
        self.calls += other.calls
        self.errors += other.errors
        self.first_audio_s += other.first_audio_s
        for bound, replies in other.first_audio.items():
            self.first_audio[bound] = self.first_audio.get(bound, 0.0) + replies

    def copy(self) -> Totals:
        """Return a copy."""
        return replace(self, first_audio=dict(self.first_audio))

    def since(self, before: Totals, seconds: float) -> Recent:
        """Return what was counted since an earlier time, `seconds` ago."""
        replies = {bound: count - before.first_audio.get(bound, 0.0) for bound, count in self.first_audio.items()}
        return Recent(
            seconds=round(seconds, 1),
            calls=round(self.calls - before.calls),
            errors=round(self.errors - before.errors),
            first_audio_p50_ms=_ms(quantile(replies, 0.5)),
            first_audio_p95_ms=_ms(quantile(replies, 0.95)),
        )


class History:
    """The totals at times of the last `WINDOW_S` seconds."""

    def __init__(self, now_s: float) -> None:
        self._at: deque[tuple[float, Totals]] = deque([(now_s, Totals())], maxlen=math.ceil(WINDOW_S / STEP_S) + 1)

    def record(self, now_s: float, totals: Totals) -> None:
        """Remember the totals as they are now."""
        self._at.append((now_s, totals.copy()))

    def oldest(self, now_s: float) -> tuple[float, Totals]:
        """Return the earliest record within the window, and its time."""
        return next(((at_s, totals) for at_s, totals in self._at if now_s - at_s <= WINDOW_S), self._at[-1])


def quantile(cumulated: Mapping[float, float], q: float) -> float | None:
    """Return the `q`-quantile of a histogram, interpolated within its bucket as Prometheus' `histogram_quantile` does.

    Args:
        cumulated: how many values are at most each bound; the greatest bound is infinity.
        q: from 0 to 1.

    Returns:
        None if there are no values. If it is beyond the greatest finite bound, that bound.
    """
    buckets = [(0.0, 0.0), *sorted(cumulated.items())]
    rank = q * buckets[-1][1]
    if rank <= 0:
        return None
    for (lower, below), (upper, count) in pairwise(buckets):
        if count >= rank:
            if math.isinf(upper):
                return lower
            return min(upper, lower + (upper - lower) * (rank - below) / (count - below))
    return buckets[-1][0]


def _is_first_audio(labels: Mapping[str, str]) -> bool:
    return labels["stage"] == FIRST_AUDIO and labels["kind"] in ANSWERS


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000)
