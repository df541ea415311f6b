"""Endpointing: a state machine that finds where utterances begin and end. No I/O, no clock.

Time is counted in windows of audio, 32 ms each, however fast they arrive.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from voice_host_sdk import SpeechEnded, SpeechStarted

WINDOW_SAMPLES = 512
"""The only window length that the voice-activity model accepts: 32 ms at 16 kHz."""
WINDOW_BYTES = 2 * WINDOW_SAMPLES
WINDOW_MS = 32

# The 100 ms of silence that end speech come from Silero's own segmentation. The other waits were measured with recorded
# speech (docs/benchmarks.md): pauses between the numbers of a list last up to 600 ms, others 200 ms.
_SPEECH_PROBABILITY = 0.5
_SILENCE_PROBABILITY = 0.35
_ONSET_WINDOWS = 2
_PRE_ROLL_WINDOWS = 15  # 480 ms: the first phoneme is softer than what the detector finds, more so on telephones
_ENDED_WINDOWS = 3
_DRAFT_WINDOWS = 6  # 192 ms
_COMMIT_COMPLETE_WINDOWS = 14  # 448 ms
_COMMIT_WINDOWS = 22  # 704 ms

_PARTIAL_WINDOWS = 15
"""A partial transcript is due every 480 ms; for an utterance longer than 4 s, when it has grown by an eighth."""
_LONG_WINDOWS = 10_000 // WINDOW_MS
"""A pause splits an utterance longer than 10 s, so that little is left to decode when it ends."""
_LONGEST_WINDOWS = 30_000 // WINDOW_MS
"""After 30 s without a pause it is split at the softest moment of the last `_SOFT_SPOT_WINDOWS`."""
_SOFT_SPOT_WINDOWS = 2_000 // WINDOW_MS


@dataclass(frozen=True, slots=True)
class Window:
    """32 ms of audio: PCM16 mono at 16 kHz, the probability of speech (0 to 1), and the loudness (RMS, in LSB)."""

    pcm: bytes
    probability: float
    loudness: float


@dataclass(frozen=True, slots=True)
class Listen:
    """A partial transcript is due for the segment so far."""

    pcm: bytes


@dataclass(frozen=True, slots=True)
class Draft:
    """The segment may be complete: decode it."""

    pcm: bytes


class Verdict(Enum):
    """What happens to the last draft."""

    DROP = auto()
    """Speech continued: discard it."""
    KEEP = auto()
    """It is part of the turn; another segment follows."""
    COMMIT = auto()
    """It is the end of the turn."""


Step = SpeechStarted | SpeechEnded | Listen | Draft | Verdict


class Endpointer:
    """Finds the turns in one microphone's audio.

    An utterance begins with two windows of speech. After 192 ms of silence it is drafted, after 704 ms committed, or
    after 448 ms if `draft_is_complete()` was called; speech in between drops the draft. Holds at most 30 s of audio.
    """

    def __init__(self) -> None:
        self._pre_roll: deque[Window] = deque(maxlen=_PRE_ROLL_WINDOWS + _ONSET_WINDOWS)
        self._segment: list[Window] = []
        self._speaking = False
        self._speech_windows = 0
        self._silent_windows = 0
        self._drafted_windows = 0
        self._listened_windows = 0
        self._complete = False

    @property
    def open(self) -> bool:
        """Whether an utterance has begun and is not committed."""
        return bool(self._segment)

    def draft_is_complete(self) -> None:
        """Note that the words of the current draft sound like the end of a turn."""
        self._complete = True

    def feed(self, window: Window) -> Iterator[Step]:
        """Process the next window and yield the resulting steps in order. Must be iterated to the end."""
        if self._segment:
            self._segment.append(window)
        else:
            self._pre_roll.append(window)
        if self._speaking:
            yield from self._while_speaking(window)
        else:
            yield from self._while_silent(window)

    def _while_silent(self, window: Window) -> Iterator[Step]:
        if window.probability >= _SPEECH_PROBABILITY:
            self._speech_windows += 1
            if self._speech_windows == _ONSET_WINDOWS:
                yield from self._begin_speech()
            return
        self._speech_windows = 0
        if not self._segment:
            return
        self._silent_windows += 1
        if self._silent_windows == _DRAFT_WINDOWS:
            self._drafted_windows = len(self._segment)
            self._complete = False
            yield Draft(_audio(self._segment))
        elif self._silent_windows >= (_COMMIT_COMPLETE_WINDOWS if self._complete else _COMMIT_WINDOWS):
            self._segment = []
            self._drafted_windows = 0
            yield Verdict.COMMIT

    def _begin_speech(self) -> Iterator[Step]:
        self._speaking = True
        self._silent_windows = 0
        yield SpeechStarted()
        if not self._segment:
            self._segment = list(self._pre_roll)
            self._pre_roll.clear()
            self._listened_windows = 0
        elif self._drafted_windows >= _LONG_WINDOWS:
            yield from self._divide(self._drafted_windows)
        elif self._drafted_windows:
            yield Verdict.DROP
        self._drafted_windows = 0

    def _while_speaking(self, window: Window) -> Iterator[Step]:
        if window.probability < _SILENCE_PROBABILITY:
            self._silent_windows += 1
            if self._silent_windows == _ENDED_WINDOWS:
                self._speaking = False
                self._speech_windows = 0
                yield SpeechEnded()
                return
        else:
            self._silent_windows = 0
        if len(self._segment) >= _LONGEST_WINDOWS:
            cut = _softest(self._segment, _SOFT_SPOT_WINDOWS)
            yield Draft(_audio(self._segment[:cut]))
            yield from self._divide(cut)
        elif len(self._segment) - self._listened_windows >= max(_PARTIAL_WINDOWS, len(self._segment) // 8):
            self._listened_windows = len(self._segment)
            yield Listen(_audio(self._segment))

    def _divide(self, at: int) -> Iterator[Step]:
        self._segment = self._segment[at:]
        self._listened_windows = 0
        yield Verdict.KEEP


def _softest(windows: list[Window], last: int) -> int:
    first = len(windows) - last
    return min(range(first, len(windows)), key=lambda index: windows[index].loudness)


def _audio(windows: list[Window]) -> bytes:
    return b"".join(window.pcm for window in windows)
