"""A telephone line: 8 kHz mu-law in frames of 20 ms, through the media stream of a carrier whose end this is."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from voice_host.caller.line import (
    ANSWER_TIMEOUT_S,
    FRAME_MS,
    GREETING_WAIT_S,
    LINGER_S,
    REACTION_S,
    RECOGNITION_TIMEOUT_S,
    CallFailed,
    Line,
    Message,
)
from voice_host.caller.loudspeaker import Loudspeaker
from voice_host.caller.mulaw import compress, expand

SAMPLE_RATE = 8000
LINE_DB = (
    (0, -40),
    (60, -24),
    (100, -14),
    (200, -4),
    (300, -1.5),
    (400, 0),
    (3000, 0),
    (3400, -1.5),
    (3600, -5),
    (4000, -15),
)
"""What a telephone line carries of a voice: frequencies in Hz, and the gain there in dB. ITU-T G.712 allows a loss of
about 0.5 to 3 dB at 300 and 3400 Hz, which grows below 200 Hz and above 3600 Hz."""

KEY_MS = 200
"""From the press of one key to the next."""

_FRAME_BYTES = SAMPLE_RATE * 2 * FRAME_MS // 1000
_SILENCE = bytes(_FRAME_BYTES)


@dataclass(frozen=True, slots=True)
class Speech:
    """Mu-law audio of the agent."""

    mulaw: bytes


@dataclass(frozen=True, slots=True)
class Mark:
    """To be returned when everything before it has been played."""

    name: str


@dataclass(frozen=True, slots=True)
class Clear:
    """Stop playing, drop what is queued, and return all marks."""


class MediaStream(Protocol):
    """The frames of a carrier's media stream, from the carrier's end. No I/O."""

    def opening(self) -> list[str]:
        """Return the frames with which the stream begins."""

    def audio(self, mulaw: bytes) -> str:
        """Return the frame with 20 ms of the caller's audio."""

    def mark(self, name: str) -> str:
        """Return the frame that says that a mark was reached."""

    def key(self, digit: str) -> str:
        """Return the frame that says that a key was pressed."""

    def closing(self) -> str:
        """Return the frame with which the stream ends."""

    def take(self, frame: str) -> Speech | Mark | Clear:
        """Parse a frame of the host.

        Raises:
            ValueError: the carrier would refuse it. The message says why.
        """


