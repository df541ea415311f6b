"""Speech-to-text during a call: reconnecting, replaying audio, and telling the caller about outages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from voice_host.backoff import backoff_s
from voice_host.call.events import CallEvent, FinalMissing, MicrophoneDropped, RecogniserLost, ReplayDropped
from voice_host.call.microphone import MicrophoneBuffer
from voice_host.call.open_turn import OpenTurn, final_timeout_s
from voice_host.call.replay_buffer import ReplayBuffer
from voice_host.call.stt_watchdog import Loudness, SttWatchdog
from voice_host.clock import WaitLimit, now_s
from voice_host.settings import ResilienceSettings
from voice_host.speech.boundary import STT_FAILED, ContainedSpeechToTextStream, ask_service
from voice_host.speech.select import DEFAULT_MIN_AUDIO_MS
from voice_host_sdk import (
    ProviderError,
    SpeechEnded,
    SpeechEvent,
    SpeechStarted,
    SpeechToTextStream,
    STTConfig,
    Transcript,
)

STT_LOST_PHRASE = "Sorry, I cannot hear you at the moment. You can still type to me."
"""Spoken when speech-to-text has been lost for a while."""

STT_RECOVERED_PHRASE = "I can hear you again."
"""Spoken when speech-to-text is back, to a caller who was told that it was lost."""

RETRY_FIRST_S = 0.2
RETRY_MAX_S = 8.0
"""The first and the longest wait before speech-to-text is tried again; each is twice the last, and up to as much again
is added by chance, so that calls do not all come back at once. 0.2 s is not noticed; a service that is down for longer
is not helped by more than a try every few seconds."""

MAX_REPLAYS = 5
"""Streams that are sent the same audio without result. Then it is dropped, since it may cause the failures."""

STEADY_S = 2.0
"""A stream that lives this long counts as working, even if nobody spoke. One that closes sooner means more backoff."""

CLOSE_LOST_S = 0.5
"""Time limit for closing a lost stream; then it is aborted."""

ONSET_MS = 2000.0
"""Audio kept from before a turn's first event: 64 kB. The slowest first event seen came 1.2 s after the onset."""


@dataclass(eq=False)
class _Outage:
    """A period without a recogniser."""

    error: ProviderError
    began_s: float
    over: asyncio.Event = field(default_factory=asyncio.Event)
    told: bool = False
    final: bool = False
    """Whether reconnecting was given up."""


