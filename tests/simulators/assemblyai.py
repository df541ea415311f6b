"""AssemblyAI's streaming speech-to-text (v3), as strict as the real one."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.simulators.scripted_recogniser import Ear, Message, ScriptedRecogniser, TurnWriter
from tests.simulators.serving import listen
from tests.simulators.session_parameters import BadParameter, read_parameters
from tests.simulators.waiting import Observable

MIN_MESSAGE_MS, MAX_MESSAGE_MS = 50, 1000
SPEED = 1.5
"""Times real time that audio may arrive at in the long run."""


class Violation(Exception):
    """The client broke a rule: `Error` is sent and the connection closed with the same code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


class SimulatedSession:
    """One connection: what it received, and what a test can make it say.

    Attributes:
        query, headers: of the upgrade; header names in lower case.
        audio: all PCM16 received. `message_ms`: the length of each of its messages.
        messages: the JSON messages received.
        close_code: how the connection ended, None while it is open.
    """

    def __init__(self, simulator: AssemblyAISimulator, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.query = dict(parse_qsl(urlsplit(socket.request.path).query))
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in socket.request.headers.raw_items()}
        self.audio = bytearray()
        self.message_ms: list[float] = []
        self.messages: list[Message] = []
        self.begun = False
        self.terminated = False
        self.close_code: int | None = None
        self._simulator = simulator
        self._socket = socket
        self._allowance_ms = simulator.burst_ms
        self._paid_at = asyncio.get_running_loop().time()

    # --- what a test makes it say ---

    async def speech_started(self) -> None:
        await self.send({"type": "SpeechStarted", "timestamp": int(self._audio_ms()), "confidence": 0.98})

    async def partial(self, text: str) -> None:
        await self.send(self._turns.partial(text))

    async def final(self, text: str) -> None:
        for message in self._turns.final(text):
            await self.send(message)

    async def speak_turn(self, text: str) -> None:
        """A whole turn: speech starts, every word as it comes, then the final."""
        await self.speech_started()
        words = text.split()
        for count in range(1, len(words)):
            await self.partial(" ".join(words[:count]))
        await self.final(text)

    async def error(self, code: int, text: str = "Something is wrong") -> None:
        """An `Error`, then a close with its code."""
        await self.send({"type": "Error", "error_code": code, "error": text})
        await self.close(code, text)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self._socket.close(code, reason)

    def drop(self) -> None:
        """Break the connection without a close frame."""
        self._socket.transport.abort()

    def freeze(self) -> None:
        """Neither read nor answer any more, as a connection whose other end has vanished."""
        self._socket.transport.pause_reading()

    async def send(self, message: Message) -> None:
        await self.send_raw(json.dumps(message))

    async def send_raw(self, message: str | bytes) -> None:
        """Anything at all, for instance garbage."""
        await self._socket.send(message)

    # --- how it behaves by itself ---

    async def run(self) -> None:
        try:
            self._authorise()
            try:
                self._parameters = read_parameters(self.query)
            except BadParameter as bad:
                raise Violation(3006, str(bad)) from bad
            doubles = self._simulator.double_finals
            self._turns = TurnWriter(double_finals=self._parameters.double_finals if doubles is None else doubles)
            self._ear = self._simulator.ear(
                self._parameters.sample_rate, self._turns, self._parameters.min_turn_silence
            )
            await self._begin()
            while not self.terminated:
                received = await self._socket.recv()
                if self._simulator.deaf and isinstance(received, bytes):
                    continue
                await self._take(received)
                self._simulator.changed()
            await self.close()
        except Violation as violation:
            self._simulator.violations.append(str(violation))
            await self.error(violation.code, violation.text)

    def _authorise(self) -> None:
        token = self.query.get("token")
        if token is not None and token in self._simulator.tokens:
            return
        if self.headers.get("authorization") not in {self._simulator.api_key, *self._simulator.tokens}:
            raise Violation(1008, "Unauthorized Connection: Missing or invalid API token")

    async def _begin(self) -> None:
        if not self._simulator.begins:
            await self._socket.wait_closed()
            return
        await self.send({"type": "Begin", "id": str(uuid.uuid4()), "expires_at": int(time.time()) + 3 * 3600})
        self.begun = True
        self._simulator.changed()

    async def _take(self, received: str | bytes) -> None:
        if isinstance(received, bytes):
            self._check_audio(received)
            self.audio += received
            for message in self._ear.feed(received):
                await self.send(message)
        else:
            await self._take_message(received)

    def _check_audio(self, pcm: bytes) -> None:
        duration_ms = self._in_ms(len(pcm))
        self.message_ms.append(duration_ms)
        if len(pcm) % 2:
            raise Violation(3007, "Audio is not PCM16")
        if not MIN_MESSAGE_MS <= duration_ms <= MAX_MESSAGE_MS:
            raise Violation(3007, f"Input Duration Error: {duration_ms:.1f} ms. Expected between 50 and 1000 ms")
        now = asyncio.get_running_loop().time()
        self._allowance_ms += (now - self._paid_at) * 1000 * SPEED
        self._allowance_ms = min(self._allowance_ms, self._simulator.burst_ms) - duration_ms
        self._paid_at = now
        if self._allowance_ms < 0:
            raise Violation(3007, "Audio Transmission Rate Exceeded")

    async def _take_message(self, received: str) -> None:
        try:
            message = json.loads(received)
        except ValueError:
            raise Violation(3006, "Invalid JSON") from None
        if not isinstance(message, dict) or "type" not in message:
            raise Violation(3006, "Invalid Message: no type")
        self.messages.append(message)
        match message["type"]:
            case "Terminate":
                await self._terminate()
            case "ForceEndpoint":
                for turn in self._ear.end_turn():
                    await self.send(turn)
            case "UpdateConfiguration":
                self._ear.end_silence_ms = message.get("min_turn_silence", self._ear.end_silence_ms)
            case "KeepAlive":
                pass
            case unknown:
                raise Violation(3006, f"Invalid Message Type: {unknown}")

    async def _terminate(self) -> None:
        for turn in self._ear.end_turn():
            await self.send(turn)
        seconds = int(self._audio_ms() / 1000)
        await self.send({"type": "Termination", "audio_duration_seconds": seconds, "session_duration_seconds": seconds})
        self.terminated = True

    def _in_ms(self, size: int) -> float:
        return size * 1000 / (self._parameters.sample_rate * 2)

    def _audio_ms(self) -> float:
        return self._in_ms(len(self.audio))


