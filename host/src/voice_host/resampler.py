"""Conversion of mono audio between sample rates and encodings."""

from __future__ import annotations

import importlib
import math
from functools import cache, lru_cache
from threading import get_ident
from typing import Any, NamedTuple, Protocol

ZERO_CROSSINGS = 24
"""Half the length of the low-pass filter, in samples of the lower rate: 3 ms at 8 kHz, which is the delay."""

PASSED = 0.925
"""Where the filter halves the amplitude, as a part of half the lower rate. At 8 kHz it passes what telephones do, up to
3.4 kHz, and attenuates by 60 dB and more from 4 kHz on."""

MOST_OF_RATIO = 6
"""The highest number in a ratio of two rates that is simple, as 3 to 2 of 24 and 16 kHz is."""

BLOCK = 16
"""How many steps of the filter one row of a matrix product makes. The rows are longer than the filter then, and yet it
takes a quarter of the time, since a library for matrices does it. Half as many and twice as many take longer."""

MOST_OF_PRODUCT = 1 << 17
"""Multiplications in one matrix product. OpenBLAS uses several threads from 262,144 on, which would cost more than it
saves."""

KAISER_BETA = 6.2
"""Of the filter's window: a stop band of -65 dB. The quantisation noise of mu-law is at -38 dB."""


FULL_SCALE = 32768
"""Of PCM16."""


@cache
def _numpy() -> Any:
    return importlib.import_module("numpy")


class Codec(Protocol):
    """Encodes samples, which are numpy's float32 on the scale of PCM16.

    Attributes:
        sample_bytes: length of an encoded sample.
        silence: an encoded sample of silence.
    """

    sample_bytes: int
    silence: bytes

    def decode(self, data: bytes, samples: Any) -> None:
        """Decode `data` into an array of as many samples."""

    def encode(self, samples: Any) -> bytes:
        """Encode samples, which it may change. Those that exceed full scale become the loudest."""


class Pcm16:
    """PCM16, little-endian (`Codec`)."""

    sample_bytes = 2
    silence = b"\0\0"

    def __init__(self) -> None:
        np = self._numpy = _numpy()
        # As numpy's own: it would convert numbers and names each time.
        self._least, self._most = np.array(-FULL_SCALE, dtype="f4"), np.array(FULL_SCALE - 1, dtype="f4")
        self._type = np.dtype("<i2")

    def decode(self, data: bytes, samples: Any) -> None:
        samples[:] = self._numpy.frombuffer(data, self._type)

    def encode(self, samples: Any) -> bytes:
        np = self._numpy
        np.rint(samples, out=samples)
        np.maximum(samples, self._least, out=samples)  # `numpy.clip` takes longer than both of these
        np.minimum(samples, self._most, out=samples)
        pcm: bytes = samples.astype(self._type).tobytes()
        return pcm


@cache
def pcm16() -> Codec:
    """Return the codec that all streams of PCM16 share."""
    return Pcm16()


class _Stream(Protocol):
    """Converts pieces of whole samples. After the last piece another stream begins."""

    def convert(self, data: bytes, *, last: bool) -> bytes: ...

    def clear(self) -> None: ...


class Resampler:
    """Converts a stream of mono audio from `from_hz` to `to_hz`.

    If the ratio of the rates is a simple one, 3 ms are kept back at most. Otherwise soxr converts, and keeps back
    up to 115 ms.

    The first instance that converts anything imports numpy, and soxr where it is needed. That is slow: create it in a
    thread.

    Args:
        comes_as, leaves_as: the encodings; None: PCM16, little-endian.
    """

    def __init__(self, from_hz: int, to_hz: int, comes_as: Codec | None = None, leaves_as: Codec | None = None) -> None:
        self._odd = b""
        self._stream: _Stream | None = None
        self._sample_bytes = 2 if comes_as is None else comes_as.sample_bytes
        if from_hz != to_hz:
            simple = max(from_hz, to_hz) // math.gcd(from_hz, to_hz) <= MOST_OF_RATIO
            stream = _Filter if simple else _Soxr
            self._stream = stream(from_hz, to_hz, comes_as or pcm16(), leaves_as or pcm16())
        elif comes_as is not leaves_as:
            self._stream = _SameRate(comes_as or pcm16(), leaves_as or pcm16())

    def resample(self, data: bytes, *, last: bool = False) -> bytes:
        """Convert the next piece, which may split a sample.

        Returns:
            whole samples. With `last`, also what was kept back, and then another stream may begin.
        """
        if self._odd or len(data) % self._sample_bytes:
            data = self._odd + data
            whole = len(data) - len(data) % self._sample_bytes
            data, self._odd = data[:whole], b"" if last else data[whole:]
        return data if self._stream is None else self._stream.convert(data, last=last)

    def reset(self) -> None:
        """Drop what was kept back: another stream begins."""
        self._odd = b""
        if self._stream is not None:
            self._stream.clear()


