"""A voice in the manner of Orpheus: words in, one utterance per socket, PCM16 at 24 kHz out."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from tests.benchmarks import workload
from tests.benchmarks.events import Events
from tests.benchmarks.wire import BINARY, ServerEndpoint, frame

_TICK_S = workload.VOICE_FRAME_MS / 1000 / workload.VOICE_SPEED
_FRAME = frame(BINARY, b"\x10\x20" * (workload.VOICE_RATE * workload.VOICE_FRAME_MS // 1000))


@dataclass
class Pace:
    """How slowly the voice speaks; set for a whole stage."""

    ms_per_word: int = 300


class Voice(ServerEndpoint):
    """One utterance. Its first word may be a turn's tag.

    Args:
        events: gets `trigger` and `spoken` with the times at which it could begin and at which it sent its first audio.
    """

    def __init__(self, pace: Pace, events: Events) -> None:
        super().__init__()
        self._pace = pace
        self._events = events
        self._configured = False
        self._ended = False
        self._tag: str | None = None
        self._words = 0
        self._made_ms = 0
        self._timer: asyncio.TimerHandle | None = None
        self._triggered_at: float | None = None

    def on_text(self, payload: bytes) -> None:
        if not self._configured:
            self._configured = True
            return
        word = payload.decode()
        if len(word.split()) != 1:
            raise SystemExit(f"the voice takes one word a message, not {word!r}")
        if word == "__END__":
            self._ended = True
        else:
            self._words += 1
            if self._words == 1:
                self._tag = workload.tag_in(word)
        if self._triggered_at is None:
            if self._ended or self._words >= workload.VOICE_STARTS_AT_WORDS or workload.ends_sentence(word):
                self._triggered_at = time.monotonic()
                self._timer = asyncio.get_running_loop().call_later(workload.FIRST_AUDIO_S, self._speak)
        elif self._timer is None:
            self._speak()

    def on_lost(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _speak(self) -> None:
        self._timer = None
        if self._made_ms >= self._words * self._pace.ms_per_word:
            if self._ended:
                self.close()
            return
        self.send_frame(_FRAME)
        if self._made_ms == 0 and self._tag is not None:
            self._events.note(self._tag, "trigger", self._triggered_at)
            self._events.note(self._tag, "spoken")
        self._made_ms += workload.VOICE_FRAME_MS
        self._timer = asyncio.get_running_loop().call_later(_TICK_S, self._speak)