class TelephoneLine(Line):
    """One telephone call. The caller has no screen: only the agent's speech says what happens.

    Args:
        ws: the media stream.
        stream: its frames.
        on_message: see `Line`.

    Attributes:
        hung_up: whether the caller or the carrier has ended the call.
        ended_by_host: whether the host has ended the media stream.
    """

    sample_rate = SAMPLE_RATE
    speech_rate = SAMPLE_RATE

    def __init__(self, ws: ClientConnection, stream: MediaStream, on_message: Callable[[Message], None]) -> None:
        super().__init__(on_message)
        self._ws = ws
        self._stream = stream
        self._loudspeaker = Loudspeaker()
        self._loudspeaker.start(SAMPLE_RATE)
        self._said = bytearray()  # by the caller, and not sent yet
        self._marks: deque[tuple[float, str]] = deque()
        self._marked = asyncio.Event()
        self._times_spoken = 0
        self._times_heard = 0
        self.hung_up = False
        self.ended_by_host = False

    @property
    def speech(self) -> bytes:
        return in_telephone_band(self._loudspeaker.played)

    # --- the carrier's end ------------------------------------------------------------------------------------------

    async def listen(self) -> None:
        beside: list[asyncio.Task[None]] = []
        try:
            for frame in self._stream.opening():
                await self._ws.send(frame)
            beside = [asyncio.create_task(self._send_microphone()), asyncio.create_task(self._return_marks())]
            async for raw in self._ws:
                await self._take(raw)
        except ConnectionClosed:
            pass
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)  # they end when the connection does
        self.ended_by_host = not self.hung_up
        code = self._ws.close_code
        if code not in (1000, 1005) and not self.hung_up:
            reason = self._ws.close_reason or "no reason given"
            raise CallFailed(f"the host closed the media stream: {reason} ({code})", close_code=code)

    async def aclose(self) -> None:
        self.hung_up = not self.ended_by_host
        with contextlib.suppress(ConnectionClosed):
            await self._ws.send(self._stream.closing())
        await self._ws.close()

    async def _take(self, raw: str | bytes) -> None:
        if isinstance(raw, bytes):
            raise CallFailed("the host sent a binary frame, which this carrier refuses")
        try:
            frame = self._stream.take(raw)
        except ValueError as error:
            raise CallFailed(f"the host sent a frame that this carrier refuses: {error}") from error
        match frame:
            case Speech(mulaw):
                if not self._loudspeaker.is_playing:
                    self._times_spoken += 1
                    self._speech_begins()
                self._loudspeaker.play(expand(mulaw))
            case Mark(name):
                due_s = asyncio.get_running_loop().time() + self._loudspeaker.backlog_s
                self._marks.append((due_s, name))
                self._marked.set()
            case Clear():
                if self._loudspeaker.is_playing:
                    self._on_message({"type": "cut"})
                self._loudspeaker.drop()
                while self._marks:
                    await self._ws.send(self._stream.mark(self._marks.popleft()[1]))
        await self._notify()

    async def _send_microphone(self) -> None:
        """Send a frame each 20 ms for the whole call: what the caller says, or silence."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            frame = bytes(self._said[:_FRAME_BYTES])
            del self._said[:_FRAME_BYTES]
            await self._ws.send(self._stream.audio(compress(frame.ljust(_FRAME_BYTES, b"\0"))))
            due_s += FRAME_MS / 1000
            await asyncio.sleep(max(0.0, due_s - loop.time()))

    async def _return_marks(self) -> None:
        """Return each mark when what was sent before it has been played."""
        loop = asyncio.get_running_loop()
        while True:
            if not self._marks:
                self._marked.clear()
                await self._marked.wait()
                continue
            due_s = self._marks[0][0]
            if (wait_s := due_s - loop.time()) > 0:
                await asyncio.sleep(wait_s)
            # After a `clear` the one that was waited for has been returned already.
            while self._marks and self._marks[0][0] <= loop.time():
                await self._ws.send(self._stream.mark(self._marks.popleft()[1]))

    # --- what a script calls ----------------------------------------------------------------------------------------

    async def wait_until_ready(self) -> None:
        if await self._happens(lambda: self._times_spoken > 0, GREETING_WAIT_S):
            await self._hear_to_the_end()

    async def send_audio(self, pcm: bytes) -> None:
        self._said += pcm

    async def play(self, pcm: bytes) -> None:
        await super().play(in_telephone_band(pcm))

    async def _play_silence(self) -> None:
        await asyncio.Event().wait()  # the line is never silent: see `_send_microphone`

    async def press(self, digits: str) -> None:
        for digit in digits:
            await self._ws.send(self._stream.key(digit))
            self._on_message({"type": "key", "digit": digit})
            self._spoke_until_s = asyncio.get_running_loop().time()
            await asyncio.sleep(KEY_MS / 1000)
        if await self._happens(lambda: self._times_spoken > self._times_heard, RECOGNITION_TIMEOUT_S):
            await self._hear_to_the_end()

    async def _wait_for_answer(self, what: str) -> None:
        if not await self._happens(lambda: self._times_spoken > self._times_heard, ANSWER_TIMEOUT_S):
            raise CallFailed(f"the agent said nothing after {what} within {ANSWER_TIMEOUT_S:g} s")
        await self._hear_to_the_end()

    async def _hear_to_the_end(self) -> None:
        """Wait until the agent is silent for a while: nothing else tells a caller that a reply is over."""
        while True:
            await self._loudspeaker.finished()
            spoken = self._times_spoken
            if not await self._happens(lambda: self._times_spoken > spoken, LINGER_S):  # noqa: B023 (called here)
                break
        self._times_heard = self._times_spoken
        await asyncio.sleep(REACTION_S)


def in_telephone_band(pcm: bytes) -> bytes:
    """Return PCM16 at 8 kHz as a telephone line carries it: without bass, and without what is close to 4 kHz."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float32)
    if not len(samples):
        return b""
    frequencies = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    gain_db = np.interp(frequencies, [hz for hz, _ in LINE_DB], [gain for _, gain in LINE_DB])
    heard = np.fft.irfft(np.fft.rfft(samples) * 10 ** (gain_db / 20), len(samples))
    return bytes(np.clip(np.rint(heard), -32768, 32767).astype("<i2").tobytes())
