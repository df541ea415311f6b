"""PCM16 mono from one sample rate to another."""

from __future__ import annotations

import numpy as np
import soxr


class Resampler:
    """A stream of PCM16 mono, little-endian, at `from_hz`, handed on at `to_hz`. Pieces may split a sample."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="int16") if from_hz != to_hz else None
        self._odd = b""

    def resample(self, pcm: bytes, *, last: bool = False) -> bytes:
        """Return what is ready; with `last`, all that is left."""
        pcm = self._odd + pcm
        whole = len(pcm) - len(pcm) % 2
        pcm, self._odd = pcm[:whole], pcm[whole:]
        if self._stream is None:
            return pcm
        resampled = self._stream.resample_chunk(np.frombuffer(pcm, dtype="<i2"), last=last)
        return bytes(resampled.astype("<i2", copy=False).tobytes())
