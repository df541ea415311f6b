"""WAV files of the caller's and the agent's speech."""

from __future__ import annotations

import os
import shlex
import wave
from dataclasses import dataclass
from pathlib import Path


class WrongAudio(Exception):
    """The file cannot be the caller's voice. The message says what it must be and how to get there."""


class CannotSave(Exception):
    """The agent's speech cannot be written there. The message says why."""


@dataclass(frozen=True, slots=True)
class Recording:
    """PCM16 mono samples and their rate in Hz."""

    path: Path
    pcm: bytes
    sample_rate: int

    def at(self, sample_rate: int) -> bytes:
        """Return the samples for an agent that listens at `sample_rate`.

        Raises:
            WrongAudio: the recording has another rate.
        """
        if sample_rate != self.sample_rate:
            raise WrongAudio(
                f"{self.path} has {self.sample_rate} Hz, the agent listens at {sample_rate} Hz. "
                + _conversion(self.path, sample_rate)
            )
        return self.pcm


def read_wav(path: Path) -> Recording:
    """Read a WAV file.

    Raises:
        WrongAudio: no WAV file, not 16 bits and one channel, or nothing in it.
    """
    try:
        with wave.open(str(path), "rb") as wav:
            bits, channels, rate = wav.getsampwidth() * 8, wav.getnchannels(), wav.getframerate()
            pcm = wav.readframes(wav.getnframes())
    except OSError as error:
        raise WrongAudio(f"{path} cannot be read: {error.strerror or error}") from error
    except (wave.Error, EOFError) as error:
        why = str(error) or "it ends too early"
        raise WrongAudio(
            f"{path} cannot be read as a WAV file of PCM samples: {why}. {_conversion(path, 16000)}"
        ) from error
    if (bits, channels) != (16, 1):
        raise WrongAudio(
            f"{path} has {bits} bits and {channels} channel{'s' * (channels != 1)}; "
            f"a caller's voice has 16 bits and 1 channel. {_conversion(path, 16000)}"
        )
    if not pcm:
        raise WrongAudio(f"{path} has no samples")
    return Recording(path, pcm, rate)


def _conversion(path: Path, sample_rate: int) -> str:
    return f"Convert it: ffmpeg -i {shlex.quote(str(path))} -ac 1 -ar {sample_rate} -c:a pcm_s16le converted.wav"


def check_writable(path: Path) -> None:
    """See whether `write_wav` will be able to write there, and leave nothing behind.

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
