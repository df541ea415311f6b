"""WAV files of the caller's and the agent's speech."""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path


class WrongAudio(Exception):
    """The file cannot be the caller's voice. The message says what it must be and how to get there."""


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
        WrongAudio: no WAV file, or not 16 bits and one channel.
    """
    try:
        with wave.open(str(path), "rb") as wav:
            bits, channels, rate = wav.getsampwidth() * 8, wav.getnchannels(), wav.getframerate()
            pcm = wav.readframes(wav.getnframes())
    except (wave.Error, EOFError, OSError) as error:
        raise WrongAudio(f"{path} cannot be read as a WAV file of PCM samples: {error}") from error
    if (bits, channels) != (16, 1):
        raise WrongAudio(
            f"{path} has {bits} bits and {channels} channel{'s' * (channels != 1)}; "
            f"a caller's voice has 16 bits and 1 channel. {_conversion(path, 16000)}"
        )
    return Recording(path, pcm, rate)


def _conversion(path: Path, sample_rate: int) -> str:
    return f"Convert it: ffmpeg -i {path} -ac 1 -ar {sample_rate} -c:a pcm_s16le converted.wav"


def write_wav(path: Path, pcm: bytes, sample_rate: int) -> None:
    """Write PCM16 mono samples as a WAV file."""
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(sample_rate)
        wav.writeframes(pcm)