@lru_cache(maxsize=8)
def _weights(up: int, step: int) -> tuple[Any, int, int]:
    """Return the filter for rates with the ratio of `up` to `step`. All streams share it: caches hold it.

    Returns:
        the matrix that makes BLOCK * up samples of a row of input; how many samples the filter looks ahead; and how
        many it looks at, to put out `up` samples.
    """
    np = _numpy()
    # One row for each of the samples that are put out for `step` samples of the input, all from the same window.
    lower = max(1.0, step / up)  # a sample of the lower rate, in samples of the input
    ahead = math.ceil(ZERO_CROSSINGS * lower)
    size = 2 * ahead + 1 + step * (up - 1) // up
    row, column = np.mgrid[:up, :size]
    distance = (row * step / up - (column - ahead)) / lower
    window = np.i0(KAISER_BETA * np.sqrt(np.clip(1 - (distance / ZERO_CROSSINGS) ** 2, 0, None)))
    window[abs(distance) > ZERO_CROSSINGS] = 0
    filtered = np.sinc(PASSED * distance) * window
    weights = (filtered / filtered.sum(axis=1, keepdims=True)).astype("f4")
    matrix = np.zeros((size + (BLOCK - 1) * step, BLOCK * up), dtype="f4")
    for number in range(BLOCK):
        first, column = number * step, number * up
        matrix[first : first + size, column : column + up] = weights.T
    return matrix, ahead, size


class _Arrays(NamedTuple):
    """Where a piece is converted.

    Attributes:
        samples: what came.
        seen: rows of it, each of which overlaps the next.
        matrix: see `_weights`.
        made: its product with them.
        converted: that, in a row.
        used: how many samples need not be seen again.
    """

    samples: Any
    seen: Any
    matrix: Any
    made: Any
    converted: Any
    used: int


@lru_cache(maxsize=128)
def _arrays(up: int, step: int, length: int, thread: int) -> _Arrays:
    """Return the arrays for pieces of `length` samples. All streams of a thread use the same, one after the other."""
    np = _numpy()
    matrix, _, size = _weights(up, step)
    count = max(0, (length - size) // step + 1)
    rows = -(-count // BLOCK)  # of the last block, some may be made of what is not there
    there = np.zeros(max(length, rows * BLOCK * step + len(matrix)), dtype="f4")
    seen = np.ndarray((rows, len(matrix)), "f4", there, strides=(4 * BLOCK * step, 4))
    made = np.empty((rows, matrix.shape[1]), dtype="f4")
    return _Arrays(there[:length], seen, matrix, made, made.reshape(-1)[: count * up], count * step)


class _Filter:
    """A linear-phase low-pass filter, between rates with a simple ratio.

    soxr converts whole blocks, and keeps back up to 115 ms. That is heard in a call.

    For some hundred samples, a call of numpy takes much longer than its arithmetic. So there are few calls: what the
    filter has to see again is kept as it came, and arrays are kept for the next piece, of whichever call it is: what
    was used a moment ago is in the processor's caches.
    """

    def __init__(self, from_hz: int, to_hz: int, comes_as: Codec, leaves_as: Codec) -> None:
        self._decode, self._encode = comes_as.decode, leaves_as.encode
        self._sample_bytes, self._silence = comes_as.sample_bytes, comes_as.silence
        self._made_bytes = leaves_as.sample_bytes
        common = math.gcd(from_hz, to_hz)
        self._up, self._step = to_hz // common, from_hz // common
        matrix, self._ahead, self._size = _weights(self._up, self._step)
        self._most = MOST_OF_PRODUCT // matrix.size * BLOCK * self._step * self._sample_bytes  # converted at a time
        self.clear()

    def clear(self) -> None:
        self._kept = self._silence * self._ahead

    def convert(self, data: bytes, *, last: bool) -> bytes:
        if last:
            return self._finish(data)
        if len(data) > self._most:
            parts = range(0, len(data), self._most)
            return b"".join(self.convert(data[at : at + self._most], last=False) for at in parts)
        data = self._kept + data
        length = len(data) // self._sample_bytes
        samples, seen, matrix, made, converted, used = _arrays(self._up, self._step, length, get_ident())
        self._decode(data, samples)
        self._kept = data[used * self._sample_bytes :]
        seen.dot(matrix, made)
        return self._encode(converted)

    def _finish(self, data: bytes) -> bytes:
        # Samples of the input from which nothing was put out.
        due = (len(self._kept) + len(data)) // self._sample_bytes - self._ahead
        behind = self._silence * (self._size - self._ahead + self._step)
        converted = self.convert(data + behind, last=False)[: -(-due * self._up // self._step) * self._made_bytes]
        self.clear()
        return converted


class _Soxr:
    """soxr, between any two rates."""

    def __init__(self, from_hz: int, to_hz: int, comes_as: Codec, leaves_as: Codec) -> None:
        soxr: Any = importlib.import_module("soxr")
        self._comes_as, self._leaves_as = comes_as, leaves_as
        self._stream: Any = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32")

    def clear(self) -> None:
        self._stream.clear()

    def convert(self, data: bytes, *, last: bool) -> bytes:
        converted = self._stream.resample_chunk(_decoded(self._comes_as, data), last=last)
        if last:
            self.clear()
        return self._leaves_as.encode(converted)


class _SameRate:
    """From one encoding to another."""

    def __init__(self, comes_as: Codec, leaves_as: Codec) -> None:
        self._comes_as, self._leaves_as = comes_as, leaves_as

    def clear(self) -> None:
        """Nothing is kept back."""

    def convert(self, data: bytes, *, last: bool) -> bytes:
        return self._leaves_as.encode(_decoded(self._comes_as, data))


def _decoded(codec: Codec, data: bytes) -> Any:
    samples = _numpy().empty(len(data) // codec.sample_bytes, dtype="f4")
    codec.decode(data, samples)
    return samples
