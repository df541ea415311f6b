"""Callers by the protocol that they speak, as cheap as possible: what they cost is not measured, but uses the machine.

What they know of a protocol suffices to talk with a host that keeps it; the simulators that check it are elsewhere.
"""

from __future__ import annotations

import asyncio
import base64
import json
import math
import re
import struct
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.benchmarks import workload
from tests.benchmarks.callers.caller import Caller, Manner
from tests.benchmarks.spoken_code import BIT_MS, BITS_PER_FRAME, LEVEL, REST, spell
from tests.benchmarks.turns import Heard
from tests.benchmarks.wire import BINARY, frame

QUIET_S = 0.3
"""So long after the last audio was played a reply is over: a telephone is not told."""


REPORT_EVERY_S = 0.1
"""As in `browser/client/playback-worklet.js`."""


@dataclass(frozen=True)
class Stream:
    """Where a caller connects, and what the host knows of the call already."""

    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    call_id: str = ""


class Levels:
    """A caller's audio at one rate, made of the three levels of `spoken_code`."""

    def __init__(self, rate: int, high: bytes, low: bytes, silence: bytes) -> None:
        samples = rate * BIT_MS // 1000
        self._bits = {"1": high * samples, "0": low * samples}
        self.silence = silence * samples * BITS_PER_FRAME
        self.rest = self.frame(REST)

    def frame(self, bits: str) -> bytes:
        return b"".join(self._bits[bit] for bit in bits)


def _pcm(rate: int) -> Levels:
    return Levels(rate, struct.pack("<h", LEVEL), struct.pack("<h", -LEVEL), bytes(2))


_MULAW = Levels(8000, b"\x9f", b"\x1f", b"\xff")
"""0x9F is 7,932, 0x1F the same below zero."""


class ProtocolCaller(Caller):
    """A caller whose voice survives conversion, and who takes what comes after a turn for its answer.

    Attributes:
        levels: of the audio in the protocol's format.
    """

    levels: Levels

    def __init__(self, stream: Stream, number: int, manner: Manner) -> None:
        super().__init__(stream.path, number, manner, stream.headers)
        self._answering = True
        self._named: deque[str | bytes] = deque()
        self._silence, self._rest = self._packed(self.levels.silence), self._packed(self.levels.rest)

    def _packed(self, audio: bytes) -> str | bytes:
        """Return a frame of audio as `_send_audio` takes it; what can be done before is done here."""
        return base64.b64encode(audio).decode()

    def _send_audio(self, packed: str | bytes) -> None:
        """Send a frame of the microphone."""
        raise NotImplementedError

    def send_microphone(self) -> None:
        now_s, turn = time.monotonic(), self._speaking
        if turn is None:
            self._send_audio(self._silence)
            return
        self._send_audio(self._named.popleft() if self._named else self._rest)
        if now_s >= turn.began_s + workload.SCRIPTS[self._script].voice_s:
            self._speaking = None

    def _speak(self, script: int) -> Heard:
        turn = super()._speak(script)
        spelt = spell(turn.number, script, self.manner.style)
        self._named = deque(self._packed(self.levels.frame(bits)) for bits in spelt)
        self._playback.begin()
        return turn

    async def _hear_out(self) -> None:
        while (left_s := self._playback.silent_at_s() + QUIET_S - time.monotonic()) > 0:  # noqa: ASYNC110 (more may come)
            await asyncio.sleep(left_s)


class OwnCaller(ProtocolCaller):
    """Our own protocol: PCM16 at 16 kHz up and at 24 kHz down, in binary frames.

    As our browser client does, it reports what was played each `REPORT_EVERY_S`.
    """

    levels = _pcm(workload.MICROPHONE_RATE)
    _REPLY = re.compile(rb'\{"type": ?"reply_delta", ?"reply": ?(\d+)')

    def __init__(self, stream: Stream, number: int, manner: Manner) -> None:
        super().__init__(stream, number, manner)
        self._reply = 0
        self._report_s = math.inf

    def _packed(self, audio: bytes) -> bytes:
        return frame(BINARY, audio, masked=True)

    def _send_audio(self, packed: str | bytes) -> None:
        assert isinstance(packed, bytes)
        self.send_frame(packed)

    def hear(self, size: int, duration_ms: float) -> None:
        super().hear(size, duration_ms)
        if self._answering and self.heard:
            self._report_s = min(self._report_s, time.monotonic() + REPORT_EVERY_S)

    def send_microphone(self) -> None:
        super().send_microphone()
        now_s = time.monotonic()
        if now_s < self._report_s:
            return
        ended = now_s >= self._playback.silent_at_s()
        self._report_s = math.inf if ended else self._report_s + REPORT_EVERY_S
        played_ms = round(self._playback.played_ms(now_s))
        self.send_text(f'{{"type":"playback","reply":{self._reply},"played_ms":{played_ms}}}')

    def on_text(self, payload: bytes) -> None:
        if found := self._REPLY.match(payload):
            self._reply = int(found[1])
        elif payload.startswith((b'{"type": "ready"', b'{"type":"ready"')):
            self.ready.set()
        elif payload.startswith((b'{"type": "error"', b'{"type":"error"')):
            self.errors.append(json.loads(payload)["code"])


