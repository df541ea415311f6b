"""Orpheus text-to-speech as served by Baseten, as strict as the real one."""

from __future__ import annotations

import asyncio
import json
import math
from array import array
from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Self

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.simulators.serving import listen
from tests.simulators.waiting import Observable

SAMPLE_RATE = 24000
CONFIG_TYPES: dict[str, type | tuple[type, ...]] = {
    "voice": str,
    "max_tokens": int,
    "buffer_size": int,
    "repetition_penalty": (int, float),
    "temperature": (int, float),
    "top_p": (int, float),
}
VOICES = {"tara", "leah", "jess", "leo", "dan", "mia", "zac", "zoe"}
FRAME_BYTES = 4801
"""About 100 ms, and odd: a sample is split over two frames again and again."""


class Fault(Enum):
    """How an utterance goes wrong. It is drawn when synthesis would begin."""

    CLOSE_BEFORE_AUDIO = auto()
    """Close 1000 without any audio."""
    FAIL_BEFORE_AUDIO = auto()
    """Close 1011 without any audio."""
    DROP_BEFORE_AUDIO = auto()
    """The connection breaks without a close frame, before any audio."""
    FAIL_WITHIN_SAMPLE = auto()
    """Close 1011 after half of the first sample, which is no audio yet."""
    FAIL_MID_AUDIO = auto()
    """Close 1011 after half of the audio."""
    DROP_MID_AUDIO = auto()
    """The connection breaks after half of the audio."""
    CLOSE_MID_AUDIO = auto()
    """Close 1000 after half of the audio: nothing tells it from the end."""
    HALF_SAMPLE = auto()
    """All of the audio and half a sample more, then close 1000."""
    FLOOD = auto()
    """Audio without end, as fast as it is taken."""
    STALL = auto()
    """Never a byte of audio, and no close."""
    STALL_MID_AUDIO = auto()
    """Half of the audio, then nothing, and no close."""


@dataclass
class HeardUtterance:
    """One utterance as the service heard it.

    Attributes:
        config: the first message.
        words: one for each text message.
        audio: PCM16 at 24 kHz that was sent.
        complete: all of its audio was sent, and the close. Not one whose client hung up before that.
        open: the connection still is.
    """

    config: dict[str, Any]
    words: list[str] = field(default_factory=list)
    audio: bytearray = field(default_factory=bytearray)
    ended: bool = False
    complete: bool = False
    open: bool = True

    @property
    def text(self) -> str:
        return " ".join(self.words)


class Broken(Exception):
    """The connection is over, with this close code; None: without a close frame."""

    def __init__(self, code: int | None) -> None:
        super().__init__(code)
        self.code = code


