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

VIEWS_KEPT = 512
"""Views of arrays that are kept for the next piece of the same length, rates and thread, 1 KB each. The microphone's
pieces have a few lengths. Those of speech have some hundred, since the playout cuts it by the clock."""

KAISER_BETA = 6.2
"""Of the filter's window: a stop band of -65 dB. The quantisation noise of mu-law is at -38 dB."""


FULL_SCALE = 32768
"""Of PCM16."""


@cache
def _numpy() -> Any:
    return importlib.import_module("numpy")


class Codec(Protocol):
    """Encodes and decodes samples: numpy's float32 on the scale of PCM16.

    Attributes:
        sample_bytes: length of an encoded sample.
        silence: an encoded sample of silence.
    """

    sample_bytes: int
    silence: bytes

    def decode(self, data: bytes, samples: Any) -> None:
        """Decode `data` into an array of as many samples."""

    def encode(self, samples: Any) -> bytes:
        """Encode samples, which it may change. What a resampler makes beyond full scale becomes the loudest value."""


class _Pcm16:
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
def _pcm16() -> Codec:
    return _Pcm16()


class _Stream(Protocol):
    """Converts pieces of whole samples. After the last piece another stream begins."""

    def convert(self, data: bytes, *, last: bool) -> bytes: ...

    def clear(self) -> None: ...


class Resampler:
    """Converts a stream of mono audio to another sample rate, another encoding, or both.

    If the ratio of the rates is a simple one, 3 ms are kept back at most. Otherwise soxr converts, and keeps back
    up to 115 ms.

    The first instance that converts anything imports numpy, and soxr where it is needed. That is slow: create it in a
    thread.

    Args:
        from_hz, to_hz: the sample rates.
        from_codec, to_codec: the encodings; by default PCM16, little-endian.
    """

    def __init__(
        self, from_hz: int, to_hz: int, from_codec: Codec | None = None, to_codec: Codec | None = None
    ) -> None:
        self._odd = b""
        self._sample_bytes = 2 if from_codec is None else from_codec.sample_bytes
        self._stream: _Stream | None = None
        if from_hz == to_hz and from_codec is to_codec:
            return
        codecs = from_codec or _pcm16(), to_codec or _pcm16()
        if from_hz == to_hz:
            self._stream = _SameRate(*codecs)
        elif max(from_hz, to_hz) // math.gcd(from_hz, to_hz) <= MOST_OF_RATIO:
            self._stream = _Filter(from_hz, to_hz, *codecs)
        else:
            self._stream = _Soxr(from_hz, to_hz, *codecs)

    def resample(self, data: bytes, *, last: bool = False) -> bytes:
        """Convert the next piece, which may end within a sample.

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


@cache
def _weights(up: int, step: int) -> tuple[Any, int, int]:
    """Return the filter for rates with the ratio of `up` to `step`. All streams share it, so that it stays in
    the processor's caches.

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


