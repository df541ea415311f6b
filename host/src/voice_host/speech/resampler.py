"""PCM16 mono from one sample rate to another."""

from __future__ import annotations

import importlib
from typing import Any


class Resampler:
    """A stream of PCM16 mono, little-endian, at `from_hz`, handed on at `to_hz`. Pieces may split a sample.

    The first one whose rates differ imports soxr and numpy, which takes long enough to be done in a thread.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._odd = b""
        self._stream: Any = None
        if from_hz != to_hz:
            self._numpy: Any = importlib.import_module("numpy")
            soxr: Any = importlib.import_module("soxr")
            self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="int16")

    def resample(self, pcm: bytes, *, last: bool = False) -> bytes:
        """Return what is ready; the filter holds a few ms back. With `last`, return all that is left."""
        pcm = self._odd + pcm
        whole = len(pcm) - len(pcm) % 2
        pcm, self._odd = pcm[:whole], pcm[whole:]
        if self._stream is None:
            return pcm
        resampled = self._stream.resample_chunk(self._numpy.frombuffer(pcm, dtype="<i2"), last=last)
        return bytes(resampled.astype("<i2", copy=False).tobytes())
