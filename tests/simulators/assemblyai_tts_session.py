"""One connection to the simulated AssemblyAI voice."""

from __future__ import annotations

import asyncio
import base64
import json
import math
from array import array
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

if TYPE_CHECKING:
    from tests.simulators.assemblyai_tts import AssemblyAITTSSimulator

Message = dict[str, Any]

VOICES = {"aai-jane", "aai-alba", "aai-michael"}
SAMPLE_RATES = {"8000", "16000", "22050", "24000", "44100", "48000"}
MAX_TEXT = 2000
MAX_UNSPOKEN = 8000
MAX_UNBROKEN = 60
FRAME_BYTES = 3841
"""About 80 ms at 24 kHz, and odd: a sample is split over two frames again and again."""


class Fault(Enum):
    """How a request goes wrong. It is drawn when synthesis begins."""

    CLOSE_BEFORE_AUDIO = auto()
    """Close 1000 without any audio."""
    DROP_BEFORE_AUDIO = auto()
    """The connection breaks without a close frame, before any audio."""
    ERROR_BEFORE_AUDIO = auto()
    """A retryable `Error` (3005)."""
    FINAL_ERROR_BEFORE_AUDIO = auto()
    """An `Error` (3005) that says it is not retryable."""
    CLOSE_MID_AUDIO = auto()
    """Close 1000 after half of the audio."""
    DROP_MID_AUDIO = auto()
    """The connection breaks after half of the audio."""
    ERROR_MID_AUDIO = auto()
    """A retryable `Error` after half of the audio."""
    STALL = auto()
    """Never a byte of audio, and no close."""
    STALL_MID_AUDIO = auto()
    """Half of the audio, then nothing, and no close."""


class Timings(Enum):
    """When the timings of the words come."""

    AFTER = auto()
    """After `FlushDone`, as the service does it."""
    BEFORE = auto()
    """Before the audio."""
    NEVER = auto()
    """Not at all: they are best effort."""


@dataclass
class SaidRequest:
    """What was flushed at once, and what was made of it.

    Attributes:
        pieces: the texts of its `Generate` messages.
        audio: PCM16 that was sent. `pcm`: all that belongs to it.
        words: what its `WordBoundaries` say, counted from its own beginning.
        complete: all of its audio was sent. `cancelled`: it will not be.
    """

    flush_id: int
    pieces: list[str]
    pcm: bytes
    words: list[tuple[str, int, int]]
    audio: bytearray = field(default_factory=bytearray)
    complete: bool = False
    cancelled: bool = False

    @property
    def text(self) -> str:
        return "".join(self.pieces).strip()


class Refusal(Exception):
    """Ends a session by an `Error` and a close with its code. `blames`: the client broke a rule."""

    def __init__(self, code: int, text: str, *, retryable: bool = False, blames: bool = True) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.retryable = retryable
        self.blames = blames


class Broken(Exception):
    """The connection is over, with this close code; None: without a close frame. No `Error` precedes it."""

    def __init__(self, code: int | None) -> None:
        super().__init__(code)
        self.code = code


