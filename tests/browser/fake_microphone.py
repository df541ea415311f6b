"""What Chromium's fake microphone plays: a real recording with silence around it."""

from __future__ import annotations

import random
import struct
import wave
from pathlib import Path

RECORDING = Path(__file__).parents[1] / "data" / "whats_the_weather_like.wav"
SPOKEN = "What's the weather like?"
BEFORE_S = 1.0  # capture begins when the page asks for the microphone; a person does not speak in that very moment
AFTER_S = 12.0  # the turn ends in silence, and the file is played only once


def padded_recording(folder: Path) -> Path:
    """Write the recording with quiet before and after it into `folder` and return its path."""
    path = folder / "speech.wav"
    with wave.open(str(RECORDING)) as source, wave.open(str(path), "wb") as target:
        target.setparams(source.getparams())
        rate = source.getframerate()
        target.writeframes(_quiet(round(BEFORE_S * rate)))
        target.writeframes(source.readframes(source.getnframes()))
        target.writeframes(_quiet(round(AFTER_S * rate)))
    return path


def _quiet(samples: int) -> bytes:
    # No room is digitally silent, and recognisers are not made for it. The same noise every time.
    noise = random.Random(1)
    return struct.pack(f"<{samples}h", *(noise.randint(-30, 30) for _ in range(samples)))
