"""A session of the OpenAI Realtime protocol without an event loop."""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.clients.realtime_reader import Reader
from voice_host.call import events as call
from voice_host.clients.openai_realtime import OpenAIRealtime
from voice_host.clients.protocol import (
    Answer,
    Malformed,
)

READY = call.Ready("s1", "desk", 16000, 24000)
SILENCE = base64.b64encode(bytes(4800)).decode()  # 0.1 s
TEXT = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}


class Session:
    """A session without a connection; what the client is told is read strictly."""

    def __init__(self) -> None:
        self.protocol = OpenAIRealtime({"model": "desk", "expires_at": 1800000000})
        self.reader = Reader()
        self.tell(READY)
        self.send("session.update", session={"type": "realtime"})

    def send(self, kind: str, **fields: Any) -> list[Any]:
        """Send an event, and return what the host makes of it, but for what it answers."""
        return self.raw(json.dumps({"type": kind, **fields}))

    def raw(self, frame: str | bytes) -> list[Any]:
        received = list(self.protocol.receive(frame))
        for event in received:
            if isinstance(event, Answer | Malformed):
                self._read(event.frames if isinstance(event, Answer) else event.answer)
        return [event for event in received if not isinstance(event, Answer)]

    def tell(self, *events: call.CallEvent) -> None:
        for event in events:
            self._read(self.protocol.tell(event))

    def speak(self, reply: int, ms: float) -> None:
        self._read(self.protocol.speech(reply, bytes(int(ms * 48))))

    def _read(self, frames: Any) -> None:
        for frame in frames:
            self.reader.take(json.loads(frame))

    @property
    def last(self) -> dict[str, Any]:
        return self.reader.events[-1]


def over(reply: int, how: str = "completed", heard: str = "") -> call.ReplyOver:
    return call.ReplyOver(reply, "spoken", how, "Hello there.", heard, how != "completed", {}, 7, 3)
