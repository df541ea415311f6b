"""AssemblyAI's own text-to-speech, as strict as the real one."""

from __future__ import annotations

from collections import deque
from typing import Self
from urllib.parse import urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.simulators.assemblyai_tts_session import Fault, SaidRequest, Timings, VoiceSession, tone
from tests.simulators.serving import listen
from tests.simulators.waiting import Observable

__all__ = ["AssemblyAITTSSimulator", "Fault", "SaidRequest", "Timings", "tone"]


class AssemblyAITTSSimulator(Observable):
    """The service on a loopback port.

        async with AssemblyAITTSSimulator(api_key="k") as tts:
            line = await AssemblyAITextToSpeech("k", url=tts.url).open(TTSConfig())
            ...
            await tts.until(lambda tts: tts.requests and tts.requests[0].complete)
            assert tts.spoken == ["We open at nine."]
            assert tts.violations == []

    It says nothing before `Flush`, counts flushes and cancels with the same numbers, and refuses what the service
    refuses: unknown messages and parameters, texts and words that are too long, a wrong key.

    Args:
        ms_per_word: of speech.
        speed: seconds of speech made in a second; None: at once.
        timings: when the timings of the words come.
        begins: whether sessions begin; False accepts the upgrade and then says nothing.
        stale_frames: audio of a cancelled request that still arrives before `Cancelled`.

    Attributes:
        sessions: all connections, in order. `open_connections`: how many of them are open.
        requests: what was flushed, in order, over all sessions.
        faults: one is drawn by each request that begins to be synthesised; None in it stands for a good one.
        word_ms: the length of words that do not take `ms_per_word`.
        violations: rules that the client broke.
    """

    def __init__(
        self,
        api_key: str = "voice-key",
        *,
        ms_per_word: int = 300,
        speed: float | None = None,
        timings: Timings = Timings.AFTER,
        begins: bool = True,
        stale_frames: int = 0,
    ) -> None:
        super().__init__()
        self.api_key = api_key
        self.ms_per_word = ms_per_word
        self.speed = speed
        self.timings = timings
        self.begins = begins
        self.stale_frames = stale_frames
        self.word_ms: dict[str, int] = {}
        self.sessions: list[VoiceSession] = []
        self.open_connections = 0
        self.requests: list[SaidRequest] = []
        self.faults: deque[Fault | None] = deque()
        self.violations: list[str] = []
        self.refused = 0
        self.upgrade_status: int | None = None
        """Set it to refuse upgrades with this HTTP status."""

    @property
    def url(self) -> str:
        """The WebSocket endpoint, without parameters."""
        return f"ws://{self.host}/v1/ws"

    @property
    def host(self) -> str:
        """`127.0.0.1:port`."""
        return f"127.0.0.1:{self._port}"

    @property
    def connections(self) -> int:
        """Sockets accepted in all."""
        return len(self.sessions)

    @property
    def spoken(self) -> list[str]:
        """The texts of all requests, in order."""
        return [request.text for request in self.requests]

    async def __aenter__(self) -> Self:
        self._server, self._port = await listen(self._handle, self._answer_http)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    def _answer_http(self, socket: ServerConnection, request: Request) -> Response | None:
        status = self.upgrade_status
        if urlsplit(request.path).path != "/v1/ws":
            status = 404
        if status is None:
            return None
        self.refused += 1
        self.changed()
        return socket.respond(status, "Refused\n")

    async def _handle(self, socket: ServerConnection) -> None:
        session = VoiceSession(self, socket)
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

    def length_ms(self, word: str) -> int:
        return self.word_ms.get(word, self.ms_per_word)
