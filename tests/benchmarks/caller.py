"""A caller: sends the microphone, plays what it receives, speaks turns and interrupts."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.benchmarks import workload
from tests.benchmarks.microphones import Microphones
from tests.benchmarks.services_link import ServicesLink
from tests.benchmarks.turns import Interruption, Turn
from tests.benchmarks.wire import BINARY, ClientEndpoint, frame

REPLY_TIMEOUT_S = 15.0
AFTER_REPLY_S = 0.15
"""After the reply's last audio was played: the agent must know, too, that it is no longer speaking."""

WORDS_AFTER_ONSET_S = 0.3
FINAL_AFTER_WORDS_S = 0.3
PARTIAL_EVERY_S = 0.3
BEFORE_FINAL_S = 0.1

_BYTES_PER_MS = workload.VOICE_RATE * 2 / 1000
_SAMPLES = workload.MICROPHONE_RATE * workload.MICROPHONE_FRAME_MS // 1000
_SPEECH = frame(BINARY, (b"\x00\x20" + b"\x00\xe0") * (_SAMPLES // 2), masked=True)
"""Loud, as speech is: a host may keep it otherwise than silence."""

_DELTAS = (b'{"type": "reply_delta"', b'{"type":"reply_delta"')
_numbers = itertools.count(1)


class Caller(ClientEndpoint):
    """One call. `errors` holds the codes of errors it was told, `lost` counts turns without a reply."""

    def __init__(self, path: str, services: ServicesLink) -> None:
        super().__init__(path)
        self.number = next(_numbers)
        self.errors: list[str] = []
        self.lost = 0
        self._silence = frame(BINARY, self.number.to_bytes(2, "little") * _SAMPLES, masked=True)
        self.microphone_frame = self._silence
        self.ready = asyncio.Event()
        self.gone = asyncio.Event()
        self._services = services
        self._turn: Turn | None = None
        self._answering = False
        self._done = asyncio.Event()
        self._cancelled = asyncio.Event()
        self._cancelled_at = 0.0
        self._play_until = 0.0
        self._stale_ms = 0.0
        self._late_bytes = 0

    # --- what comes from the agent --------------------------------------------------------------------------------

    def on_text(self, payload: bytes) -> None:
        if payload.startswith(_DELTAS):
            return
        message = json.loads(payload)
        match message["type"]:
            case "ready":
                self.ready.set()
            case "turn":
                self._answering = True
            case "tts_done":
                self._done.set()
            case "cancelled":
                self._cancelled_at = time.monotonic()
                self._play_until = 0.0
                self._answering = False
                self._cancelled.set()
            case "error":
                self.errors.append(message["code"])

    def on_binary(self, payload: bytes) -> None:
        now_s = time.monotonic()
        duration_ms = len(payload) / _BYTES_PER_MS
        self._stale_ms += duration_ms
        if not self._answering or self._turn is None:
            self._late_bytes += len(payload)
            return
        if not self._turn.audio_at:
            self._turn.note(audio_at=now_s)
            self._play_until = now_s
        elif now_s > self._play_until:
            self._turn.gap_ms += (now_s - self._play_until) * 1000
            self._play_until = now_s
        self._turn.speech_ms += duration_ms
        self._play_until += duration_ms / 1000

    def on_lost(self) -> None:
        self.gone.set()

    # --- what the caller does -------------------------------------------------------------------------------------

    async def speak(self, style: int, *, partials: int) -> Turn | None:
        """Speak a turn and wait for the reply's first audio. None: it did not come."""
        words = workload.CALLER_WORDS
        self.microphone_frame = _SPEECH
        await self._services.onset(self.number)
        for count in range(1, partials + 1):
            await asyncio.sleep(PARTIAL_EVERY_S)
            await self._services.partial(self.number, " ".join(words[: 2 * count]))
        await asyncio.sleep(BEFORE_FINAL_S)
        return await self._finish(" ".join(words), style)

    async def hear_out(self) -> None:
        """Wait until the reply was played to its end."""
        async with asyncio.timeout(60):
            await self._done.wait()
        await asyncio.sleep(max(0.0, self._play_until - time.monotonic()) + AFTER_REPLY_S)

    async def interrupt(self, style: int) -> Interruption | None:
        """Speak over the agent; None when it did not stop, or did not answer."""
        self._cancelled.clear()
        self.microphone_frame = _SPEECH
        self._stale_ms, buffered_ms = 0.0, max(0.0, self._play_until - time.monotonic()) * 1000
        onset_at = await self._services.onset(self.number)
        await asyncio.sleep(WORDS_AFTER_ONSET_S)
        words_at = await self._services.partial(self.number, "wait a")
        try:
            async with asyncio.timeout(REPLY_TIMEOUT_S):
                await self._cancelled.wait()
        except TimeoutError:
            self.lost += 1
            return None
        stale_ms, self._late_bytes = self._stale_ms, 0
        stopped_ms = (self._cancelled_at - onset_at) * 1000
        await asyncio.sleep(FINAL_AFTER_WORDS_S)
        turn = await self._finish(workload.INTERRUPTION, style)
        if turn is None:
            return None
        return Interruption(
            to_cancelled_ms=(self._cancelled_at - words_at) * 1000,
            stale_ms=stale_ms,
            audible_ms=min(stopped_ms, buffered_ms + stale_ms),
            late_bytes=self._late_bytes,
            turn=turn,
        )

    async def _finish(self, text: str, style: int) -> Turn | None:
        turn = self._turn = Turn(workload.new_tag(style))
        self.microphone_frame = self._silence
        self._done.clear()
        self._services.final(self.number, text, turn)
        try:
            await turn.complete(REPLY_TIMEOUT_S)
        except TimeoutError:
            self.lost += 1
            return None
        finally:
            self._services.forget(turn)
        return turn


@asynccontextmanager
async def calls(
    count: int, address: tuple[int, str], services: ServicesLink, microphones: Microphones
) -> AsyncIterator[list[Caller]]:
    """Connect callers one after the other, with their microphones on; hang up when leaving."""
    made: list[Caller] = []
    try:
        while len(made) < count:
            made.append(await join(address, services, microphones))
        yield made
    finally:
        await hang_up(made, microphones)


async def join(address: tuple[int, str], services: ServicesLink, microphones: Microphones) -> Caller:
    """Connect one caller and wait until the recogniser hears it."""
    caller = await connect(address, services)
    microphones.add(caller)
    await services.listening(caller.number)
    return caller


async def connect(address: tuple[int, str], services: ServicesLink) -> Caller:
    """Connect one caller and wait for `ready`."""
    port, path = address
    loop = asyncio.get_running_loop()
    _, caller = await loop.create_connection(lambda: Caller(path, services), "127.0.0.1", port)
    async with asyncio.timeout(REPLY_TIMEOUT_S):
        await caller.ready.wait()
    return caller


async def hang_up(callers: list[Caller], microphones: Microphones | None = None) -> None:
    """End the calls and wait until they are gone."""
    for caller in callers:
        if microphones is not None:
            microphones.remove(caller)
        caller.close()
    for caller in callers:
        try:
            async with asyncio.timeout(5):
                await caller.gone.wait()
        except TimeoutError:
            caller.transport.abort()


def pause_s() -> float:
    """A moment between two turns, different each time: callers do not speak in step."""
    return random.uniform(0.05, 0.4)