class RealtimeCaller(ProtocolCaller):
    """OpenAI Realtime: PCM16 at 24 kHz both ways, in Base64 in JSON."""

    levels = _pcm(24000)
    _AUDIO = b'{"type":"response.output_audio.delta"'
    _DELTA = b'"delta":"'

    def _send_audio(self, packed: str | bytes) -> None:
        self.send_text(f'{{"type":"input_audio_buffer.append","audio":"{packed!s}"}}')

    def on_text(self, payload: bytes) -> None:
        if payload.startswith(self._AUDIO):
            size = _decoded(payload, payload.index(self._DELTA) + len(self._DELTA))
            self.hear(size, size / 48)
        elif payload.startswith(b'{"type":"session.created"'):
            self.send_text('{"type":"session.update","session":{"type":"realtime"}}')
            self.ready.set()
        elif payload.startswith(b'{"type":"error"'):
            self.errors.append(json.loads(payload)["error"]["code"])


class TelephoneCaller(ProtocolCaller):
    """Media streams: mu-law at 8 kHz in Base64 in JSON. Marks are returned when what precedes them was played."""

    levels = _MULAW
    _PAYLOAD = b'"payload":"'

    def __init__(self, stream: Stream, number: int, manner: Manner) -> None:
        super().__init__(stream, number, manner)
        self._call_id = stream.call_id
        self._stream = f"MZ{number:032x}"
        self._sequence = self._chunk = 0
        self._marks: deque[tuple[float, str]] = deque()

    def on_open(self, head: bytes) -> None:
        self.send_text('{"event":"connected","protocol":"Call","version":"1.0.0"}')
        self.send_text(json.dumps(self._start()))
        self.ready.set()

    def _start(self) -> dict[str, object]:
        raise NotImplementedError

    def _mark(self, name: str) -> str:
        raise NotImplementedError

    def on_text(self, payload: bytes) -> None:
        if (at := payload.find(self._PAYLOAD)) >= 0:
            size = _decoded(payload, at + len(self._PAYLOAD))
            self.hear(size, size / 8)
            return
        message = json.loads(payload)
        match message["event"]:
            case "mark":
                self._marks.append((self._playback.silent_at_s(), message["mark"]["name"]))
            case "clear":
                now_s = time.monotonic()
                self._playback.drop(now_s)
                self._marks = deque((now_s, name) for _, name in self._marks)

    def send_microphone(self) -> None:
        super().send_microphone()
        now_s = time.monotonic()
        while self._marks and self._marks[0][0] <= now_s:
            self._sequence += 1
            self.send_text(self._mark(self._marks.popleft()[1]))


class TwilioCaller(TelephoneCaller):
    """Twilio's media streams."""

    account_sid = f"AC{0:032x}"

    def _start(self) -> dict[str, object]:
        audio = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
        ids = {"accountSid": self.account_sid, "callSid": self._call_id, "streamSid": self._stream}
        start = {**ids, "tracks": ["inbound"], "customParameters": {}, "mediaFormat": audio}
        return {"event": "start", "sequenceNumber": "1", "streamSid": self._stream, "start": start}

    def _send_audio(self, packed: str | bytes) -> None:
        self._sequence += 1
        self._chunk += 1
        self.send_text(
            f'{{"event":"media","sequenceNumber":"{self._sequence}","streamSid":"{self._stream}","media":'
            f'{{"track":"inbound","chunk":"{self._chunk}","timestamp":"{20 * self._chunk}","payload":"{packed!s}"}}}}'
        )

    def _mark(self, name: str) -> str:
        return (
            f'{{"event":"mark","sequenceNumber":"{self._sequence}","streamSid":"{self._stream}",'
            f'"mark":{{"name":"{name}"}}}}'
        )


class TelnyxCaller(TelephoneCaller):
    """Telnyx' media streams."""

    def _start(self) -> dict[str, object]:
        audio = {"encoding": "PCMU", "sample_rate": 8000, "channels": 1}
        start = {"call_control_id": self._call_id, "custom_parameters": {}, "media_format": audio}
        return {"event": "start", "sequence_number": "1", "stream_id": self._stream, "start": start}

    def _send_audio(self, packed: str | bytes) -> None:
        self._sequence += 1
        self._chunk += 1
        self.send_text(
            f'{{"event":"media","sequence_number":"{self._sequence}","stream_id":"{self._stream}","media":'
            f'{{"track":"inbound","chunk":"{self._chunk}","timestamp":"{20 * self._chunk}","payload":"{packed!s}"}}}}'
        )

    def _mark(self, name: str) -> str:
        return (
            f'{{"event":"mark","sequence_number":"{self._sequence}","stream_id":"{self._stream}",'
            f'"mark":{{"name":"{name}"}}}}'
        )


def _decoded(payload: bytes, begin: int) -> int:
    """Return how many bytes the Base64 holds that begins there and ends with the message."""
    end = payload.index(b'"', begin)
    return (end - begin) * 3 // 4 - payload.count(b"=", end - 2, end)


def _any(stream: Stream, number: int, manner: Manner) -> Caller:
    return Caller(stream.path, number, manner, stream.headers)


CALLERS: Mapping[str, Callable[[Stream, int, Manner], Caller]] = {
    "": _any,
    "own": OwnCaller,
    "realtime": RealtimeCaller,
    "twilio": TwilioCaller,
    "telnyx": TelnyxCaller,
}
"""By protocol; without a name: the caller of the other benchmarks, who speaks our own, too."""
