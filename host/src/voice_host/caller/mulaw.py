"""Mu-law (G.711) at the caller's end. It shares no code with the host, so that a fault of the host's is heard."""

from __future__ import annotations

import numpy as np

_BIAS, _MAX = 132, 32635


def compress(pcm: bytes) -> bytes:
    """Return PCM16 as mu-law, a byte for each sample."""
    samples = np.frombuffer(pcm, "<i2").astype(np.int32)
    magnitude = np.minimum(np.abs(samples), _MAX) + _BIAS
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    mantissa = magnitude >> (exponent + 3) & 0x0F
    codes = np.where(samples < 0, 0x80, 0) | exponent << 4 | mantissa
    return bytes((~codes & 0xFF).astype(np.uint8))


def expand(mulaw: bytes) -> bytes:
    """Return mu-law as PCM16."""
    codes = ~np.frombuffer(mulaw, np.uint8).astype(np.int32) & 0xFF
    magnitude = (((codes & 0x0F) << 3) + _BIAS << (codes >> 4 & 7)) - _BIAS
    return bytes(np.where(codes & 0x80, -magnitude, magnitude).astype("<i2").tobytes())
