"""Sends one reply's speech to the caller: buffered, paced, and stopped to the byte."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

from voice_host.call.heard import HeardText, SpokenClause
from voice_host.call.playout_clock import PlayoutClock
from voice_host.clock import now_s
from voice_host_sdk import SpeechAudio

FRAME_MS = 60.0
"""Shortest audio frame to send; a frame every 20 ms would cost more CPU."""

MAX_FRAME_MS = 240.0
"""Longest audio frame to send, however long the lead: audio in a frame can no longer be skipped."""


class Playout:
    """Sends one reply's audio ahead of real time by at most the lead, and behind it by at most `max_lag_s`.

    If speech is later than that because the client is slow, enough is skipped to be on time again. Other delays skip
    nothing.

    Args:
        send: sends one frame of PCM16 mono.
        sample_rate: Hz.
        lead_ms: how far to send ahead.
        buffer_s: seconds of speech kept ahead of what was sent. When it is full, the voice waits. It must be long
            enough to hide the time to first byte of the next clause.
        max_lag_s: how late speech may be because the client is slow, at most `buffer_s`; inf: nothing is skipped.
        on_first_audio: awaited once, after the first frame was sent.
        on_skipped: called after each stall with the seconds of speech that were skipped.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        send: Callable[[bytes], Awaitable[None]],
        *,
        sample_rate: int,
        lead_ms: float,
        buffer_s: float,
        on_first_audio: Callable[[], Awaitable[None]],
        max_lag_s: float = math.inf,
        on_skipped: Callable[[float], None] = lambda _: None,
        clock: Callable[[], float] = now_s,
    ) -> None:
        self._send = send
        self._bytes_per_ms = sample_rate * 2 / 1000
        self._limit = int(buffer_s * sample_rate) * 2
        self._lead_ms = lead_ms
        # While the buffer is full, slow sending can't be distinguished from late speech, so the limit is not longer.
        self._max_lag_ms = (min(max_lag_s, buffer_s) if math.isfinite(max_lag_s) else max_lag_s) * 1000
        self._on_first_audio = on_first_audio
        self._on_skipped = on_skipped
        self._clock_s = clock
        self._clock = PlayoutClock()
        self._heard = HeardText()
        self._buffer: deque[bytes] = deque()
        self._buffered = 0
        self._sending = 0  # bytes of the frame that is being sent
        self._skipped = 0  # bytes skipped while it is being sent
        self._hushed = 0  # bytes dropped by `hush` while it is being sent
        self._complete = False
        self.held = False
        """Whether sending is paused."""
        self._released_ms: float | None = None
        self._stopped = False
        self._changed = asyncio.Event()
        self._room = asyncio.Event()

    # --- from the voice -----------------------------------------------------------------------------------------

    def begin_clause(self, clause: SpokenClause) -> None:
        """The audio written from now on is that of `clause`."""
        self._heard.begin(clause)

    async def write(self, audio: SpeechAudio) -> None:
        """Add speech. Waits while the buffer is full."""
        while self._buffered >= self._limit and not self._stopped:
            await self._wait_for_room()
        if self._stopped:
            return
        self._heard.add_audio(self._ms(len(audio.pcm)), audio.words)
        if audio.pcm:
            if self._sending or self._clock.lag_ms:
                self._clock.limit_lag(self._ms(self._sending + self._buffered), self._now_ms())
            self._buffer.append(audio.pcm)
            self._buffered += len(audio.pcm)
            self._changed.set()

    async def _wait_for_room(self) -> None:
        self._room.clear()
        if not self._sending:
            await self._room.wait()
            return
        # The client is stalled. Skip what is late meanwhile, so that the voice does not have to wait for it.
        with suppress(TimeoutError):
            async with asyncio.timeout(FRAME_MS / 1000):
                await self._room.wait()
        self._clock.update_lag(self._now_ms())
        self._skip_late()

    def complete(self) -> None:
        """No more speech follows."""
        self._complete = True
        self._changed.set()

    # --- to the caller ------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Send until everything written has been sent, or the playout is stopped."""
        first = True
        while not self._stopped:
            if self.held or (not self._buffer and not self._complete):
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
            await self._deliver(self._take(min(room_ms, MAX_FRAME_MS)))
            if first:
                first = False
                await self._on_first_audio()

    async def _deliver(self, frame: bytes) -> None:
        """Send a frame, and skip what is late because the client did not accept it sooner."""
        self._sending = len(frame)
        self._clock.start_waiting(self._now_ms())
        try:
            await self._send(frame)
            now_ms = self._now_ms()
            self._clock.stop_waiting(now_ms)
            self._clock.add_sent(self._ms(len(frame)), now_ms)
            self._skip_late()
        finally:
            self._sending = 0
            skipped_ms, hushed_ms = self._ms(self._skipped), self._ms(self._hushed)
            self._skipped = self._hushed = 0
            if skipped_ms or hushed_ms:
                self._heard.skip(*self._clock.skip(skipped_ms + hushed_ms))
            if skipped_ms:
                self._on_skipped(skipped_ms / 1000)

    def _skip_late(self) -> None:
        # Once a stall exceeds the limit, everything that it delays is equally late.
        if self._skipped or self._clock.lag_ms > self._max_lag_ms:
            late = len(self._take(self._clock.lag_ms))
            self._skipped += late
            self._clock.lag_ms -= self._ms(late)

    @property
    def begun(self) -> bool:
        """Whether any speech has been sent."""
        return self._clock.sent_ms > 0

    @property
    def busy(self) -> bool:
        """Whether there is speech that the caller has not heard yet."""
        return bool(self._buffer) or self._sending > 0 or self.ahead_ms > 0

    @property
    def played_ms(self) -> float:
        """How much of what was sent the caller has heard: the client's own report, or an estimate."""
        return self._clock.played_ms(self._now_ms())

    @property
    def ahead_ms(self) -> float:
        """How much audio was sent that the caller has not heard yet, by the server's clock."""
        return self._clock.ahead_ms(self._now_ms())

    async def played(self) -> None:
        """Wait until the client has played what was sent."""
        while not self._stopped and (ahead_ms := self.ahead_ms) >= 1:
            if self._clock.paused:
                self._changed.clear()
                await self._changed.wait()
            else:
                await asyncio.sleep(ahead_ms / 1000)

    def hold(self) -> None:
        """Pause sending."""
        self.held = True
        self._clock.stop_waiting(self._now_ms())

    def release(self) -> None:
        """Go on sending."""
        self.held = False
        self._released_ms = self._now_ms()
        self._clock.resume(self._released_ms)
        if self._sending:
            self._clock.start_waiting(self._now_ms())
        self._changed.set()

    def hush(self) -> None:
        """Drop what is buffered. What is written from now on is sent."""
        dropped, self._buffered = self._buffered, 0
        self._buffer.clear()
        if self._sending:
            self._hushed += dropped  # it follows the frame that is being sent
        elif dropped:
            self._heard.skip(*self._clock.skip(self._ms(dropped)))
        self._room.set()

    def stop(self) -> None:
        """Drop what is buffered, and send nothing more."""
        self._stopped = True
        self._buffer.clear()
        self._buffered = 0
        self._changed.set()
        self._room.set()

    def close(self) -> None:
        """Send nothing more, and let go of the reply, which holds this. What was heard of it is known all the same."""
        self._send = self._on_first_audio = _ignore
        self._on_skipped = lambda _: None

    def report_played(self, played_ms: float, *, paused: bool = False) -> None:
        """Take the client's report of how much it has played, and whether it has paused while this is held."""
        if paused and self.held:
            self._clock.pause(played_ms, self._now_ms())
        elif paused and self._released_ms is not None:
            # The report and the release have crossed: the client paused there, and has gone on since.
            self._clock.pause(played_ms, self._now_ms())
            self._clock.resume(self._released_ms)
        else:
            self._clock.report(played_ms, self._now_ms())

    def stopped_at(self, played_ms: float) -> None:
        """Take the client's report that it has stopped for good after `played_ms`."""
        self._clock.stop(played_ms, self._now_ms())

    def note_liveness(self) -> None:
        """Note that the client is connected, since its microphone sends audio. So it has played what is due by now."""
        self._clock.note_liveness(self._now_ms())

    def heard(self) -> str:
        """Return the text that has been audible so far."""
        return self._heard.at(self._position_ms)

    def confirmed_heard(self) -> str:
        """Return the text known to have been audible, for a client that may have been lost some time ago."""
        return self._heard.at(self._confirmed_position_ms)

    def reached(self) -> str:
        """Return the text up to the current position, including what was skipped."""
        return self._heard.reached(self._position_ms)

    def confirmed_reached(self) -> str:
        """As `reached`, for a client that was lost."""
        return self._heard.reached(self._confirmed_position_ms)

    def delivered(self) -> str:
        """Return the text that was sent, once the playout is over."""
        return self._heard.at(math.inf)

    @property
    def skipped(self) -> bool:
        """Whether some speech was not sent."""
        return self._clock.skipped_ms > 0

    @property
    def _position_ms(self) -> float:
        return self._clock.position_ms(self._clock.played_ms(self._now_ms()))

    @property
    def _confirmed_position_ms(self) -> float:
        return self._clock.position_ms(self._clock.confirmed_played_ms(self._now_ms()))

    @property
    def reports_are_missing(self) -> bool:
        """Whether the client stopped reporting before it can have played all that was sent."""
        return self._clock.confirmed_played_ms(self._now_ms()) < self._clock.sent_ms

    def _take(self, duration_ms: float) -> bytes:
        size = int(duration_ms * self._bytes_per_ms) & ~1
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

    def _ms(self, size: int) -> float:
        return size / self._bytes_per_ms

    def _now_ms(self) -> float:
        return self._clock_s() * 1000


async def _ignore(*_: object) -> None:
    """Nobody takes it any more."""
