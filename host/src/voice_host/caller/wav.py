"""Reading the caller's recordings and saving the agent's speech, as WAV files."""

from __future__ import annotations

import os
import shlex
import struct
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

_PCM, _FLOAT, _EXTENSIBLE = 0x0001, 0x0003, 0xFFFE
_NAMES = {0x0002: "ADPCM", 0x0006: "A-law", 0x0007: "mu-law", 0x0011: "ADPCM", 0x0031: "GSM", 0x0055: "MP3"}
"""Unsupported encodings, by the number in the header."""

_UNKNOWN_SIZE = 0xFFFFFFFF
"""Written by programs that stream, and in files that are too long for the header (RF64)."""

_RATES_HZ = range(1000, 768_001)
"""Other rates mean a damaged header, and resampling from them would take a lot of memory."""


class WrongAudio(Exception):
    """The file cannot be played. The message says why, and how to convert it."""


class CannotSave(Exception):
    """The agent's speech cannot be saved. The message says why."""


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A recording: mono samples from -1 to 1, and their rate in Hz."""

    path: Path
    samples: NDArray[np.float32]
    sample_rate: int

    def at(self, sample_rate: int) -> bytes:
        """Return the recording as PCM16 mono at `sample_rate` Hz."""
        samples = self.samples
        if sample_rate != self.sample_rate:
            samples = soxr.resample(samples, self.sample_rate, sample_rate)
        return bytes(np.clip(np.rint(samples * 32768), -32768, 32767).astype("<i2").tobytes())


@dataclass(frozen=True, slots=True)
class _Format:
    """What the header says. `width`: bytes per sample."""

    encoding: int
    channels: int
    sample_rate: int
    width: int


def read_wav(path: Path) -> Recording:
    """Read a WAV file of any sample rate and mix its channels.

    Samples may be integers of 8, 16, 24 or 32 bits, or floating point numbers of 32 or 64 bits. Python's `wave` reads
    no floating point numbers, and before 3.12 no extensible header, which ffmpeg and sox write.

    Raises:
        WrongAudio: it cannot be read, is no WAV file, has samples of another kind, or has none.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WrongAudio(f"{path} cannot be read: {error.strerror or error}") from error
    try:
        format_, data = _parsed(content)
        samples = _mixed(_decoded(data, format_), format_.channels)
    except ValueError as error:
        convert = f"Convert it: ffmpeg -i {shlex.quote(str(path))} -ac 1 -ar 16000 -c:a pcm_s16le converted.wav"
        raise WrongAudio(f"{path} {error}. {convert}") from error
    if not len(samples):
        raise WrongAudio(f"{path} has no samples")
    return Recording(path, samples, format_.sample_rate)


def _parsed(content: bytes) -> tuple[_Format, memoryview]:
    """Return the format and the bytes of the samples. A truncated file has fewer than its header says."""
    if content[:4] not in (b"RIFF", b"RF64") or content[8:12] != b"WAVE":
        raise ValueError("is not a WAV file")
    format_, long_size, at = None, None, 12
    while at + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, at)
        body = memoryview(content)[at + 8 : at + 8 + size]
        if name == b"ds64" and len(body) >= 16:
            long_size = int.from_bytes(body[8:16], "little")
        elif name == b"fmt ":
            format_ = _format(body)
        elif name == b"data":
            if format_ is None:
                break
            if size == _UNKNOWN_SIZE:
                size = long_size or len(content)
            return format_, memoryview(content)[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    raise ValueError("ends before its samples begin")


def _format(header: memoryview) -> _Format:
    if len(header) < 16:
        raise ValueError("has a damaged header")
    encoding, channels, sample_rate, _, frame, bits = struct.unpack_from("<HHIIHH", header)
    if encoding == _EXTENSIBLE and len(header) >= 26:
        encoding = int.from_bytes(header[24:26], "little")  # the first two bytes of the sub-format
    if encoding not in (_PCM, _FLOAT):
        raise ValueError(
            f"contains {_NAMES.get(encoding, f'samples of an unknown encoding ({encoding:#06x})')}, not plain samples"
        )
    width, rest = divmod(frame, channels) if channels else (0, 0)
    if rest or not 0 < bits <= width * 8 or sample_rate not in _RATES_HZ:
        raise ValueError(
            f"has a damaged header: {channels} channels, {sample_rate} Hz, {bits} bits, {frame} bytes for each sample"
        )
    if width not in ((4, 8) if encoding == _FLOAT else (1, 2, 3, 4)):
        raise ValueError(f"has samples of {bits} bits, which is not supported")
    return _Format(encoding, channels, sample_rate, width)


def _decoded(data: memoryview, format_: _Format) -> NDArray[np.float32]:
    """Return the interleaved samples of all channels, from -1 to 1."""
    width = format_.width
    data = data[: len(data) - len(data) % (width * format_.channels)]
    if format_.encoding == _FLOAT:
        return np.nan_to_num(np.frombuffer(data, f"<f{width}").astype(np.float32), posinf=1.0, neginf=-1.0)
    integers: NDArray[Any]
    if width == 1:  # the only unsigned format
        integers = np.frombuffer(data, np.uint8).astype(np.int16) - 128
    elif width == 3:  # numpy has no 24-bit integers: use them as the upper bytes of 32-bit ones
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        integers, width = wide.view("<i4").ravel(), 4
    else:
        integers = np.frombuffer(data, f"<i{width}")
    return integers.astype(np.float32) / np.float32(2 ** (8 * width - 1))


def _mixed(samples: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    return samples if channels == 1 else samples.reshape(-1, channels).mean(axis=1, dtype=np.float32)


def check_writable(path: Path) -> None:
    """Check that `write_wav` will be able to write there. Creates nothing.

    Raises:
        CannotSave: it will not.
    """
    if path.is_dir():
        raise CannotSave(f"{path} is a folder")
    if not path.parent.is_dir():
        raise CannotSave(f"there is no folder {path.parent}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise CannotSave(f"{path} cannot be written: permission denied")


def write_wav(path: Path, pcm: bytes, sample_rate: int) -> None:
    """Write PCM16 mono samples as a WAV file.

    Raises:
        CannotSave: it cannot be written.
    """
    try:
        with wave.open(str(path), "wb") as wav:
            wav.setnchannels(1)
            wav.setsampwidth(2)
            wav.setframerate(sample_rate)
            wav.writeframes(pcm)
    except OSError as error:
        raise CannotSave(f"{path} cannot be written: {error.strerror or error}") from error
