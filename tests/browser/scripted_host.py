"""A stand-in for the host that serves the real talk page and speaks the call protocol from a script, byte for byte."""

from __future__ import annotations

import asyncio
import json
import math
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from voice_host.front import browser_client
from voice_host.front.static_files import FilesWithHeaders

PAGE = Path(str(files("voice_host") / "page"))
DEADLINE_S = 15.0
TTS_SAMPLE_RATE = 24000

# Stricter than a host needs to be: a page that works under this one needs nothing but its own files.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


def agent(agent_id: str, title: str, **changes: Any) -> dict[str, Any]:
    """An entry of `GET /agents`."""
    entry = {
        "id": agent_id,
        "title": title,
        "description": "Answers questions about the house.",
        "status": "ready",
        "distribution": "voice-agent-example",
        "version": "1.0.0",
        "providers": {"stt": "embedded", "tts": "embedded", "model": "demo"},
        "speech_notices": ["Demo speech on this machine."],
    }
    return entry | changes


def tone(duration_s: float, *, frequency_hz: float = 440.0, amplitude: float = 0.5) -> bytes:
    """PCM16 little-endian mono at `TTS_SAMPLE_RATE`."""
    step = 2 * math.pi * frequency_hz / TTS_SAMPLE_RATE
    count = round(duration_s * TTS_SAMPLE_RATE)
    return struct.pack(f"<{count}h", *(round(amplitude * 32767 * math.sin(step * index)) for index in range(count)))


