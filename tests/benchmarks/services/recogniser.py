"""Speech-to-text that says what it is told to, in the shapes of AssemblyAI's streaming service."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.benchmarks import workload
from tests.benchmarks.wire import ServerEndpoint

MIN_MESSAGE_BYTES = 50 * workload.MICROPHONE_RATE // 1000 * 2
"""The real service closes with 3007 when messages are shorter than 50 ms."""


class Recogniser(ServerEndpoint):
    """One session. It learns whose call it is from the audio, every sample of which is the call's number.

    Args:
        sessions: where it enters itself under that number.
        listening: told the number once.
    """

    def __init__(self, sessions: dict[int, Recogniser], listening: Callable[[int], None]) -> None:
        super().__init__()
        self._sessions = sessions
        self._listening = listening
        self._call: int | None = None
        self._turn = 0
        self.short_messages = 0

    def on_open(self, head: bytes) -> None:
        self.send_text('{"type":"Begin","id":"00000000-0000-0000-0000-000000000000","expires_at":1790221526}')

    def on_binary(self, payload: bytes) -> None:
        if len(payload) < MIN_MESSAGE_BYTES:
            self.short_messages += 1
        if self._call is None and (call := int.from_bytes(payload[:2], "little")):
            self._call = call
            self._sessions[call] = self
            self._listening(call)

    def on_text(self, payload: bytes) -> None:
        if b"Terminate" in payload:
            self.send_text('{"type":"Termination","audio_duration_seconds":1,"session_duration_seconds":1}')
            self.close()

    def on_lost(self) -> None:
        if self._call is not None and self._sessions.get(self._call) is self:
            del self._sessions[self._call]

    def onset(self) -> None:
        """The caller begins to speak."""
        self.send_text('{"type":"SpeechStarted","timestamp":1216,"confidence":0.98}')

    def say(self, text: str, *, final: bool) -> None:
        """The turn so far, or as it ended."""
        words = [
            {"start": 300 * i, "end": 300 * i + 250, "text": word, "confidence": 0.92, "word_is_final": final}
            for i, word in enumerate(text.split())
        ]
        turn = {
            "type": "Turn",
            "turn_order": self._turn,
            "turn_is_formatted": final,
            "end_of_turn": final,
            "transcript": text,
            "end_of_turn_confidence": 0.9 if final else 0.1,
            "words": words,
            "utterance": "",
        }
        self._turn += final
        self.send_text(json.dumps(turn))