@cache
def _most_blocks(up: int, step: int) -> int:
    """Return how many blocks one matrix product makes."""
    matrix, _, _ = _weights(up, step)
    return int(MOST_OF_PRODUCT // matrix.size)


@lru_cache(maxsize=VIEWS_KEPT)
def _arrays(up: int, step: int, thread: int) -> tuple[Any, Any]:
    """Return the arrays that all streams of a thread use, one after the other: for samples, and what is made of them.

    They hold `_most_blocks` and, before that, what is seen again.
    """
    np = _numpy()
    matrix, _, _ = _weights(up, step)
    most = _most_blocks(up, step)
    return np.zeros(most * BLOCK * step + 2 * len(matrix), "f4"), np.empty((most + 2, matrix.shape[1]), "f4")


class _Views(NamedTuple):
    """Views of the arrays in which a piece of a certain length is converted.

    Attributes:
        samples: of the piece, behind those that are seen again.
        rows: of them, each of which overlaps the next.
        matrix: see `_weights`.
        product: of rows and matrix.
        output: the product's samples in a row.
        consumed: how many samples need not be seen again.
    """

    samples: Any
    rows: Any
    matrix: Any
    product: Any
    output: Any
    consumed: int


@lru_cache(maxsize=VIEWS_KEPT)
def _views(up: int, step: int, length: int, thread: int) -> _Views:
    matrix, _, size = _weights(up, step)
    samples, made = _arrays(up, step, thread)
    count = max(0, (length - size) // step + 1)
    blocks = -(-count // BLOCK)  # the last one may reach beyond the samples, for output that is not used
    rows = _numpy().ndarray((blocks, len(matrix)), "f4", samples, strides=(4 * BLOCK * step, 4))
    product = made[:blocks]
    return _Views(samples[:length], rows, matrix, product, product.reshape(-1)[: count * up], count * step)


class _Filter:
    """A linear-phase low-pass filter, between rates with a simple ratio.

    soxr converts whole blocks, and keeps back up to 115 ms. That is heard in a call.

    For some hundred samples, a call of numpy takes much longer than its arithmetic. So there are few calls: what the
    filter has to see again is kept as it came. Arrays are shared by the streams of a thread: those that were used a
    moment ago are in the processor's caches.
    """

    def __init__(self, from_hz: int, to_hz: int, from_codec: Codec, to_codec: Codec) -> None:
        self._decode, self._encode = from_codec.decode, to_codec.encode
        self._sample_bytes, self._silence = from_codec.sample_bytes, from_codec.silence
        self._output_sample_bytes = to_codec.sample_bytes
        common = math.gcd(from_hz, to_hz)
        self._up, self._step = to_hz // common, from_hz // common
        _, self._ahead, self._size = _weights(self._up, self._step)
        self._most_bytes = _most_blocks(self._up, self._step) * BLOCK * self._step * self._sample_bytes
        self.clear()

    def clear(self) -> None:
        self._kept = self._silence * self._ahead

    def convert(self, data: bytes, *, last: bool) -> bytes:
        if last:
            return self._finish(data)
        if len(data) > (most := self._most_bytes):
            return b"".join(self.convert(data[at : at + most], last=False) for at in range(0, len(data), most))
        data = self._kept + data
        length = len(data) // self._sample_bytes
        samples, rows, matrix, product, output, consumed = _views(self._up, self._step, length, get_ident())
        self._decode(data, samples)
        self._kept = data[consumed * self._sample_bytes :]
        rows.dot(matrix, product)
        return self._encode(output)

    def _finish(self, data: bytes) -> bytes:
        # Samples of the input from which nothing was put out.
        due = (len(self._kept) + len(data)) // self._sample_bytes - self._ahead
        behind = self._silence * (self._size - self._ahead + self._step)
        samples = -(-due * self._up // self._step)
        converted = self.convert(data + behind, last=False)[: samples * self._output_sample_bytes]
        self.clear()
        return converted


class _Soxr:
    """soxr, between any two rates."""

    def __init__(self, from_hz: int, to_hz: int, from_codec: Codec, to_codec: Codec) -> None:
        soxr: Any = importlib.import_module("soxr")
        self._from_codec, self._to_codec = from_codec, to_codec
        self._stream: Any = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32")

    def clear(self) -> None:
        self._stream.clear()

    def convert(self, data: bytes, *, last: bool) -> bytes:
        converted = self._stream.resample_chunk(_decoded(self._from_codec, data), last=last)
        if last:
            self.clear()
        return self._to_codec.encode(converted)


class _SameRate:
    """From one encoding to another."""

    def __init__(self, from_codec: Codec, to_codec: Codec) -> None:
        self._from_codec, self._to_codec = from_codec, to_codec

    def clear(self) -> None:
        """Nothing is kept back."""

    def convert(self, data: bytes, *, last: bool) -> bytes:
        return self._to_codec.encode(_decoded(self._from_codec, data))


def _decoded(codec: Codec, data: bytes) -> Any:
    samples = _numpy().empty(len(data) // codec.sample_bytes, dtype="f4")
    codec.decode(data, samples)
    return samples
