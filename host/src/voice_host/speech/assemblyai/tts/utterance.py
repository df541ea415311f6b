"""One utterance of AssemblyAI's text-to-speech: words in, audio with word timings out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from voice_host.clock import WaitLimit
from voice_host.speech.assemblyai.tts.messages import tts_error
from voice_host.speech.assemblyai.tts.request import Request, TimedAudio, pieces
from voice_host.speech.assemblyai.tts.session import VoiceSession
from voice_host_sdk import ProviderError, SpeechAudio

logger = logging.getLogger(__name__)


class AssemblyAIUtterance:
    """Gathers its words and sends them as one request when it ends.

    Sending them earlier would gain nothing, since a clause is spoken when it is flushed. So an utterance that is closed
    before its end costs nothing, and one whose socket dies before any audio can be repeated.

    Args:
        session: a session that has begun.
        new_session: returns another session that has begun, or raises `ProviderError`.
        sample_rate: Hz, of the audio.
        audio_timeout_s: how long the service may be silent once it has the text.
        words_timeout_s: how long to wait for the word timings after all audio.
    """

    def __init__(
        self,
        session: VoiceSession,
        new_session: Callable[[], Awaitable[VoiceSession]],
        *,
        sample_rate: int,
        audio_timeout_s: float,
        words_timeout_s: float,
    ) -> None:
        self._session = session
        self._new_session = new_session
        self._sample_rate = sample_rate
        self._audio_timeout_s = audio_timeout_s
        self._words_timeout_s = words_timeout_s
        self._words: list[str] = []
        self._ended = False
        self._over = False
        self._heard = False
        self._repeated = False
        self._limit = WaitLimit(audio_timeout_s)
        self._request: Request | None = None
        self._timed = TimedAudio(sample_rate)
        self._can_listen = asyncio.Event()

    async def send_text(self, text: str) -> None:
        """Add whole words.

        Raises:
            RuntimeError: after `end()`.
        """
        if self._ended:
            raise RuntimeError("no text may follow after end()")
        self._words += text.split()

    async def end(self) -> None:
        """Send the request. If the session has failed, that is found out when audio is read."""
        if self._ended or self._over:
            return
        self._ended = True
        if any(letter.isalnum() for word in self._words for letter in word):
            self._request = Request(pieces(self._words))
            self._session.send(self._request)
        else:
            self._over = True  # there is nothing to say
        self._can_listen.set()

    def __aiter__(self) -> AsyncIterator[SpeechAudio]:
        return self

    async def __anext__(self) -> SpeechAudio:
        """Return the next audio; stop when the utterance is complete, or after `aclose()`.

        Raises:
            ProviderError: `tts_failed`, `tts_timeout`, ...: the service sent no audio, or broke off.
        """
        await self._can_listen.wait()
        while not self._over and self._request is not None:
            try:
                piece = await self._next_piece(self._request)
            except ProviderError as error:
                await self._repeat(error)
                continue
            if piece is not None:
                self._heard = True
                return piece
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Stop at once; the request is cancelled in the background. Idempotent."""
        self._over = True
        self._limit.close()
        self._can_listen.set()
        if self._request is not None:
            self._session.abandon(self._request)

    async def _next_piece(self, request: Request) -> SpeechAudio | None:
        pcm = await self._next_audio(request)
        if request.abandoned:
            self._over = True
            return None
        if pcm is not None:
            self._take_words(request)
            return self._timed.push(pcm)
        if request.received and self._session.word_timings:
            with suppress(TimeoutError):  # the service does not promise them
                async with asyncio.timeout(self._words_timeout_s):
                    await request.timed()
        if self._over:
            return None
        self._take_words(request)
        self._over = True
        self._session.abandon(request)
        return self._timed.finish()

    async def _next_audio(self, request: Request) -> bytes | None:
        while True:
            try:
                with self._limit:
                    pcm = await request.audio()
                self._limit.set_limit(self._audio_timeout_s)
                return pcm
            except TimeoutError as silent:
                # It may have spoken for another utterance.
                self._limit.set_limit(left_s := self._audio_timeout_s - self._session.silent_s)
                if left_s <= 0:
                    self._over = True
                    error = tts_error("tts_timeout")
                    self._session.give_up(error)
                    raise error from silent

    def _take_words(self, request: Request) -> None:
        if request.words is not None:
            self._timed.add_words(request.words)
            request.words = ()

    async def _repeat(self, error: ProviderError) -> None:
        """Repeat it on another session; once, and only if nothing of it was heard.

        Raises:
            ProviderError: it cannot be repeated.
        """
        if self._over or self._heard or self._repeated or not error.retryable:
            self._over = True
            raise error
        logger.warning("assemblyai voice: a session failed before any audio of an utterance; trying another one")
        self._repeated = True
        self._session = await self._new_session()
        if not self._over:
            self._timed = TimedAudio(self._sample_rate)
            self._request = Request(pieces(self._words))
            self._session.send(self._request)
