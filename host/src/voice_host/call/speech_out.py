"""`SpeechOut`: turns a reply's text into utterances of the voice, and writes their audio to the playout."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from voice_host.call.heard import SpokenClause
from voice_host.call.reply import Filler, Hush, QueuedText, Reply
from voice_host.text import ClauseWording, SpokenPiece, SpokenStream
from voice_host_sdk import ProviderError, TextToSpeechStream, Utterance

CLAUSE_DEADLINE_S = 0.1
"""If the model pauses for this long after a sentence that looks finished, the sentence is spoken."""

PAUSE = ""
"""Marks a pause of the model in the queue of text."""

UTTERANCES_AHEAD = 2
"""Concurrent utterances: the audible one and the next one, so that there is no gap between them."""


@dataclass(slots=True)
class _Speaking:
    """A clause being spoken."""

    utterance: Utterance
    clause: SpokenClause = field(default_factory=SpokenClause)
    hushes: int = 0
    """How often the reply had been hushed before its text."""


class SpeechOut:
    """Speaks one reply while its text is generated.

    Args:
        voice: the call's stream to the voice; None: the text is consumed, but not spoken.
        reply: its `speech_queue` is spoken into its `playout`.
        wording: converts clauses to words for the voice.
        on_error: awaited for every failure of the voice. The rest is spoken if possible.
    """

    def __init__(
        self,
        voice: TextToSpeechStream | None,
        reply: Reply,
        wording: ClauseWording,
        on_error: Callable[[ProviderError], Awaitable[None]],
    ) -> None:
        self._voice = voice
        self._reply = reply
        self._wording = wording
        self._on_error = on_error
        self._free = asyncio.Semaphore(UTTERANCES_AHEAD)
        self._speaking: asyncio.Queue[_Speaking | None] = asyncio.Queue()  # bounded by the semaphore
        self._current: _Speaking | None = None
        self._hushes = 0  # before the text that is being read
        self._unspoken = ""  # text that is not spoken, such as an emoji; becomes part of the next clause

    async def run(self) -> None:
        """Speak all of the reply's text. Returns when its last audio is in the playout."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read(), name=f"voice-{self._reply.id}")
            async for piece in pieces(self._reply.speech_queue, self._wording):
                if isinstance(piece, Filler):
                    await self._fill(piece.text)
                elif isinstance(piece, Hush):
                    await self._finish()
                    self._hushes, self._unspoken = piece.number, ""
                else:
                    await self._write(piece)
            self._speaking.put_nowait(None)

    # --- text to the voice ------------------------------------------------------------------------------------------

    async def _write(self, piece: SpokenPiece) -> None:
        if self._hushes != self._reply.hushes:
            return
        if piece.spoken.strip() and self._current is None:
            self._current = await self._begin(self._unspoken)
            self._unspoken = ""
        if self._current is None:
            self._unspoken += piece.written
            return
        self._current.clause.add(piece)
        await self._send(self._current, piece.spoken)
        if piece.ends:
            await self._finish()

    async def _fill(self, text: str) -> None:
        """Speak a filler between two clauses."""
        await self._finish()
        if (filler := await self._begin("")) is not None:
            self._current = filler
            await self._send(filler, text)
            await self._finish()

    async def _begin(self, text: str) -> _Speaking | None:
        if self._voice is None:
            return None
        self._reply.voicing += 1
        await self._free.acquire()
        self._reply.stages.reach("first_clause")
        try:
            speaking = _Speaking(await self._voice.utterance(), SpokenClause(text), self._hushes)
        except ProviderError as error:
            self._reply.voicing -= 1
            self._free.release()
            self._voice = None  # it was retried already: the rest of this reply is text only
            await self._on_error(error)
            return None
        self._speaking.put_nowait(speaking)
        return speaking

    async def _send(self, speaking: _Speaking, spoken: str) -> None:
        if not spoken.strip():
            return
        try:
            await speaking.utterance.send_text(spoken)
        except ProviderError as error:
            await self._failed(error)

    async def _finish(self) -> None:
        if self._current is not None:
            await self._current.utterance.end()
            self._current = None

    # --- speech to the playout --------------------------------------------------------------------------------------

    async def _read(self) -> None:
        try:
            while (speaking := await self._speaking.get()) is not None:
                try:
                    await self._play(speaking)
                except ProviderError as error:
                    await self._failed(error)
                finally:
                    self._reply.voicing -= 1
                    await speaking.utterance.aclose()
                    self._free.release()
        finally:
            while not self._speaking.empty():
                if (left := self._speaking.get_nowait()) is not None:
                    await left.utterance.aclose()

    async def _play(self, speaking: _Speaking) -> None:
        if speaking.hushes != self._reply.hushes:
            return
        self._reply.playout.begin_clause(speaking.clause)
        async for audio in speaking.utterance:
            if speaking.hushes != self._reply.hushes:
                return
            self._reply.stages.reach("first_audio_in")
            await self._reply.playout.write(audio)
        speaking.clause.complete = True

    async def _failed(self, error: ProviderError) -> None:
        if not error.retryable:
            self._voice = None
        await self._on_error(error)


async def pieces(
    texts: asyncio.Queue[QueuedText], wording: ClauseWording
) -> AsyncIterator[SpokenPiece | Filler | Hush]:
    """Split the text into pieces to be spoken, as early as possible. None ends it."""
    stream = SpokenStream(wording)
    pause = _PauseTimer(texts)
    try:
        while True:
            text = await texts.get()
            pause.unset()
            if text == PAUSE:
                for piece in stream.deadline():
                    yield piece
            elif isinstance(text, str):
                for piece in stream.feed(text):
                    yield piece
                if stream.pending:
                    pause.set()
            elif isinstance(text, Hush):
                stream = SpokenStream(wording)
                yield text
            else:
                for piece in stream.flush():
                    yield piece
                if text is None:
                    return
                yield text
    finally:
        pause.close()


class _PauseTimer:
    """Puts `PAUSE` into the queue if no text arrives for `CLAUSE_DEADLINE_S`.

    Words only move the due time; a timer that fires too early is set again. So there is not a timer for each word.
    """

    def __init__(self, texts: asyncio.Queue[QueuedText]) -> None:
        self._texts = texts
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._due_s: float | None = None

    def set(self) -> None:
        """Start to wait for a pause."""
        self._due_s = self._loop.time() + CLAUSE_DEADLINE_S
        if self._timer is None:
            self._timer = self._loop.call_at(self._due_s, self._fire)

    def unset(self) -> None:
        """Stop waiting: text has arrived, or a pause makes no difference."""
        self._due_s = None

    def close(self) -> None:
        """Fire no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _fire(self) -> None:
        self._timer = None
        if self._due_s is None:
            return
        if self._loop.time() < self._due_s:
            self._timer = self._loop.call_at(self._due_s, self._fire)
        elif self._texts.empty():
            self._texts.put_nowait(PAUSE)