class ScriptedCall:
    """One call, seen from the host: what came is kept, and can be waited for."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._changed = asyncio.Condition()
        self.messages: list[dict[str, Any]] = []
        self.audio = bytearray()
        self.audio_frames: list[int] = []
        self.closed_with: int | None = None

    @property
    def address(self) -> str:
        """The agent in the path of the call: `front-desk`, `front-desk@staging`."""
        return str(self._websocket.path_params["agent_id"])

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of its query."""
        return dict(self._websocket.query_params)

    @property
    def resumes(self) -> str | None:
        """The token with which the page comes back, if it does."""
        return self._websocket.query_params.get("resume")

    async def ready(self, resume_token: str | None = None, *, agent_version: str | None = "1.0.0") -> None:
        """Send `ready`, as the first message of every call. Without a token a lost call cannot be gone on with."""
        await self.send(
            "ready", sample_rate=16000, tts_sample_rate=TTS_SAMPLE_RATE, session_id="s1", agent="front-desk",
            protocol=1, resume_token=resume_token, resumed=self.resumes is not None,
            agent_version=agent_version,
        )  # fmt: skip

    async def send(self, kind: str, **fields: Any) -> None:
        await self._websocket.send_text(json.dumps({"type": kind, **fields}))

    async def send_raw(self, text: str) -> None:
        await self._websocket.send_text(text)

    async def speak(self, pcm: bytes, *, frame_ms: int = 40) -> None:
        """Send audio in frames, all at once: the page has to buffer it."""
        size = TTS_SAMPLE_RATE * frame_ms // 1000 * 2
        for start in range(0, len(pcm), size):
            await self._websocket.send_bytes(pcm[start : start + size])

    async def close(self, code: int, reason: str = "") -> None:
        await self._websocket.close(code, reason)

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until something that came makes `condition` true.

        Raises:
            TimeoutError: it did not within `DEADLINE_S`.
        """
        async with asyncio.timeout(DEADLINE_S), self._changed:
            await self._changed.wait_for(condition)

    async def pretend(self, kind: str) -> None:
        """Let a test wake up a script that waits for a message."""
        async with self._changed:
            self.messages.append({"type": kind})
            self._changed.notify_all()

    async def message(self, kind: str) -> dict[str, Any]:
        """Take the next message of a type out of those that came, waiting for it if need be."""
        await self.wait_for(lambda: any(message["type"] == kind for message in self.messages))
        found = next(message for message in self.messages if message["type"] == kind)
        self.messages.remove(found)
        return found

    async def follow(self) -> None:
        """Read until the caller is gone, answering pings."""
        try:
            while True:
                received = await self._websocket.receive()
                if received["type"] == "websocket.disconnect":
                    raise WebSocketDisconnect(received["code"])
                async with self._changed:
                    self._keep(received)
                    self._changed.notify_all()
        except WebSocketDisconnect as gone:
            async with self._changed:
                self.closed_with = gone.code
                self._changed.notify_all()

    def _keep(self, received: Any) -> None:
        if received.get("bytes") is not None:
            self.audio += received["bytes"]
            self.audio_frames.append(len(received["bytes"]))
        else:
            self.messages.append(json.loads(received["text"]))


Script = Callable[[ScriptedCall], Awaitable[None]]


class ScriptedHost:
    """Serves the page, a list of agents, and calls that follow `script`."""

    def __init__(self) -> None:
        self.url = ""
        self.port = 0
        self.agents: Any = []
        self.agents_status = 200
        self.script: Script = _greet_nobody
        self.calls: list[ScriptedCall] = []
        self.failures: list[BaseException] = []
        self.subprotocols: list[str] = []
        self._called = asyncio.Condition()
        self.app = Starlette(
            routes=[
                Route("/", self._index),
                Route("/agents", self._list),
                WebSocketRoute("/agents/{agent_id}/session", self._session),
                Mount("/page", StaticFiles(directory=PAGE)),
                Mount("/", FilesWithHeaders(browser_client.FOLDER, browser_client.HEADERS)),
            ]
        )

    async def call(self, number: int = 1) -> ScriptedCall:
        """Wait until the page has opened that many calls and return the last of them.

        Raises:
            TimeoutError: it did not within `DEADLINE_S`.
        """
        async with asyncio.timeout(DEADLINE_S), self._called:
            await self._called.wait_for(lambda: len(self.calls) >= number)
        return self.calls[number - 1]

    async def _index(self, _request: Request) -> Response:
        headers = {"content-security-policy": CONTENT_SECURITY_POLICY}
        return Response((PAGE / "index.html").read_bytes(), media_type="text/html", headers=headers)

    async def _list(self, _request: Request) -> Response:
        return JSONResponse(self.agents, status_code=self.agents_status)

    async def _session(self, websocket: WebSocket) -> None:
        self.subprotocols = websocket.scope["subprotocols"]
        await websocket.accept(subprotocol="voice-host.v1")
        call = ScriptedCall(websocket)
        async with self._called:
            self.calls.append(call)
            self._called.notify_all()
        async with asyncio.TaskGroup() as group:
            script = group.create_task(self._play(call))
            await call.follow()
            script.cancel()

    async def _play(self, call: ScriptedCall) -> None:
        try:
            await self.script(call)
        except WebSocketDisconnect:
            pass  # the page left, or the test is over, while it was being answered
        except Exception as failure:  # noqa: BLE001 (whatever a script raises is the test's to report)
            self.failures.append(failure)


async def _greet_nobody(call: ScriptedCall) -> None:
    await call.ready()


class _Server(uvicorn.Server):
    """A server that leaves the signal handlers of the process, which are pytest's, alone, and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


class ReplaceableApp:
    """Serves the application of one test after the other. A server for each would cost half a second to stop."""

    def __init__(self) -> None:
        self.app: ASGIApp = Starlette()
        self.port = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)

    @contextmanager
    def serves(self, app: ASGIApp) -> Iterator[int]:
        """Serve `app`, and yield the port. What it has begun to answer, it goes on answering afterwards."""
        before, self.app = self.app, app
        try:
            yield self.port
        finally:
            self.app = before


@asynccontextmanager
async def serving_app(app: ASGIApp) -> AsyncIterator[int]:
    """Run an application in the current loop on a free port of the loopback interface, and yield the port."""
    config = uvicorn.Config(app, port=0, log_level="warning", ws="websockets-sansio", timeout_graceful_shutdown=1)
    server = _Server(config)
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve())
        await server.listening.wait()
        try:
            yield server.servers[0].sockets[0].getsockname()[1]
        finally:
            server.should_exit = True


@asynccontextmanager
async def serving_replaceable() -> AsyncIterator[ReplaceableApp]:
    """Serve nothing yet."""
    replaceable = ReplaceableApp()
    async with serving_app(replaceable) as replaceable.port:
        yield replaceable
