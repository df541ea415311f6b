"""WAV files of the caller's and the agent's speech."""

from __future__ import annotations

import wave
from pathlib import Path


class WrongAudio(Exception):
    """The file cannot be the caller's voice. The message says what it must be and how to get there."""


def read_wav(path: Path, sample_rate: int) -> bytes:
    """Return the PCM16 mono samples of a WAV file.

    Args:
        path: the file.
        sample_rate: Hz that the agent listens at.

    Raises:
        WrongAudio: no WAV, or another format.
    """
    try:
        with wave.open(str(path), "rb") as wav:
            found = (wav.getsampwidth() * 8, wav.getnchannels(), wav.getframerate())
            pcm = wav.readframes(wav.getnframes())
    except (wave.Error, EOFError, OSError) as error:
        raise WrongAudio(f"{path} cannot be read as a WAV file of PCM samples: {error}") from error
    if found != (16, 1, sample_rate):
        bits, channels, rate = found
        raise WrongAudio(
            f"{path} has {bits} bits, {channels} channel{'s' * (channels != 1)} at {rate} Hz; "
            f"the agent listens to 16 bits, 1 channel at {sample_rate} Hz. "
            f"Convert it: ffmpeg -i {path} -ac 1 -ar {sample_rate} -c:a pcm_s16le converted.wav"
        )
    return pcm


def write_wav(path: Path, pcm: bytes, sample_rate: int) -> None:
    """Write PCM16 mono samples as a WAV file."""
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(sample_rate)
        wav.writeframes(pcm)