class AssemblyAISimulator(Observable):
    """The service on a loopback port.

        async with AssemblyAISimulator(api_key="k") as stt:
            line = await AssemblyAISpeechToText("k", url=stt.url).open(STTConfig())
            session = await stt.connected()
            await session.speak_turn("What time do you open?")      # by hand, or ...
            stt.script.append("What time do you open?")             # ... heard when non-silent audio arrives

    Audio that breaks the rules, unknown messages, unknown models and wrong keys are refused as the service does it, and
    noted in `violations`.

    Args:
        burst_ms: audio that may arrive faster than the long-run limit of 1.5 times real time.
        double_finals: a plain and a formatted final for each turn. None: as the session's model does it.
        begins: whether sessions begin; False accepts the upgrade and then says nothing.
        deaf: audio is taken and nothing is made of it.

    Attributes:
        sessions: all connections, in order. `open_connections`: how many of them are open.
        script: what the coming stretches of speech will be recognised as.
        ear: what recognises them: makes one for each session, of its sample rate, its turns and its `min_turn_silence`.
        tokens: temporary tokens that were given out by `GET /v3/token`.
    """

    def __init__(
        self,
        api_key: str = "stt-key",
        *,
        burst_ms: float = 5000,
        double_finals: bool | None = None,
        begins: bool = True,
        deaf: bool = False,
    ) -> None:
        super().__init__()
        self.api_key = api_key
        self.burst_ms = burst_ms
        self.double_finals = double_finals
        self.begins = begins
        self.deaf = deaf
        self.ear: Callable[[int, TurnWriter, int], Ear] = lambda sample_rate, turns, silence_ms: ScriptedRecogniser(
            sample_rate, self.script, turns, silence_ms
        )
        self.sessions: list[SimulatedSession] = []
        self.open_connections = 0
        self.script: deque[str] = deque()
        self.tokens: set[str] = set()
        self.violations: list[str] = []
        self.upgrade_status: int | None = None
        """Set it to refuse upgrades with this HTTP status."""

    @property
    def host(self) -> str:
        """`127.0.0.1:port`."""
        return f"127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        """The WebSocket endpoint, without parameters."""
        return f"ws://{self.host}/v3/ws"

    async def connected(self, count: int = 1) -> SimulatedSession:
        """Wait until `count` sessions in all have begun, and return the latest."""
        await self.until(lambda _: sum(session.begun for session in self.sessions) >= count)
        return next(session for session in reversed(self.sessions) if session.begun)

    async def speak_turn(self, text: str) -> None:
        """Have the latest session hear a whole turn."""
        await (await self.connected()).speak_turn(text)

    def go_down(self) -> None:
        """Break every connection and refuse new ones with 503, until `come_back()`."""
        self.upgrade_status = 503
        for session in self.sessions:
            if session.close_code is None:
                session.drop()

    def come_back(self) -> None:
        """Take connections again."""
        self.upgrade_status = None

    async def __aenter__(self) -> Self:
        self._server, self._port = await listen(self._handle, self._answer_http)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _handle(self, socket: ServerConnection) -> None:
        session = SimulatedSession(self, socket)
        self.sessions.append(session)
        self.open_connections += 1
        self.changed()
        try:
            await session.run()
        except ConnectionClosed:
            pass
        finally:
            session.close_code = socket.close_code
            self.open_connections -= 1
            self.changed()

    def _answer_http(self, socket: ServerConnection, request: Request) -> Response | None:
        parts = urlsplit(request.path)
        if parts.path == "/v3/token":
            return self._give_token(socket, request, dict(parse_qsl(parts.query)))
        if parts.path != "/v3/ws":
            return socket.respond(404, "Not Found\n")
        return socket.respond(self.upgrade_status, "Refused\n") if self.upgrade_status else None

    def _give_token(self, socket: ServerConnection, request: Request, query: dict[str, str]) -> Response:
        if request.headers.get("Authorization") != self.api_key:
            return socket.respond(401, "Unauthorized\n")
        seconds = query.get("expires_in_seconds", "")
        if not seconds.isdigit() or not 1 <= int(seconds) <= 600:
            return socket.respond(400, "expires_in_seconds must be between 1 and 600\n")
        token = secrets.token_hex(8)
        self.tokens.add(token)
        answer: dict[str, Any] = {"token": token, "expires_in_seconds": int(seconds)}
        response = socket.respond(200, json.dumps(answer))
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = "application/json"
        return response
