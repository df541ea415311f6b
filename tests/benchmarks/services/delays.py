"""How late the microphone's frames arrive, and how much of that the recogniser asked for."""

from __future__ import annotations

from tests.benchmarks.numbers import summarise
from tests.benchmarks.workload import MICROPHONE_FRAME_MS, RECOGNISER_MIN_MS

KEPT_EVERY = 10
"""Of the single delays one in so many is kept, for their spread."""


class Delays:
    """The delays of the frames of one call, from the client's sending to the recogniser.

    A service that takes no less than 50 ms makes frames wait for each other. An ideal sender hands on whatever it has
    as soon as it is enough; what takes longer is the program's own.
    """

    def __init__(self) -> None:
        self._kept: list[float] = []
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self._count = 0
        self._sum_s = 0.0
        self._ideal_count = 0
        self._ideal_sum_s = 0.0
        self._waiting: list[float] = []
        self._kept.clear()

    def add(self, sent_s: float, now_s: float) -> None:
        """A frame that was sent at `sent_s` arrived."""
        self._count += 1
        self._sum_s += now_s - sent_s
        if self._count % KEPT_EVERY == 0:
            self._kept.append((now_s - sent_s) * 1000)
        self._waiting.append(sent_s)
        if len(self._waiting) * MICROPHONE_FRAME_MS >= RECOGNISER_MIN_MS:
            self._ideal_sum_s += sum(sent_s - waited_s for waited_s in self._waiting)
            self._ideal_count += len(self._waiting)
            self._waiting.clear()

    def summary(self) -> dict[str, float]:
        """Return the mean delay, how much of it is beyond an ideal sender's, and the 95th percentile; in ms."""
        if not self._count or not self._ideal_count:
            return {"frames": 0}
        spread = summarise(self._kept)
        return {
            "frames": self._count,
            "mean_ms": self._sum_s / self._count * 1000,
            "beyond_ms": (self._sum_s / self._count - self._ideal_sum_s / self._ideal_count) * 1000,
            "p95_ms": spread.p95 if spread else 0.0,
        }
