"""Converts audio between a client's format and the agent's: G.711 and sample rates. No I/O."""

from __future__ import annotations

import binascii
import importlib
from collections.abc import Callable
from functools import cache
from typing import Any

from voice_host.clients.protocol import AudioFormat, Encoding
from voice_host.resampler import FULL_SCALE, Resampler


class AudioDecoder:
    """Converts a client's audio to PCM16 at `to_hz`. Pieces may split a sample, and what comes out does not.

    Converting several frames at once takes little longer than one: it is the number of calls that costs.

    Args:
        audio_format: what the client sends.
        to_hz: the agent's sample rate.
    """

    def __init__(self, audio_format: AudioFormat, to_hz: int) -> None:
        from_hz, g711 = audio_format.sample_rate or to_hz, _g711(audio_format.encoding)
        self._resampler = Resampler(from_hz, to_hz, from_codec=g711)
        self._growth = to_hz / from_hz * (1 if g711 is None else 2)

    def decode(self, data: bytes) -> bytes:
        """Convert the next piece, of which `Resampler` keeps some ms back."""
        return self._resampler.resample(data)

    def size(self, data: bytes) -> float:
        """Return how many bytes of PCM16 that will be, give or take what is kept back."""
        return len(data) * self._growth


class SpeechEncoder:
    """Converts the agent's speech, PCM16 at `from_hz`, to a client's audio.

    Args:
        from_hz: the agent's sample rate.
        audio_format: what the client plays.
    """

    def __init__(self, from_hz: int, audio_format: AudioFormat) -> None:
        to_hz, g711 = audio_format.sample_rate or from_hz, _g711(audio_format.encoding)
        self._resampler = Resampler(from_hz, to_hz, to_codec=g711)

    def encode(self, pcm: bytes, *, last: bool = False) -> bytes:
        """Convert the next piece of a reply, of which `Resampler` keeps some ms back."""
        return self._resampler.resample(pcm, last=last)

    def end(self) -> bytes:
        """Return what was kept back of a reply that is complete. Another one may follow."""
        return self.encode(b"", last=True)

    def reset(self) -> None:
        """Drop what was kept back of a reply that was cut."""
        self._resampler.reset()


def base64_text(audio: bytes) -> str:
    """Return audio in Base64."""
    return binascii.b2a_base64(audio, newline=False).decode("ascii")


# --- G.711 --------------------------------------------------------------------------------------------------------

OVERSHOOT = 4
"""How far samples may exceed full scale. A resampler makes at most 2.3 of it, or 2.8 where soxr converts."""

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


_SAMPLE_OF: dict[Encoding, Callable[[int], int]] = {"mulaw": _ulaw_sample, "alaw": _alaw_sample}


class _G711:
    """One of G.711's laws (`Codec`).

    Args:
        sample_of: returns the PCM16 sample of a code.
    """

    sample_bytes = 1

    def __init__(self, sample_of: Callable[[int], int]) -> None:
        np = self._numpy = importlib.import_module("numpy")  # the front has none, and converts nothing
        self._samples = samples = np.array([sample_of(code) for code in range(256)], dtype="f4")
        by_sample = samples.argsort(kind="stable").astype("u1")
        middles = (samples[by_sample][1:] + samples[by_sample][:-1]) / 2
        most = OVERSHOOT * FULL_SCALE
        self._codes = by_sample[np.searchsorted(middles, np.r_[:most, -most:0], side="right")]
        """The nearest code of each sample. Negative ones count from the end."""
        self._code_type, self._index_type = np.dtype("u1"), np.dtype("intp")  # numpy would look names up each time
        self.silence = self.encode(np.zeros(1))

    def decode(self, data: bytes, samples: Any) -> None:
        # Codes are never out of range. With the default mode, "raise", numpy would copy the samples once more.
        self._samples.take(self._numpy.frombuffer(data, self._code_type), out=samples, mode="wrap")

    def encode(self, samples: Any) -> bytes:
        # Fractions are cut off. No index is out of range: the table reaches to `OVERSHOOT`.
        codes: bytes = self._codes.take(samples.astype(self._index_type), mode="wrap").tobytes()
        return codes


@cache
def _g711(encoding: Encoding) -> _G711 | None:
    return _G711(_SAMPLE_OF[encoding]) if encoding in _SAMPLE_OF else None
