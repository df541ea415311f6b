"""A speech process with engines that do as the test says, without a process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from voice_host.auth.agent_key import agent_key
from voice_host.speech.embedded.engines import SpokenSentence
from voice_host.speech.embedded.process.server import SpeechServer
from voice_host.speech.embedded.stt.recogniser import LocalRecogniser
from voice_host.speech.embedded.tts.synthesiser import LocalSynthesiser
from voice_host.speech.host_process import SpeechAddress

SECRET = b"known to the front and the speech process"


class Recogniser:
    """Hears its audio as text, and works only while it may."""

    def __init__(self) -> None:
        self.may_work = asyncio.Event()
        self.may_work.set()
        self.began: list[str] = []

    async def warm(self) -> None:
        pass

    async def recognise(self, pcm: bytes) -> str:
        self.began.append(pcm.decode())
        await self.may_work.wait()
        return pcm.decode()

    async def aclose(self) -> None:
        pass


class Synthesiser:
    """Speaks `pcm` for every word."""

    def __init__(self) -> None:
        self.pcm = b"\1\2"

    async def warm(self) -> None:
        pass

    async def speak_first_sentence(self, text: str) -> tuple[SpokenSentence, str]:
        first, _, rest = text.partition(" ")
        return SpokenSentence(first, self.pcm, [0]), rest

    async def aclose(self) -> None:
        pass


@dataclass
class Served:
    """A server that runs, with two threads for each agent and three in all."""

    server: SpeechServer
    recogniser: Recogniser
    synthesiser: Synthesiser
    path: str
    serving: asyncio.Task[None]

    def address(self, agent_id: str) -> SpeechAddress:
        return SpeechAddress(self.path, agent_id, agent_key(SECRET, agent_id))


@asynccontextmanager
async def served(folder: Path, *, idle_s: float = 60.0) -> AsyncIterator[Served]:
    recogniser, synthesiser = Recogniser(), Synthesiser()
    server = SpeechServer(
        SECRET, cast(LocalRecogniser, recogniser), cast(LocalSynthesiser, cast(Any, synthesiser)), threads=2
    )
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "s"))
        listening.listen()
        serving = asyncio.create_task(server.serve(listening, idle_s=idle_s))
        try:
            yield Served(server, recogniser, synthesiser, str(folder / "s"), serving)
        finally:
            recogniser.may_work.set()
            serving.cancel()
            await asyncio.wait((serving,))


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds; the test's time limit ends it."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.005)
