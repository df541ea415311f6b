"""Measuring loudness cheaply, since every frame of every call is measured. PCM16; no I/O."""

from __future__ import annotations

EVERY_NTH_SAMPLE = 7
"""Accurate enough, for a seventh of the work. Prime, so that no pure tone falls between the samples."""

SLOT_MS = 20
"""Resolution of an envelope. The delay of an echo is found to this."""

SLOTS_IN_LEVEL = 2
"""What is compared: 40 ms are fine enough for syllables, coarse enough for network jitter."""

SLOTS_KEPT = 400
"""8 s."""


def peak_to_peak(pcm: bytes) -> int:
    """Return the distance from the lowest to the highest sample, 0 to 65535."""
    samples = memoryview(pcm[: len(pcm) & ~1]).cast("h")[::EVERY_NTH_SAMPLE].tolist()
    samples.sort()  # sooner done than looking for the highest and the lowest of so few
    return samples[-1] - samples[0] if samples else 0


class Envelope:
    """The loudness of a stream of audio over the last seconds, in slots of `SLOT_MS`.

    Args:
        sample_rate: Hz.
        jitter_s: audio that is late by no more than this continues the previous audio without a gap.
    """

    def __init__(self, sample_rate: int, jitter_s: float = 0.0) -> None:
        self._bytes_per_s = sample_rate * 2
        self._step = sample_rate * SLOT_MS // 1000 * 2
        self._jitter_s = jitter_s
        self._ends_s = 0.0
        self._levels: dict[int, int] = {}

    def add(self, pcm: bytes, starts_s: float) -> int:
        """Add audio that starts at `starts_s` (seconds), or when the previous audio ends, whichever is later.

        Returns:
            the loudness of its loudest slot.
        """
        if starts_s < self._ends_s + self._jitter_s:
            starts_s = self._ends_s
        self._ends_s = starts_s + len(pcm) / self._bytes_per_s
        loudest = 0
        for offset in range(0, len(pcm), self._step):
            slot = slot_of(starts_s + offset / self._bytes_per_s)
            level = peak_to_peak(pcm[offset : offset + self._step] if len(pcm) > self._step else pcm)
            if level > self._levels.get(slot, -1):
                self._levels[slot] = level
            if level > loudest:
                loudest = level
        while len(self._levels) > SLOTS_KEPT:
            del self._levels[next(iter(self._levels))]
        return loudest

    def levels(self, first: int, count: int) -> list[int]:
        """Return the loudness of `count` slots from `first` on, `SLOTS_IN_LEVEL` at a time; 0: nothing was added."""
        level = self._levels.get
        return [
            max(level(slot + each, 0) for each in range(SLOTS_IN_LEVEL))
            for slot in range(first, first + count - SLOTS_IN_LEVEL + 1, SLOTS_IN_LEVEL)
        ]


def slot_of(at_s: float) -> int:
    """Return the slot of a time."""
    return int(at_s * 1000 / SLOT_MS)
