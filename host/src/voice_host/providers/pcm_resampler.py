"""Changing the sample rate of a stream of PCM16 mono."""

from __future__ import annotations

import importlib
from typing import Any, Protocol


class Resampler(Protocol):
    """Turns one stream of whole PCM16 samples into another rate."""

    def push(self, pcm: bytes) -> bytes:
        """Add audio and return what is ready. The filter holds a few ms back."""

    def flush(self) -> bytes:
        """Return the rest. Nothing may be pushed afterwards."""


class SameRate:
    """The stream as it is."""

    def push(self, pcm: bytes) -> bytes:
        return pcm

    def flush(self) -> bytes:
        return b""


class SoxrResampler:
    """High-quality resampling with soxr, from the extra `voice-host[embedded]`.

    The first one imports soxr and numpy, which takes long enough to be done in a thread.

    Raises:
        ImportError: soxr is not installed.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._numpy: Any = importlib.import_module("numpy")
        soxr: Any = importlib.import_module("soxr")
        self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="int16")

    def push(self, pcm: bytes) -> bytes:
        return self._resample(pcm, last=False)

    def flush(self) -> bytes:
        return self._resample(b"", last=True)

    def _resample(self, pcm: bytes, *, last: bool) -> bytes:
        samples = self._numpy.frombuffer(pcm, dtype="<i2")
        resampled: bytes = self._stream.resample_chunk(samples, last=last).astype("<i2").tobytes()
        return resampled
