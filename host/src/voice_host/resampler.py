"""Conversion of mono audio between sample rates."""

from __future__ import annotations

import importlib
import math
from functools import cache, lru_cache
from typing import Any, Protocol

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


class Reader(Protocol):
    """Reads encoded samples.

    Attributes:
        sample_bytes: length of a sample.
        silence: a sample of silence.
    """

    sample_bytes: int
    silence: bytes

    def read(self, data: bytes, samples: Any) -> None:
        """Write the samples of `data` into a numpy array of as many float32."""


class Pcm16:
    """Reads PCM16, little-endian (`Reader`)."""

    sample_bytes = 2
    silence = b"\0\0"

    def read(self, data: bytes, samples: Any) -> None:
        samples[:] = _numpy().frombuffer(data, dtype="<i2")


class _Stream(Protocol):
    """Converts pieces of whole samples to numpy arrays, on the scale of what was read.

    After the last piece another stream begins.
    """

    def convert(self, data: bytes, *, last: bool) -> Any: ...

    def clear(self) -> None: ...


class Resampler:
    """Converts a stream of mono audio from `from_hz` to `to_hz`.

    If the ratio of the rates is a simple one, 3 ms are kept back at most. Otherwise soxr converts, and keeps back
    up to 115 ms.

    The first instance with different rates imports numpy, and soxr where it is needed. That is slow: create it in a
    thread.

    Args:
        reader: of what `convert` takes.
    """

    def __init__(self, from_hz: int, to_hz: int, reader: Reader | None = None) -> None:
        self._odd = b""
        self._reader = Pcm16() if reader is None else reader
        self._stream: _Stream | None = None
        if from_hz != to_hz:
            simple = max(from_hz, to_hz) // math.gcd(from_hz, to_hz) <= MOST_OF_RATIO
            self._stream = (_Filter if simple else _Soxr)(from_hz, to_hz, self._reader)

    def resample(self, pcm: bytes, *, last: bool = False) -> bytes:
        """Convert PCM16, little-endian, which is what is read without another reader. Pieces may split a sample.

        Returns:
            the converted audio. With `last`, also what was kept back, and then another stream may begin.
        """
        if self._odd or len(pcm) % 2:
            pcm = self._odd + pcm
            whole = len(pcm) - len(pcm) % 2
            pcm, self._odd = pcm[:whole], b"" if last else pcm[whole:]
        if self._stream is None:
            return pcm
        return pcm16(self.convert(pcm, last=last))

    def convert(self, data: bytes, *, last: bool = False) -> Any:
        """Convert whole samples, as `resample` does, encoded as the reader takes them.

        Returns:
            the converted samples as numpy's float32, on the scale of what was read, which are valid until the next
            call. They may exceed full scale.
        """
        if self._stream is None:
            return _read(self._reader, data)
        return self._stream.convert(data, last=last)

    def reset(self) -> None:
        """Drop what was kept back: another stream begins."""
        self._odd = b""
        if self._stream is not None:
            self._stream.clear()


def _read(reader: Reader, data: bytes) -> Any:
    samples = _numpy().empty(len(data) // reader.sample_bytes, dtype="f4")
    reader.read(data, samples)
    return samples


@cache
def _limits() -> tuple[Any, Any]:
    """Return the range of PCM16, as arrays: numpy would convert numbers each time."""
    np = _numpy()
    return np.array(-FULL_SCALE, dtype="f4"), np.array(FULL_SCALE - 1, dtype="f4")


def pcm16(samples: Any) -> bytes:
    """Return converted samples as PCM16, little-endian: rounded, and limited to full scale. Changes the samples."""
    np = _numpy()
    least, most = _limits()
    np.rint(samples, out=samples)
    np.maximum(samples, least, out=samples)  # `numpy.clip` takes longer than both of these
    np.minimum(samples, most, out=samples)
    pcm: bytes = samples.astype("<i2").tobytes()
    return pcm


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


class _Filter:
    """A linear-phase low-pass filter, between rates with a simple ratio.

    soxr converts whole blocks, and keeps back up to 115 ms. That is heard in a call.

    For some hundred samples, a call of numpy takes much longer than its arithmetic. So there are few calls: arrays are
    kept for the next piece, and what the filter has to see again is kept as it came.
    """

    def __init__(self, from_hz: int, to_hz: int, reader: Reader) -> None:
        np = self._numpy = _numpy()
        self._read, self._sample_bytes, self._silence = reader.read, reader.sample_bytes, reader.silence
        common = math.gcd(from_hz, to_hz)
        self._up, self._step = to_hz // common, from_hz // common
        self._matrix, self._ahead, self._size = _weights(self._up, self._step)
        self._arrays: dict[int, tuple[Any, Any, Any]] = {}  # of each number of blocks
        rows = MOST_OF_PRODUCT // self._matrix.size
        self._most = rows * BLOCK * self._step * self._sample_bytes  # bytes converted at a time
        self._input = np.zeros(rows * BLOCK * self._step + 2 * len(self._matrix), dtype="f4")
        self._output = np.empty((rows + 2, self._matrix.shape[1]), dtype="f4")
        self.clear()

    def clear(self) -> None:
        self._kept = self._silence * self._ahead

    def convert(self, data: bytes, *, last: bool) -> Any:
        if not last:
            return self._converted(data)
        # Samples of the input from which nothing was put out.
        due = (len(self._kept) + len(data)) // self._sample_bytes - self._ahead
        behind = self._silence * (self._size - self._ahead + self._step)
        converted = self._converted(data + behind)[: -(-due * self._up // self._step)]
        self.clear()
        return converted

    def _converted(self, data: bytes) -> Any:
        if len(data) > self._most:
            parts = (data[at : at + self._most] for at in range(0, len(data), self._most))
            return self._numpy.concatenate([self._converted(part).copy() for part in parts])
        data = self._kept + data
        size = len(data) // self._sample_bytes
        self._read(data, self._input[:size])
        count = max(0, (size - self._size) // self._step + 1)
        self._kept = data[count * self._step * self._sample_bytes :]
        rows = -(-count // BLOCK)  # of the last block, some may be made of what is not there
        seen, made, in_a_row = self._arrays.get(rows) or self._arrays_of(rows)
        seen.dot(self._matrix, made)
        return in_a_row[: count * self._up]

    def _arrays_of(self, rows: int) -> tuple[Any, Any, Any]:
        """Return what is seen of the input, and what is put out, of so many blocks."""
        shape, strides = (rows, len(self._matrix)), (4 * BLOCK * self._step, 4)
        seen = self._numpy.ndarray(shape, "f4", self._input, strides=strides)
        made = self._output[:rows]
        arrays = self._arrays[rows] = seen, made, made.reshape(-1)
        return arrays


class _Soxr:
    """soxr, between any two rates."""

    def __init__(self, from_hz: int, to_hz: int, reader: Reader) -> None:
        soxr: Any = importlib.import_module("soxr")
        self._reader = reader
        self._stream: Any = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32")

    def clear(self) -> None:
        self._stream.clear()

    def convert(self, data: bytes, *, last: bool) -> Any:
        converted = self._stream.resample_chunk(_read(self._reader, data), last=last)
        if last:
            self.clear()
        return converted
