"""A caller: sends the microphone, plays what it receives, speaks turns and interrupts."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass

from tests.benchmarks import workload
from tests.benchmarks.marked_audio import Mark, marked
from tests.benchmarks.playback import Playback
from tests.benchmarks.turns import Heard
from tests.benchmarks.wire import BINARY, ClientEndpoint, frame

REPLY_TIMEOUT_S = 15.0
AFTER_REPLY_S = 0.15
"""After the reply's last audio was played: the agent must know, too, that it is no longer speaking."""

INTERRUPTS_AFTER_S = 0.8
"""After the reply's first audio. The floor has all of a reply 1.8 s after that, and can't be interrupted any more."""

_BYTES_PER_MS = workload.VOICE_RATE * 2 / 1000
_DELTAS = (b'{"type": "reply_delta"', b'{"type":"reply_delta"')


@dataclass(frozen=True)
class Manner:
    """How callers speak.

    Attributes:
        script: index in `workload.SCRIPTS`. `style`: of the replies.
        pause_s: the shortest and the longest pause between a reply and the next turn.
        spread_s: the first turns begin within so long, so that calls are not in step.
        interrupts: every reply is interrupted after a second, instead of heard out.
        holds: the client pauses playback when it is told to.
    """

    script: int
    style: int
    pause_s: tuple[float, float]
    spread_s: float
    interrupts: bool = False
    holds: bool = False


class Caller(ClientEndpoint):
    """One call.

    Attributes:
        number: names the call; its turns are `number * 256` and above.
        heard: its turns, the last of which may be under way.
        errors: the codes of errors it was told.
    """

    def __init__(self, path: str, number: int, manner: Manner, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(path, headers)
        self.number = number
        self.manner = manner
        self.heard: list[Heard] = []
        self.errors: list[str] = []
        self.ready = asyncio.Event()
        self.gone = asyncio.Event()
        self._turns = 0
        self._speaking: Heard | None = None
        self._script = manner.script
        self._playback = Playback()
        self._answering = False
        self._answered = asyncio.Event()
        self._done = asyncio.Event()
        self._cancelled = asyncio.Event()
        self._cut: Heard | None = None

    # --- what comes from the agent --------------------------------------------------------------------------------

    def on_text(self, payload: bytes) -> None:
        if payload.startswith(_DELTAS):
            return
        message, now_s = json.loads(payload), time.monotonic()
        match message["type"]:
            case "ready":
                self.ready.set()
            case "turn":
                self._answering = True
                self._playback.begin()
            case "tts_done":
                self._done.set()
            case "cancelled":
                self._end_reply(now_s)
            case "hold" if self.manner.holds:
                self._playback.hold(now_s)
                played = {"reply": message["reply"], "played_ms": self._playback.played_ms(now_s), "held": True}
                self.send_text(json.dumps({"type": "playback", **played}))
            case "unhold" if self.manner.holds:
                self._playback.release(now_s)
            case "error":
                self.errors.append(message["code"])

    def on_binary(self, payload: bytes) -> None:
        self.hear(len(payload), len(payload) / _BYTES_PER_MS)

    def hear(self, size: int, duration_ms: float) -> None:
        """Note speech of the agent that came now."""
        now_s = time.monotonic()
        turn = self.heard[-1] if self.heard else None
        if self._cut is not None and now_s >= self._cut.began_s + workload.ONSET_S:
            self._cut.stale_ms += duration_ms
        if not self._answering or turn is None:
            if turn is not None:
                turn.late_bytes += size
            return
        self._playback.add(duration_ms, now_s)
        if turn.audio_s is None and self._cut is None:
            turn.audio_s = now_s
            self._answered.set()
        if self._cut is None:
            turn.speech_ms += duration_ms
            turn.gap_ms = self._playback.gap_ms

    def on_lost(self) -> None:
        self.gone.set()

    def _end_reply(self, now_s: float) -> None:
        self._playback.drop(now_s)
        self._answering = False
        if self._cut is not None:
            self._cut.cancelled_s = now_s
            self._cut.silent_s = self._playback.silent_at_s()
            self._cut = None
        self._cancelled.set()

    # --- what the caller does -------------------------------------------------------------------------------------

    def send_microphone(self) -> None:
        """Send a frame: of the turn that is spoken, or of silence."""
        now_s, turn = time.monotonic(), self._speaking
        if turn is None:
            mark = Mark(self.number, 0, 0, 0, 0.0, now_s)
        else:
            mark = Mark(self.number, turn.number, self._script, self.manner.style, turn.began_s, now_s)
            if now_s >= turn.began_s + workload.SCRIPTS[self._script].voice_s:
                self._speaking = None
        self.send_frame(frame(BINARY, marked(mark), masked=True))

    async def converse(self) -> None:
        """Speak turn after turn, until cancelled."""
        await asyncio.sleep(random.uniform(0, self.manner.spread_s))
        while True:
            self._speak(self.manner.script)
            while not await self._is_answered():
                self._speak(self.manner.script)
            while self.manner.interrupts:
                await asyncio.sleep(INTERRUPTS_AFTER_S + random.uniform(*self.manner.pause_s))
                await self._interrupt()
            await self._hear_out()
            await asyncio.sleep(random.uniform(*self.manner.pause_s))

    def _speak(self, script: int) -> Heard:
        """Begin a turn with the next frame of the microphone."""
        self._turns += 1
        number = self.number * 256 + self._turns % 256
        turn = Heard(workload.tag_of(number, self.manner.style), number, self._turns, time.monotonic())
        self.heard.append(turn)
        self._answered.clear()
        self._done.clear()
        self._script, self._speaking = script, turn
        return turn

    async def _is_answered(self) -> bool:
        """Wait for the reply's first audio."""
        try:
            async with asyncio.timeout(REPLY_TIMEOUT_S):
                await self._answered.wait()
        except TimeoutError:
            self.heard[-1].lost = True
            return False
        return True

    async def _interrupt(self) -> None:
        """Speak over the agent, and wait for the answer to that."""
        self._cancelled.clear()
        turn = self._speak(workload.SCRIPTS.index(workload.INTERRUPTION))
        turn.interrupts = True
        self._cut = turn
        if await self._is_answered() and turn.cancelled_s is None:
            turn.lost = True

    async def _hear_out(self) -> None:
        """Wait until the reply was played to its end."""
        try:
            async with asyncio.timeout(60):
                await self._done.wait()
        except TimeoutError:
            self.heard[-1].lost = True
            return
        await asyncio.sleep(self._playback.left_s(time.monotonic()) + AFTER_REPLY_S)