class Listening:
    """Speech-to-text of one call, from `run()` to its end.

    A stream that is lost is replaced, with exponential backoff. The new one is sent the audio that the old one had not
    turned into a turn, then what arrived meanwhile, then the live audio. An error that is not retryable ends it.

    If a final transcript does not arrive, the last partial one becomes the turn.

    Args:
        connect: opens a stream, or raises `ProviderError`.
        on_event: called with each event. If a stream is lost during speech, a `SpeechEnded` is added.
        on_outage: called once for an outage that lasts, and for an error that ends it.
        on_recovery: called when an outage is over for which `on_outage` was called.
        note: reports what was lost.
        hears_speech_end: whether the recogniser reports the end of speech.
        min_audio_ms: the shortest audio that is worth sending to the recogniser.
    """

    def __init__(
        self,
        config: STTConfig,
        resilience: ResilienceSettings,
        *,
        connect: Callable[[], Awaitable[SpeechToTextStream]],
        on_event: Callable[[SpeechEvent], Awaitable[None]],
        on_outage: Callable[[ProviderError], Awaitable[None]],
        on_recovery: Callable[[], Awaitable[None]],
        note: Callable[[CallEvent], None],
        hears_speech_end: bool = True,
        min_audio_ms: int = DEFAULT_MIN_AUDIO_MS,
    ) -> None:
        self._config = config
        self._connect = connect
        self._on_event = on_event
        self._on_outage = on_outage
        self._on_recovery = on_recovery
        self._note = note
        self._resilience = resilience
        self._min_audio_ms = min_audio_ms
        self._bytes_per_s = config.sample_rate * 2
        self._audio = ReplayBuffer(config.sample_rate, resilience.stt_replay_s)
        self._more = asyncio.Event()
        self._loudness = Loudness(config.sample_rate)
        self._watchdog = SttWatchdog(resilience.stt_silent_after_s)
        self._failures = 0
        self._outage: _Outage | None = None
        self._replays = 0
        self._turn = OpenTurn(final_timeout_s(config), hears_end=hears_speech_end)
        self._turn_moved = asyncio.Event()
        self._speaking = False

    async def run(self, microphone: MicrophoneBuffer) -> None:
        """Run until cancelled, or until an error that is not retryable."""
        microphone.pass_on(self._hear, piece_ms=self._min_audio_ms, tail_ms=self._config.max_turn_silence)
        try:
            async with asyncio.TaskGroup() as self._tasks:
                await self._keep_connected()
        finally:
            microphone.close()

    def _hear(self, pcm: bytes) -> None:
        """Take the microphone's audio."""
        if dropped := self._audio.add(pcm, loud=self._loudness.is_loud(pcm)):
            self._note(MicrophoneDropped(dropped))
        self._more.set()

    # --- one stream after the other ---------------------------------------------------------------------------------

    async def _keep_connected(self) -> None:
        while True:
            began_s = now_s()
            try:
                stream = await ask_service(self._connect, STT_FAILED)
                error = await self._use(ContainedSpeechToTextStream(stream))
                began_s = now_s()
            except ProviderError as failed:
                error = failed
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                # Python 3.11 and 3.12: a task group that fails swallows a cancellation that comes meanwhile.
                raise asyncio.CancelledError
            if not error.retryable:
                await self._give_up(error)
                return
            await self._lost(error, began_s)
            self._failures += 1
            wait_s = backoff_s(self._failures, first_s=RETRY_FIRST_S, max_s=RETRY_MAX_S)
            await asyncio.sleep(wait_s)

    async def _use(self, stream: SpeechToTextStream) -> ProviderError:
        """Use a stream until it fails; return why it did."""
        lost: list[ProviderError] = []
        try:
            await self._rewind()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._send(stream), name="recogniser-audio")
                tasks.create_task(self._note_steady(), name="recogniser-steady")
                tasks.create_task(self._finish_overdue_turns(), name="recogniser-overdue")
                async for event in stream:
                    await self._take(event)
                raise ProviderError("Speech recognition has ended.", code="stt_closed")  # not closed here
        except* ProviderError as group:
            lost = [error for error in group.exceptions if isinstance(error, ProviderError)]
        finally:
            await self._close(stream, lost=bool(lost))
        return next((error for error in lost if not error.retryable), lost[0])

    async def _rewind(self) -> None:
        self._replays += 1
        if self._replays > MAX_REPLAYS:  # the audio may be the cause
            self._note(ReplayDropped(self._replays - 1))
            await self._finish_turn()
            self._audio.forget_sent()
            self._replays = 1
        self._watchdog.new_line()
        self._audio.rewind(trim=not self._turn.is_open)
        self._turn.begin_again()

    async def _send(self, stream: SpeechToTextStream) -> None:
        limit = WaitLimit(self._resilience.stt_send_timeout_s)
        try:
            while True:
                if (piece := self._audio.next()) is None:
                    self._more.clear()
                    await self._more.wait()
                    continue
                with limit:
                    await stream.send_audio(piece.pcm)
                if not self._turn.is_open:
                    self._audio.forget_silence(ONSET_MS)
                if piece.loud and self._watchdog.sent(len(piece.pcm) / self._bytes_per_s):
                    raise _silent()
        except TimeoutError as stuck:
            raise _silent() from stuck
        finally:
            limit.close()

    async def _take(self, event: SpeechEvent) -> None:
        self._watchdog.heard()
        if isinstance(event, Transcript):  # speech detection may work even if recognition does not
            self._replays = 0
            self._works()
        if not self._turn.may_be_under_way(now_s()):
            self._audio.commit(ONSET_MS)
        passed_on = self._turn.take(event, now_s())
        self._turn_moved.set()
        match event:
            case SpeechStarted():
                self._speaking = True
            case SpeechEnded():
                self._speaking = False
            case Transcript(final=final):
                if final:
                    self._end_turn()
        if passed_on is not None:
            await self._on_event(passed_on)

    def _end_turn(self) -> None:
        self._speaking = False
        # Keep the silence that ended the turn: the first word of the next turn may be in it.
        self._audio.commit(self._config.min_end_of_turn_silence_when_confident, turn_over=True)

    async def _finish_overdue_turns(self) -> None:
        while True:
            self._turn_moved.clear()
            try:
                async with asyncio.timeout_at(self._turn.overdue_at_s):
                    await self._turn_moved.wait()
            except TimeoutError:
                self._note(FinalMissing())
                await self._finish_turn()

    async def _finish_turn(self) -> None:
        """End a turn whose final transcript has not arrived."""
        if (turn := self._turn.finish()) is not None:
            self._end_turn()
            await self._on_event(turn)

    async def _note_steady(self) -> None:
        await asyncio.sleep(STEADY_S)
        self._works()

    async def _close(self, stream: SpeechToTextStream, *, lost: bool) -> None:
        with suppress(TimeoutError):  # then it is abandoned
            async with asyncio.timeout(CLOSE_LOST_S if lost else None):
                await stream.aclose()

    # --- outages ----------------------------------------------------------------------------------------------------

    async def _lost(self, error: ProviderError, began_s: float) -> None:
        self._note(RecogniserLost(error.code))
        self._turn.lost(now_s())
        if self._outage is None:
            self._outage = _Outage(error, began_s)
            self._tasks.create_task(self._tell(self._outage), name="outage")
        self._outage.error = error
        if self._speaking:
            self._speaking = False
            await self._on_event(SpeechEnded())

    async def _give_up(self, error: ProviderError) -> None:
        outage, self._outage = self._outage, None
        if outage is not None:
            outage.final = True
            outage.over.set()
        await self._finish_turn()
        if outage is None or not outage.told:
            await self._on_outage(error)

    def _works(self) -> None:
        self._failures = 0
        if self._outage is not None:
            self._outage.over.set()
            self._outage = None

    async def _tell(self, outage: _Outage) -> None:
        """Report an outage that lasts, and its end."""
        try:
            async with asyncio.timeout_at(outage.began_s + self._resilience.stt_tell_after_s):
                await outage.over.wait()
                return
        except TimeoutError:
            outage.told = True
        await self._on_outage(outage.error)
        await outage.over.wait()
        if not outage.final:
            await self._on_recovery()


def _silent() -> ProviderError:
    return ProviderError("Speech recognition did not answer in time.", code="stt_timeout")
