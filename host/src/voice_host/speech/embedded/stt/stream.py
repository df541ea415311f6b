"""One call's stream to the embedded recogniser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from voice_host.resampler import Resampler
from voice_host.speech.embedded.engines import RECOGNISER_HZ, Recogniser
from voice_host.speech.embedded.stt.endpointer import (
    WINDOW_BYTES,
    Draft,
    Endpointer,
    Listen,
    Step,
    Verdict,
    Window,
)
from voice_host.speech.embedded.stt.event_buffer import EventBuffer
from voice_host.speech.embedded.stt.transcript import sounds_complete
from voice_host.speech.embedded.stt.voice_activity import SILENCE, VoiceActivity
from voice_host_sdk import ProviderError, SpeechEvent, SpeechStarted, STTConfig, Transcript

_STALLED_AFTER_S = 1.0
"""If no audio arrives for this long during speech, the microphone counts as silent, and the turn ends."""
_CONFIDENT, _DOUBTFUL = 0.9, 0.3
"""Confidence that a turn has ended whose draft sounds complete, or does not. The first lets the model start early."""
_STALL_TICKS = 10
"""The wait is divided into ticks: if the event loop is blocked for all of it, while audio waits, one tick counts."""


class EmbeddedSpeechToTextStream:
    """Turns a call's audio into speech events. Create it in a thread (it loads a model), use it on the event loop.

    A turn is a list of segments being decoded, usually one. The last one is a draft until the endpointer decides about
    it. A committed turn that is still being decoded is continued if the caller goes on speaking.
    """

    def __init__(
        self,
        config: STTConfig,
        recogniser: Recogniser,
        *,
        on_close: Callable[[EmbeddedSpeechToTextStream], None],
        stalled_after_s: float = _STALLED_AFTER_S,
    ) -> None:
        self._recogniser = recogniser
        self._on_close = on_close
        self._stalled_after_s = stalled_after_s
        self._resampler = Resampler(config.sample_rate, RECOGNISER_HZ)
        self._activity = VoiceActivity()
        self._endpointer = Endpointer()
        self._events = EventBuffer()
        self._unheard = bytearray()
        self._segments: list[asyncio.Task[str]] = []
        self._draft: asyncio.Task[str] | None = None
        self._listening: asyncio.Task[None] | None = None
        self._committing: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._shown = False  # a partial transcript of this turn
        self._stall_timer: asyncio.TimerHandle | None = None
        self._closed = False

    def __aiter__(self) -> AsyncIterator[SpeechEvent]:
        return self._events.events()

    async def send_audio(self, pcm: bytes) -> None:
        """Process PCM16 mono at `STTConfig.sample_rate`, any length; waits while 64 events are unread.

        Uses the event loop for about 1 ms for every 32 ms of speech, 6 ms where it begins, and yields to it in between.

        Raises:
            ProviderError: the recogniser failed, or the stream is closed (`stt_closed`).
        """
        await self._events.room()
        self._stop_stall_timer()
        self._unheard += self._resampler.resample(pcm)
        while len(self._unheard) >= WINDOW_BYTES and not self._closed:
            window = bytes(self._unheard[:WINDOW_BYTES])
            del self._unheard[:WINDOW_BYTES]
            self._hear(window)
            await asyncio.sleep(0)
        if self._endpointer.open and not self._closed:
            self._wait_for_audio(_STALL_TICKS)

    async def aclose(self) -> None:
        """Stop, dropping what is not yet recognised. Idempotent."""
        self._closed = True
        self._stop_stall_timer()
        self._events.close()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._on_close(self)

    def _hear(self, pcm: bytes) -> None:
        self._take(self._activity.analyse(pcm, open_utterance=self._endpointer.open))

    def _take(self, window: Window) -> None:
        for step in self._endpointer.feed(window):
            self._follow(step)

    def _wait_for_audio(self, ticks: int) -> None:
        self._stall_timer = None
        if ticks == 0:
            self._spawn(self._hear_silence())
            return
        loop = asyncio.get_running_loop()
        self._stall_timer = loop.call_later(self._stalled_after_s / _STALL_TICKS, self._wait_for_audio, ticks - 1)

    async def _hear_silence(self) -> None:
        while self._endpointer.open and self._stall_timer is None and not self._closed:
            self._take(SILENCE)
            await asyncio.sleep(0)

    def _stop_stall_timer(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def _follow(self, step: Step) -> None:
        match step:
            case Listen(pcm):
                if self._listening is None or self._listening.done():  # otherwise the next one includes these words
                    self._listening = self._spawn(self._listen(pcm))
            case Draft(pcm):
                self._draft = self._spawn(self._recogniser.recognise(pcm))
                self._spawn(self._show(self._draft))
            case Verdict.DROP:
                self._drop_draft()
            case Verdict.KEEP:
                self._keep_draft()
            case Verdict.COMMIT:
                self._keep_draft()
                self._committing = self._spawn(self._commit())
            case event:
                if isinstance(event, SpeechStarted) and self._committing is not None:
                    self._committing.cancel()  # not reported yet: the turn continues
                    self._committing = None
                self._events.put(event)

    def _keep_draft(self) -> None:
        self._stop_listening()
        if self._draft is not None:
            self._segments.append(self._draft)
            self._draft = None

    def _drop_draft(self) -> None:
        if self._draft is not None:
            self._draft.cancel()
            self._draft = None

    def _stop_listening(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            self._listening = None

    async def _listen(self, pcm: bytes) -> None:
        words = await self._recogniser.preview(pcm)
        if words and self._draft is None:
            self._put_partial(words)

    async def _show(self, draft: asyncio.Task[str]) -> None:
        """Report the words of a draft, usually the final ones, and let the turn end earlier if they sound complete."""
        await asyncio.wait((draft,))
        if draft is not self._draft or _failed(draft):
            return
        complete = sounds_complete(draft.result())
        if complete or not draft.result():
            self._endpointer.draft_is_complete()
        if draft.result():
            self._put_partial(draft.result(), _CONFIDENT if complete else _DOUBTFUL)

    def _put_partial(self, words: str, confidence: float | None = None) -> None:
        earlier = [task.result() for task in self._segments if task.done() and not _failed(task)]
        self._events.put(Transcript(_join([*earlier, words]), confidence=confidence))
        self._shown = True

    async def _commit(self) -> None:
        try:
            text = _join([await asyncio.shield(segment) for segment in self._segments])
        except ProviderError as error:
            self._events.fail(error)
            return
        self._segments.clear()
        self._committing = None
        if text or self._shown:  # retracts words shown for a noise
            self._events.put(Transcript(text, final=True))
        self._shown = False

    def _spawn(self, work: Coroutine[None, None, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # `_commit` raises the error of a draft that is kept


def _failed(task: asyncio.Task[str]) -> bool:
    return task.cancelled() or task.exception() is not None


def _join(words: list[str]) -> str:
    return " ".join(part for part in words if part)
