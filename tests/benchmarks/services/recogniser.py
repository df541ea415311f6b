"""Speech-to-text that hears what the microphone's marks say, in the shapes of AssemblyAI's streaming service."""

from __future__ import annotations

import asyncio
import json
import time
from functools import lru_cache

from tests.benchmarks import workload
from tests.benchmarks.events import Events
from tests.benchmarks.marked_audio import Mark, MarkReader
from tests.benchmarks.services.delays import Delays
from tests.benchmarks.spoken_code import VoiceReader
from tests.benchmarks.wire import ServerEndpoint

MIN_MESSAGE_BYTES = workload.RECOGNISER_MIN_MS * workload.MICROPHONE_RATE // 1000 * 2
"""The real service closes with 3007 when messages are shorter than 50 ms."""


class Recogniser(ServerEndpoint):
    """One session.

    Args:
        events: gets `onset` and `final` with the times at which they were sent.
        delays: of all sessions; it enters its own.
    """

    def __init__(self, events: Events, delays: list[Delays]) -> None:
        super().__init__()
        self._events = events
        self._all_delays = delays
        self._delays = Delays()
        self._reader = MarkReader()
        self._spoken = 0
        self._order = 0
        self._timers: list[asyncio.TimerHandle] = []

    def on_open(self, head: bytes) -> None:
        self._all_delays.append(self._delays)
        self.send_text('{"type":"Begin","id":"00000000-0000-0000-0000-000000000000","expires_at":1790221526}')

    def on_binary(self, payload: bytes) -> None:
        if len(payload) < MIN_MESSAGE_BYTES:
            raise SystemExit(f"the recogniser takes no message of {len(payload)} bytes")
        now_s = time.monotonic()
        for mark in self._reader.feed(payload):
            self._delays.add(mark.sent_s, now_s)
            if mark.turn and mark.turn != self._spoken:
                self._spoken = mark.turn
                self._hear(mark)

    def on_text(self, payload: bytes) -> None:
        if b"Terminate" in payload:
            self.send_text('{"type":"Termination","audio_duration_seconds":1,"session_duration_seconds":1}')
            self.close()

    def on_lost(self) -> None:
        for timer in self._timers:
            timer.cancel()
        if self._delays in self._all_delays:
            self._all_delays.remove(self._delays)

    def _hear(self, mark: Mark) -> None:
        """The voice of a turn begins: tell what will be said when it is said, by the time at which the voice began."""
        script, tag = workload.SCRIPTS[mark.script], workload.tag_of(mark.turn, mark.style)
        at = asyncio.get_running_loop().call_at
        self._timers = [
            at(mark.began_s + workload.ONSET_S, self._onset, tag),
            *(at(mark.began_s + when_s, self._say, tag, text, False) for when_s, text in script.partials),
            at(mark.began_s + script.final_s, self._say, tag, f"{script.words} {tag}", True),
        ]

    def _onset(self, tag: str) -> None:
        self.send_text('{"type":"SpeechStarted","timestamp":1216,"confidence":0.98}')
        self._events.note(tag, "onset")

    def _say(self, tag: str, text: str, final: bool) -> None:
        self.send_text(_turn(self._order, text, final))
        self._order += final
        self._events.note(tag, "final" if final else "words")


class Listener(Recogniser):
    """The same for audio that was converted on its way: a turn is told by its voice, and delays are not measured."""

    def __init__(self, events: Events, delays: list[Delays]) -> None:
        super().__init__(events, delays)
        self._voice = VoiceReader()

    def on_binary(self, payload: bytes) -> None:
        if len(payload) < MIN_MESSAGE_BYTES:
            raise SystemExit(f"the recogniser takes no message of {len(payload)} bytes")
        if (voice := self._voice.feed(payload)) is not None:
            now_s = time.monotonic()
            self._hear(Mark(0, voice.turn, voice.script, voice.style, now_s - voice.ago_s, now_s))


@lru_cache(maxsize=256)
def _turn(order: int, text: str, final: bool) -> str:
    """The turn so far, or as it ended."""
    words = [
        {"start": 300 * i, "end": 300 * i + 250, "text": word, "confidence": 0.92, "word_is_final": final}
        for i, word in enumerate(text.split())
    ]
    return json.dumps(
        {
            "type": "Turn",
            "turn_order": order,
            "turn_is_formatted": final,
            "end_of_turn": final,
            "transcript": text,
            "end_of_turn_confidence": 0.9 if final else 0.1,
            "words": words,
            "utterance": "",
        }
    )
