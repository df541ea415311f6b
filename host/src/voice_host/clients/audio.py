"""Converts audio between a client's format and the agent's: G.711 and sample rates. No I/O."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any

from voice_host.clients.protocol import AudioFormat, Encoding
from voice_host.resampler import Resampler


class AudioDecoder:
    """Converts a client's audio to PCM16 at `to_hz`. Pieces may split a sample, and what comes out does not.

    Converting several frames at once takes little longer than one: it is the number of calls that costs.

    Args:
        audio_format: what the client sends.
        to_hz: the agent's sample rate.
    """

    def __init__(self, audio_format: AudioFormat, to_hz: int) -> None:
        self._expand = _DECODERS[audio_format.encoding]
        from_hz = audio_format.sample_rate or to_hz
        self._resampler = Resampler(from_hz, to_hz)
        self._growth = to_hz / from_hz * (1 if audio_format.encoding == "pcm16" else 2)

    def decode(self, data: bytes) -> bytes:
        """Convert the next piece, of which `Resampler` keeps some ms back."""
        return self._resampler.resample(self._expand(data))

    def size(self, data: bytes) -> float:
        """Return how many bytes of PCM16 that will be, give or take what is kept back."""
        return len(data) * self._growth


class SpeechEncoder:
    """Converts the agent's speech, PCM16 at `from_hz` in pieces of whole samples, to a client's audio.

    Args:
        from_hz: the agent's sample rate.
        audio_format: what the client plays.
    """

    def __init__(self, from_hz: int, audio_format: AudioFormat) -> None:
        self._compress = _ENCODERS[audio_format.encoding]
        self._resampler = Resampler(from_hz, audio_format.sample_rate or from_hz)

    def encode(self, pcm: bytes) -> bytes:
        """Convert the next piece of a reply, of which `Resampler` keeps some ms back."""
        return self._compress(self._resampler.resample(pcm))

    def end(self) -> bytes:
        """Return what was kept back of a reply that is complete. Another one may follow."""
        return self._compress(self._resampler.resample(b"", last=True))

    def reset(self) -> None:
        """Drop what was kept back of a reply that was cut."""
        self._resampler.reset()


def _unchanged(data: bytes) -> bytes:
    return data


# --- G.711 --------------------------------------------------------------------------------------------------------

_BIAS = 0x84  # of mu-law, at 16 bits


def _ulaw_sample(code: int) -> int:
    code = ~code & 0xFF
    magnitude = (((code & 0x0F) << 3) + _BIAS << (code >> 4 & 7)) - _BIAS
    return -magnitude if code & 0x80 else magnitude


def _alaw_sample(code: int) -> int:
    code ^= 0x55
    exponent, mantissa = code >> 4 & 7, code & 0x0F
    magnitude = (mantissa << 4) + 8 if exponent == 0 else ((mantissa << 4) + 0x108) << (exponent - 1)
    return magnitude if code & 0x80 else -magnitude


@cache
def _sample_bytes(sample_of: Callable[[int], int]) -> tuple[bytes, bytes]:
    """Return the low and the high byte of the PCM16 sample of each of the 256 codes."""
    samples = [sample_of(code) & 0xFFFF for code in range(256)]
    return bytes(sample & 0xFF for sample in samples), bytes(sample >> 8 for sample in samples)


@cache
def _codes(sample_of: Callable[[int], int]) -> bytes:
    """Return the nearest code of each 14-bit value, the resolution of G.711."""
    known = sorted((sample_of(code), code) for code in range(256))
    codes, nearest = bytearray(1 << 14), 0
    for value in range(-(1 << 13), 1 << 13):
        sample = value << 2
        while nearest + 1 < len(known) and abs(known[nearest + 1][0] - sample) <= abs(known[nearest][0] - sample):
            nearest += 1
        codes[value & 0x3FFF] = known[nearest][1]
    return bytes(codes)


def _expand(data: bytes, sample_of: Callable[[int], int]) -> bytes:
    low, high = _sample_bytes(sample_of)
    pcm = bytearray(2 * len(data))
    pcm[::2], pcm[1::2] = data.translate(low), data.translate(high)
    return bytes(pcm)


def _compress(pcm: bytes, sample_of: Callable[[int], int]) -> bytes:
    numpy: Any = importlib.import_module("numpy")  # the front has none, and converts nothing
    codes = numpy.frombuffer(_codes(sample_of), dtype="u1")
    return bytes(codes[(numpy.frombuffer(pcm, dtype="<i2") >> 2) & 0x3FFF].tobytes())


_DECODERS: dict[Encoding, Callable[[bytes], bytes]] = {
    "pcm16": _unchanged,
    "mulaw": lambda data: _expand(data, _ulaw_sample),
    "alaw": lambda data: _expand(data, _alaw_sample),
}
_ENCODERS: dict[Encoding, Callable[[bytes], bytes]] = {
    "pcm16": _unchanged,
    "mulaw": lambda pcm: _compress(pcm, _ulaw_sample),
    "alaw": lambda pcm: _compress(pcm, _alaw_sample),
}
