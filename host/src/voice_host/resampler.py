"""Conversion of PCM16 mono between sample rates."""

from __future__ import annotations

import importlib
from typing import Any


class Resampler:
    """Converts a stream of PCM16 mono, little-endian, from `from_hz` to `to_hz`. Pieces may split a sample.

    The first instance with different rates imports soxr and numpy. That is slow: create it in a thread.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._odd = b""
        self._stream: Any = None
        if from_hz != to_hz:
            self._numpy: Any = importlib.import_module("numpy")
            soxr: Any = importlib.import_module("soxr")
            self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="int16")

    def resample(self, pcm: bytes, *, last: bool = False) -> bytes:
        """Return the converted audio. The filter keeps back a few ms; with `last`, all that is left is returned."""
        pcm = self._odd + pcm
        whole = len(pcm) - len(pcm) % 2
        pcm, self._odd = pcm[:whole], pcm[whole:]
        if self._stream is None:
            return pcm
        resampled = self._stream.resample_chunk(self._numpy.frombuffer(pcm, dtype="<i2"), last=last)
        return bytes(resampled.astype("<i2", copy=False).tobytes())