class VoiceSession:
    """One connection: what it received.

    Attributes:
        query, headers: of the upgrade; header names in lower case.
        messages: all JSON messages received, in order.
        begun, terminated: whether it said so.
        close_code: how the connection ended, None while it is open.
    """

    def __init__(self, simulator: AssemblyAITTSSimulator, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.query = dict(parse_qsl(urlsplit(socket.request.path).query))
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in socket.request.headers.raw_items()}
        self.messages: list[Message] = []
        self.begun = False
        self.terminated = False
        self.close_code: int | None = None
        self._simulator = simulator
        self._socket = socket
        self._pieces: list[str] = []
        self._waiting: deque[SaidRequest] = deque()
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._next_flush_id = 0
        self._timeline_bytes = 0

    @property
    def types(self) -> list[str]:
        """The types of the messages received."""
        return [message["type"] for message in self.messages]

    async def close(self, code: int = 1000) -> None:
        await self._socket.close(code)

    async def send(self, message: Message) -> None:
        await self._socket.send(json.dumps(message))

    async def send_raw(self, message: str | bytes) -> None:
        """Anything at all, for instance garbage."""
        await self._socket.send(message)

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._begin()
                speaking = tasks.create_task(self._speak())
                while not self.terminated:
                    received = await self._socket.recv()
                    speaking = await self._take(received, speaking, tasks)
                    self._simulator.changed()
                speaking.cancel()
            await self.close()
        except* Refusal as refusals:
            refusal = refusals.exceptions[0]
            assert isinstance(refusal, Refusal)
            if refusal.blames:
                self._simulator.violations.append(str(refusal))
            await self._refuse(refusal)
        except* Broken as broken:
            first = broken.exceptions[0]
            assert isinstance(first, Broken)
            if first.code is None:
                self._socket.transport.abort()
            else:
                await self.close(first.code)
        except* ConnectionClosed:
            pass

    async def _refuse(self, refusal: Refusal) -> None:
        await self.send(
            {
                "type": "Error",
                "error_code": refusal.code,
                "error": refusal.text,
                "retryable": refusal.retryable,
            }
        )
        await self.close(refusal.code)

    # --- what it is told ---

    async def _begin(self) -> None:
        if self.headers.get("authorization") != self._simulator.api_key:
            raise Refusal(1008, "Unauthorized Connection: Missing or invalid API token")
        if self.query.get("voice_id", "aai-jane") not in VOICES:
            raise Refusal(3006, f"voice_not_found: {self.query['voice_id']}")
        for name, allowed in (
            ("sample_rate", SAMPLE_RATES),
            ("encoding", {"pcm_s16le"}),
            ("word_boundaries", {"true", "false"}),
        ):
            if name in self.query and self.query[name] not in allowed:
                raise Refusal(3006, f"Bad connect parameter: {name}")
        self.sample_rate = int(self.query.get("sample_rate", "24000"))
        if not self._simulator.begins:
            await self._socket.wait_closed()
            raise Broken(None)
        configuration = {"word_boundaries": self._times_words, "sample_rate": self.sample_rate}
        await self.send(
            {"type": "Begin", "id": "a-session", "expires_at": 2_000_000_000, "configuration": configuration}
        )
        self.begun = True
        self._simulator.changed()

    @property
    def _times_words(self) -> bool:
        return self.query.get("word_boundaries", "true") == "true"

    async def _take(
        self, received: str | bytes, speaking: asyncio.Task[None], tasks: asyncio.TaskGroup
    ) -> asyncio.Task[None]:
        message = self._parse(received)
        self.messages.append(message)
        match message["type"]:
            case "Generate":
                self._generate(message.get("text"))
            case "Flush":
                self._flush()
            case "Cancel":
                return await self._cancel(speaking, tasks)
            case "KeepAlive":
                pass
            case "Terminate":
                await self._terminate()
            case unknown:
                raise Refusal(3006, f"Invalid Message Type: {unknown}")
        return speaking

    async def _terminate(self) -> None:
        """All that was flushed is spoken first, unless the client does not wait for it."""
        leaving = asyncio.create_task(self._socket.wait_closed())
        idle = asyncio.create_task(self._idle.wait())
        await asyncio.wait({leaving, idle}, return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        idle.cancel()
        duration_s = self._ms(self._timeline_bytes) / 1000
        totals = {"session_duration_seconds": 1, "total_input_char_length": 1, "audio_duration_seconds": duration_s}
        await self.send({"type": "Termination", **totals})
        self.terminated = True

    def _parse(self, received: str | bytes) -> Message:
        try:
            message = json.loads(received) if isinstance(received, str) else None
        except ValueError:
            message = None
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise Refusal(3006, "A message must be a JSON object with a type, in a text frame")
        return message

    def _generate(self, text: object) -> None:
        if not isinstance(text, str):
            raise Refusal(3006, "Generate needs a text")
        if len(text) > MAX_TEXT:
            raise Refusal(3006, f"The text is longer than {MAX_TEXT} characters")
        if any(len(word) > MAX_UNBROKEN for word in text.split()):
            raise Refusal(3006, "A run without a space is too long to be spoken")
        self._pieces.append(text)
        unspoken = len("".join(self._pieces)) + sum(len(request.text) for request in self._waiting)
        if unspoken > MAX_UNSPOKEN:
            raise Refusal(3010, f"More than {MAX_UNSPOKEN} characters wait to be spoken")

    def _flush(self) -> None:
        pieces, self._pieces = self._pieces, []
        tokens = "".join(pieces).split() if any(letter.isalnum() for letter in "".join(pieces)) else []
        words, position = [], 0
        for token in tokens:
            end = position + self._simulator.length_ms(token)
            words.append((token, position, end))
            position = end
        pcm = tone(position, self.sample_rate, pitch=self._next_flush_id)
        request = SaidRequest(self._next_flush_id, pieces, pcm, words)
        self._next_flush_id += 1
        self._simulator.requests.append(request)
        self._waiting.append(request)
        self._idle.clear()
        self._work.set()

    async def _cancel(self, speaking: asyncio.Task[None], tasks: asyncio.TaskGroup) -> asyncio.Task[None]:
        self._next_flush_id += 1
        self._pieces.clear()
        speaking.cancel()
        await asyncio.wait({speaking})
        sent = 0
        for request in self._waiting:
            request.cancelled = not request.complete
            sent += len(request.audio)
            if request.audio:  # still under way when the cancel came
                for _ in range(self._simulator.stale_frames):
                    await self._send_audio(request, request.pcm[:FRAME_BYTES])
        self._waiting.clear()
        self._idle.set()
        await self.send({"type": "Cancelled", "audio_duration_seconds": self._ms(sent) / 1000})
        return tasks.create_task(self._speak())

    # --- what it says ---

    async def _speak(self) -> None:
        while True:
            while not self._waiting:
                self._idle.set()
                self._work.clear()
                await self._work.wait()
            await self._say(self._waiting[0])
            self._waiting.popleft()
            self._simulator.changed()

    async def _say(self, request: SaidRequest) -> None:
        fault = self._simulator.faults.popleft() if self._simulator.faults else None
        start_bytes = self._timeline_bytes
        match fault:
            case Fault.CLOSE_BEFORE_AUDIO | Fault.DROP_BEFORE_AUDIO:
                raise Broken(1000 if fault is Fault.CLOSE_BEFORE_AUDIO else None)
            case Fault.ERROR_BEFORE_AUDIO | Fault.FINAL_ERROR_BEFORE_AUDIO:
                raise Refusal(3005, "Server error", retryable=fault is Fault.ERROR_BEFORE_AUDIO, blames=False)
            case Fault.STALL:
                await asyncio.Event().wait()
            case None:
                pass
            case _:
                await self._send_frames(request, request.pcm[: len(request.pcm) // 2])
                await self._fail_mid_audio(fault)
        if self._simulator.timings is Timings.BEFORE:
            await self._send_timings(request, start_bytes)
        await self._send_frames(request, request.pcm)
        request.complete = True
        duration_ms = round(self._ms(len(request.pcm)))
        await self.send({"type": "FlushDone", "flush_id": request.flush_id, "audio_duration_ms": duration_ms})
        if self._simulator.timings is Timings.AFTER:
            await self._send_timings(request, start_bytes)

    async def _fail_mid_audio(self, fault: Fault) -> None:
        match fault:
            case Fault.STALL_MID_AUDIO:
                await asyncio.Event().wait()
            case Fault.ERROR_MID_AUDIO:
                raise Refusal(3005, "Server error", retryable=True, blames=False)
            case _:
                raise Broken(1000 if fault is Fault.CLOSE_MID_AUDIO else None)

    async def _send_frames(self, request: SaidRequest, pcm: bytes) -> None:
        for start in range(0, len(pcm), FRAME_BYTES):
            frame = pcm[start : start + FRAME_BYTES]
            if self._simulator.speed is not None:
                await asyncio.sleep(self._ms(len(frame)) / 1000 / self._simulator.speed)
            await self._send_audio(request, frame)
            request.audio += frame
            self._simulator.changed()

    async def _send_audio(self, request: SaidRequest, frame: bytes) -> None:
        self._timeline_bytes += len(frame)
        audio = base64.b64encode(frame).decode()
        await self.send({"type": "Audio", "flush_id": request.flush_id, "audio": audio})

    async def _send_timings(self, request: SaidRequest, start_bytes: int) -> None:
        if not request.words or not self._times_words:
            return
        start_ms = round(self._ms(start_bytes))
        words = [
            {"word": word, "start": start_ms + start, "end": start_ms + end, "confidence": 0.9}
            for word, start, end in request.words
        ]
        await self.send(
            {"type": "WordBoundaries", "flush_id": request.flush_id, "audio_start_ms": start_ms, "words": words}
        )

    def _ms(self, size: int) -> float:
        return size * 1000 / (self.sample_rate * 2)


def tone(duration_ms: int, sample_rate: int = 24000, *, pitch: int = 0) -> bytes:
    """Return PCM16 that is never silent, and of another pitch for each of 20 requests."""
    length = 30 + 2 * (pitch % 20)
    period = array("h", (int(8000 * math.sin(2 * math.pi * i / length)) or 1 for i in range(length))).tobytes()
    size = duration_ms * sample_rate // 1000 * 2
    return (period * (size // len(period) + 1))[:size]
