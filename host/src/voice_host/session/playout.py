"""One reply's speech on its way to the caller: buffered, paced, and stoppable to the byte."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from voice_host.clock import now_s
from voice_host.session.heard import HeardText, SpokenClause
from voice_host_sdk import SpeechAudio

BUFFER_S = 4.0
"""Seconds of speech kept ahead of what was sent. When full, the voice waits; long enough to hide the time to first
byte of the next clause."""

FRAME_MS = 60.0
"""Audio goes out in frames of at least this length: fewer, larger frames cost less than one each 20 ms."""


class PlayoutClock:
    """How much of what was sent has been played, if the client plays as it receives. All in ms; no I/O."""

    def __init__(self) -> None:
        self.sent_ms = 0.0
        self._origin_ms = 0.0  # when the audio at position 0 was, or would have been, played
        self._reported: tuple[float, float] | None = None
        self._report_gap_ms = 0.0  # the longest between two reports

    def add_sent(self, duration_ms: float, now_ms: float) -> None:
        if now_ms - self._origin_ms > self.sent_ms:
            # The client ran dry (or this is the first audio): what comes now is played from now on.
            self._origin_ms = now_ms - self.sent_ms
        self.sent_ms += duration_ms

    def report(self, played_ms: float, now_ms: float) -> None:
        """The client says how much it has played, which beats any estimate."""
        if self._reported is not None:
            self._report_gap_ms = max(self._report_gap_ms, now_ms - self._reported[1])
        self._reported = (min(played_ms, self.sent_ms), now_ms)

    def played_ms(self, now_ms: float) -> float:
        if self.sent_ms == 0:
            return 0.0
        if self._reported is not None:
            played, at = self._reported
            return min(self.sent_ms, played + now_ms - at)
        return max(0.0, min(self.sent_ms, now_ms - self._origin_ms))

    def surely_played_ms(self, now_ms: float) -> float:
        """As `played_ms`, of a client that was lost some time ago: it has played on until a report is missing."""
        if self._reported is None or not self._report_gap_ms:
            return self.played_ms(now_ms)
        return self.played_ms(min(now_ms, self._reported[1] + self._report_gap_ms))

    def ahead_ms(self, now_ms: float) -> float:
        """How much was sent that is not played yet, by the server's own clock."""
        return max(0.0, self.sent_ms - (now_ms - self._origin_ms)) if self.sent_ms else 0.0


class Playout:
    """Sends one reply's audio ahead of real time by at most the lead.

    Args:
        send: sends one frame of PCM16 mono.
        sample_rate: Hz.
        lead_ms: how far to send ahead.
        on_first_audio: called once, after the first frame went out.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        send: Callable[[bytes], Awaitable[None]],
        *,
        sample_rate: int,
        lead_ms: float,
        on_first_audio: Callable[[], Awaitable[None]],
        clock: Callable[[], float] = now_s,
    ) -> None:
        self._send = send
        self._bytes_per_ms = sample_rate * 2 / 1000
        self._limit = int(BUFFER_S * sample_rate) * 2
        self._lead_ms = lead_ms
        self._on_first_audio = on_first_audio
        self._clock_s = clock
        self._clock = PlayoutClock()
        self._heard = HeardText()
        self._buffer: deque[bytes] = deque()
        self._buffered = 0
        self._complete = False
        self._held = False
        self._stopped = False
        self._changed = asyncio.Event()
        self._room = asyncio.Event()

    # --- from the voice -----------------------------------------------------------------------------------------

    def begin_clause(self, clause: SpokenClause) -> None:
        """The audio written next speaks `clause`."""
        self._heard.begin(clause)

    async def write(self, audio: SpeechAudio) -> None:
        """Add speech; waits while the buffer is full."""
        while self._buffered >= self._limit and not self._stopped:
            self._room.clear()
            await self._room.wait()
        if self._stopped:
            return
        self._heard.add_audio(len(audio.pcm) / self._bytes_per_ms, audio.words)
        if audio.pcm:
            self._buffer.append(audio.pcm)
            self._buffered += len(audio.pcm)
            self._changed.set()

    def complete(self) -> None:
        """No more speech follows."""
        self._complete = True
        self._changed.set()

    # --- to the caller ------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Send until everything written has been sent, or the playout is stopped."""
        first = True
        while not self._stopped:
            if self._held or (not self._buffer and not self._complete):
                self._changed.clear()
                await self._changed.wait()
                continue
            if not self._buffer:
                return
            now_ms = self._now_ms()
            room_ms = self._lead_ms - self._clock.ahead_ms(now_ms)
            if room_ms < min(FRAME_MS, self._lead_ms):
                await asyncio.sleep((min(FRAME_MS, self._lead_ms) - room_ms + 1) / 1000)
                continue
            frame = self._take(int(room_ms * self._bytes_per_ms) & ~1)
            self._clock.add_sent(len(frame) / self._bytes_per_ms, now_ms)
            await self._send(frame)
            if first:
                first = False
                await self._on_first_audio()

    @property
    def busy(self) -> bool:
        """Whether there is speech that the caller has not heard yet."""
        return bool(self._buffer) or self.ahead_ms > 0

    @property
    def ahead_ms(self) -> float:
        """How much audio was sent that the caller has not heard yet, by the server's clock."""
        return self._clock.ahead_ms(self._now_ms())

    async def played(self) -> None:
        """Wait until the client has played what was sent."""
        if not self._stopped:
            await asyncio.sleep(self.ahead_ms / 1000)

    def hold(self) -> None:
        """Send nothing more for now."""
        self._held = True

    def release(self) -> None:
        """Go on sending."""
        self._held = False
        self._changed.set()

    def stop(self) -> None:
        """Drop what is buffered, for good."""
        self._stopped = True
        self._buffer.clear()
        self._buffered = 0
        self._changed.set()
        self._room.set()

    def report_played(self, played_ms: float) -> None:
        """Take the client's own word for how much it has played."""
        self._clock.report(played_ms, self._now_ms())

    def heard(self) -> str:
        """The text that has been audible so far."""
        return self._heard.at(self._clock.played_ms(self._now_ms()))

    def surely_heard(self) -> str:
        """As `heard`, where the client was lost, which may have been a while ago."""
        return self._heard.at(self._clock.surely_played_ms(self._now_ms()))

    @property
    def reports_are_missing(self) -> bool:
        """Whether the client, which reports what it plays, has stopped before the end of what was sent."""
        return self._clock.surely_played_ms(self._now_ms()) < self._clock.sent_ms

    def _take(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size > 0 and self._buffer:
            chunk = self._buffer.popleft()
            if len(chunk) > size:
                self._buffer.appendleft(chunk[size:])
                chunk = chunk[:size]
            parts.append(chunk)
            size -= len(chunk)
        frame = b"".join(parts)
        self._buffered -= len(frame)
        self._room.set()
        return frame

    def _now_ms(self) -> float:
        return self._clock_s() * 1000