def tone(duration_ms: int) -> bytes:
    """Return PCM16 at 24 kHz that is never silent: 480 Hz at a quarter of full scale."""
    period = array("h", (int(8000 * math.sin(2 * math.pi * i / 50)) or 1 for i in range(50))).tobytes()
    size = duration_ms * SAMPLE_RATE // 1000 * 2
    return (period * (size // len(period) + 1))[:size]


class OrpheusSimulator(Observable):
    """The service on a loopback port.

        async with OrpheusSimulator(api_key="k") as tts:
            line = await OrpheusTextToSpeech("k", url=tts.url).open(TTSConfig())
            ...
            await tts.until(lambda tts: tts.utterances and tts.utterances[0].complete)
            assert tts.utterances[0].text == "We open at nine."
            assert tts.violations == []

    Args:
        ms_per_word: of speech.
        speed: seconds of speech made in a second; None: at once.

    Attributes:
        utterances: those whose first message has arrived, in order.
        faults: one is drawn by each utterance that begins to be synthesised; None in it stands for a good one.
        connections: sockets accepted in all. `open_connections`: those open now. `refused`: upgrades refused.
        violations: rules that the client broke.
    """

    def __init__(self, api_key: str = "tts-key", *, ms_per_word: int = 300, speed: float | None = None) -> None:
        super().__init__()
        self.api_key = api_key
        self.ms_per_word = ms_per_word
        self.speed = speed
        self.utterances: list[HeardUtterance] = []
        self.faults: deque[Fault | None] = deque()
        self.connections = 0
        self.refused = 0
        self.violations: list[str] = []
        self.upgrade_status: int | None = None
        """Set it to refuse upgrades with this HTTP status."""
        self._open: set[ServerConnection] = set()
        self._idle: set[ServerConnection] = set()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._port}/environments/production/websocket"

    @property
    def open_connections(self) -> int:
        return len(self._open)

    @property
    def idle_connections(self) -> int:
        """Open sockets that wait for their first message: prewarmed ones."""
        return len(self._idle)

    @property
    def spoken(self) -> list[str]:
        """The texts of all utterances, in order."""
        return [utterance.text for utterance in self.utterances]

    async def close_idle(self) -> None:
        """Close the sockets that wait for their first message, as a service does that tires of waiting."""
        for socket in list(self._idle):
            await socket.close(1001)

    async def __aenter__(self) -> Self:
        # What is not read while it synthesises stays with the client.
        self._server, self._port = await listen(self._handle, self._answer_http, max_queue=4)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    def _answer_http(self, socket: ServerConnection, request: Request) -> Response | None:
        status = self.upgrade_status
        if request.headers.get("Authorization") != f"Api-Key {self.api_key}":
            status = 401
        if status is None:
            return None
        self.refused += 1
        self.changed()
        return socket.respond(status, "Refused\n")

    async def _handle(self, socket: ServerConnection) -> None:
        self.connections += 1
        self._open.add(socket)
        self._idle.add(socket)
        self.changed()
        try:
            await Speaker(self, socket).run()
        except Broken as broken:
            if broken.code is None:
                socket.transport.abort()
            else:
                await socket.close(broken.code)
        except ConnectionClosed:
            pass
        finally:
            self._open.discard(socket)
            self._idle.discard(socket)
            self.changed()

    def begin_utterance(self, socket: ServerConnection, utterance: HeardUtterance) -> None:
        self._idle.discard(socket)
        self.utterances.append(utterance)
        self.changed()

    def violate(self, what: str) -> Broken:
        """Note a broken rule and return what ends the connection."""
        self.violations.append(what)
        return Broken(1011)


class Speaker:
    """Serves one connection: one utterance."""

    def __init__(self, simulator: OrpheusSimulator, socket: ServerConnection) -> None:
        self._simulator = simulator
        self._socket = socket
        self._fault: Fault | None = None
        self._drawn = False

    async def run(self) -> None:
        utterance = HeardUtterance(self._read_config(await self._socket.recv()))
        self._simulator.begin_utterance(self._socket, utterance)
        try:
            await self._speak(utterance)
            await self._socket.close(1000)
            utterance.complete = True
        finally:
            utterance.open = False
            self._simulator.changed()

    async def _speak(self, utterance: HeardUtterance) -> None:
        gathered = 0
        while not utterance.ended:
            word = self._read_word(await self._socket.recv())
            if word == "__END__":
                utterance.ended = True
            else:
                utterance.words.append(word)
                gathered += 1
            self._simulator.changed()
            sentence_ends = word.rstrip("\"')”’").endswith((".", "!", "?"))
            if gathered and (utterance.ended or sentence_ends or gathered >= utterance.config["buffer_size"]):
                await self._synthesise(utterance, gathered)  # nothing is read meanwhile
                gathered = 0

    async def _synthesise(self, utterance: HeardUtterance, words: int) -> None:
        pcm = tone(words * self._simulator.ms_per_word)
        if not self._drawn:
            self._drawn = True
            self._fault = self._simulator.faults.popleft() if self._simulator.faults else None
        match self._fault:
            case Fault.CLOSE_BEFORE_AUDIO:
                raise Broken(1000)
            case Fault.FAIL_BEFORE_AUDIO:
                raise Broken(1011)
            case Fault.DROP_BEFORE_AUDIO:
                raise Broken(None)
            case Fault.FAIL_WITHIN_SAMPLE:
                await self._send(utterance, pcm[:1])
                raise Broken(1011)
            case Fault.CLOSE_MID_AUDIO:
                await self._send(utterance, pcm[: len(pcm) // 2])
                raise Broken(1000)
            case Fault.HALF_SAMPLE:
                pcm += b"\1"
            case Fault.FLOOD:
                while True:
                    await self._send(utterance, tone(1000))
            case Fault.STALL:
                await self._socket.wait_closed()
            case Fault.FAIL_MID_AUDIO | Fault.DROP_MID_AUDIO | Fault.STALL_MID_AUDIO:
                await self._send(utterance, pcm[: len(pcm) // 2])
                if self._fault is Fault.STALL_MID_AUDIO:
                    await self._socket.wait_closed()
                raise Broken(1011 if self._fault is Fault.FAIL_MID_AUDIO else None)
        await self._send(utterance, pcm)

    async def _send(self, utterance: HeardUtterance, pcm: bytes) -> None:
        for start in range(0, len(pcm), FRAME_BYTES):
            frame = pcm[start : start + FRAME_BYTES]
            if self._simulator.speed is not None:
                await self._pause(len(frame) / 2 / SAMPLE_RATE / self._simulator.speed)
            await self._socket.send(frame)
            utterance.audio += frame
            self._simulator.changed()

    async def _pause(self, seconds: float) -> None:
        """Take as long as synthesis does, unless the client hangs up."""
        try:
            async with asyncio.timeout(seconds):
                await self._socket.wait_closed()
        except TimeoutError:
            return

    def _read_config(self, message: str | bytes) -> dict[str, Any]:
        try:
            config = json.loads(message) if isinstance(message, str) else None
        except ValueError:
            config = None
        if not isinstance(config, dict) or set(config) != set(CONFIG_TYPES):
            raise self._simulator.violate(f"the first message must be JSON with {sorted(CONFIG_TYPES)}: {message!r}")
        for name, kind in CONFIG_TYPES.items():
            if not isinstance(config[name], kind):
                raise self._simulator.violate(f"{name} has the wrong type: {config[name]!r}")
        if config["voice"] not in VOICES:
            raise self._simulator.violate(f"there is no voice {config['voice']!r}")
        return config

    def _read_word(self, message: str | bytes) -> str:
        if not isinstance(message, str) or len(message.split()) != 1 or message != message.strip():
            raise self._simulator.violate(f"a message must be exactly one word: {message!r}")
        return message
