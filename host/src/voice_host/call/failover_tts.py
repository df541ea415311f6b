"""The voice of one call, with retries and a fallback. An utterance is repeated only if none of it was heard."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from typing import Literal

from voice_host.call.events import CallEvent, VoiceFailedOver
from voice_host.clock import WaitLimit, now_s
from voice_host.settings import ResilienceSettings
from voice_host.speech.boundary import ContainedTextToSpeech
from voice_host_sdk import ProviderError, SpeechAudio, TextToSpeech, TextToSpeechStream, TTSConfig, Utterance

Which = Literal["voice", "fallback"]

ADAPTERS_FIRST = 1.1
"""Added to the limit that adapters have, too, so that they time out first and can drop the dead connection."""

MOST_S_PER_CHARACTER = 0.5
"""Some eight times slower than anybody speaks. More audio than that cannot be of this text."""

MOST_S_AT_LEAST = 20.0
"""Minimum for short texts: "10:45" is five characters, but longer when spoken."""


class FailoverVoice:
    """A call's stream to its voice, and to the fallback voice once it is needed (`TextToSpeechStream`).

    The fallback takes over with the first utterance that the voice fails to speak, for `voice_retry_after_s`, so that
    the voice does not change with every clause. After an error that is not retryable, the voice is not tried again in
    this call.

    Args:
        fallback: opened with the same configuration, and so the same sample rate; None: there is no fallback.
        note: called when the fallback takes over.
    """

    def __init__(
        self,
        voice: TextToSpeech,
        fallback: TextToSpeech | None,
        config: TTSConfig,
        resilience: ResilienceSettings,
        note: Callable[[CallEvent], None],
    ) -> None:
        self._note = note
        self._voices: dict[Which, TextToSpeech] = {"voice": ContainedTextToSpeech(voice)}
        if fallback is not None:
            self._voices["fallback"] = ContainedTextToSpeech(fallback)
        self._streams: dict[Which, TextToSpeechStream] = {}
        self._config = config
        self._resilience = resilience
        self._down_until_s = -math.inf

    async def warm(self) -> None:
        """Open the stream to the voice before it is needed.

        Raises:
            ProviderError: neither the voice nor the fallback can be opened.
        """
        try:
            await self._stream("voice")
        except ProviderError as error:
            if not self.fail_over("voice", error):
                raise
            await self._stream("fallback")

    async def utterance(self) -> FailoverUtterance:
        """Begin the next utterance.

        Raises:
            ProviderError: neither the voice nor the fallback works.
        """
        utterance = FailoverUtterance(
            self, self._config.sample_rate, ADAPTERS_FIRST * self._resilience.voice_silent_after_s
        )
        await utterance.begin()
        return utterance

    async def begin(self, which: Which | None = None) -> tuple[Which, Utterance]:
        """Begin an utterance of one voice, by default of the current one. Raises what `utterance()` raises."""
        which = which or self._which()
        try:
            return which, await (await self._stream(which)).utterance()
        except ProviderError as error:
            if not self.fail_over(which, error):
                raise
            return await self.begin("fallback")

    def fail_over(self, which: Which, error: ProviderError) -> bool:
        """Switch to the fallback after a failure of the voice. Returns whether there is another voice to try."""
        if which == "fallback" or "fallback" not in self._voices:
            return False
        wait_s = self._resilience.voice_retry_after_s if error.retryable else math.inf
        self._down_until_s = now_s() + wait_s
        self._note(VoiceFailedOver(error.code))
        return True

    async def aclose(self) -> None:
        """Close the streams and wait until they are gone. Idempotent."""
        while self._streams:
            await self._streams.popitem()[1].aclose()

    def _which(self) -> Which:
        return "fallback" if now_s() < self._down_until_s else "voice"

    async def _stream(self, which: Which) -> TextToSpeechStream:
        if which not in self._streams:
            self._streams[which] = await self._voices[which].open(self._config)
        return self._streams[which]


class FailoverUtterance:
    """One utterance (`Utterance`). It is repeated if it fails before any audio, and given up if its audio stops.

    Args:
        silent_after_s: seconds without audio, once the text is complete, after which the voice has stalled. A voice
            that stalls before any audio is tried once more before the fallback.
    """

    def __init__(self, voice: FailoverVoice, sample_rate: int, silent_after_s: float) -> None:
        self._voice = voice
        self._bytes_per_s = sample_rate * 2
        self._silent_after_s = silent_after_s
        self._limit = WaitLimit()  # no limit until the text is complete
        self._texts: list[str] = []
        self._characters = 0
        self._ended = self._heard = self._tried_again = self._closed = False
        self._bytes = 0
        self._odd = b""
        self._sending = asyncio.Lock()  # new text must not overtake repeated text
        self._which: Which | None = None
        self._spoken: Utterance | None = None
        self._audio: AsyncIterator[SpeechAudio] | None = None

    async def begin(self) -> None:
        """Begin with the current voice. Raises `ProviderError` if no voice works."""
        self._which, self._spoken = await self._voice.begin(self._which)
        self._audio = aiter(self._spoken)

    async def send_text(self, text: str) -> None:
        async with self._sending:
            self._characters += len(text)
            if not self._heard:
                self._texts.append(text)
            if self._spoken is not None:
                await self._spoken.send_text(text)

    async def end(self) -> None:
        async with self._sending:
            self._ended = True
            if self._spoken is not None:
                await self._spoken.end()
        self._limit.set_limit(self._silent_after_s)

    def __aiter__(self) -> AsyncIterator[SpeechAudio]:
        return self

    async def __anext__(self) -> SpeechAudio:
        """Return the next audio, whole samples.

        Raises:
            ProviderError: the voice failed or stalled, and the utterance cannot be repeated.
        """
        while not self._closed:
            try:
                return self._checked(await self._next())
            except ProviderError as error:
                await self._repeat(error)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self._closed = True
        self._limit.close()
        if self._spoken is not None:
            await self._spoken.aclose()

    async def _next(self) -> SpeechAudio:
        assert self._audio is not None
        try:
            with self._limit:
                return await anext(self._audio)
        except TimeoutError as silent:
            raise ProviderError("The voice did not answer in time.", code="tts_timeout") from silent

    def _checked(self, audio: SpeechAudio) -> SpeechAudio:
        self._bytes += len(audio.pcm)
        if audio.pcm:
            self._heard = True
            self._texts.clear()
        if self._bytes > self._bytes_per_s * max(MOST_S_AT_LEAST, self._characters * MOST_S_PER_CHARACTER):
            raise ProviderError("The voice does not stop.", code="tts_failed")
        if not self._odd and not len(audio.pcm) & 1:
            return audio
        pcm = self._odd + audio.pcm
        self._odd = pcm[len(pcm) & ~1 :]
        return SpeechAudio(pcm[: len(pcm) & ~1], audio.words)

    async def _repeat(self, error: ProviderError) -> None:
        """Repeat the utterance with the same voice or the fallback; raises `error` if that is not possible."""
        assert self._which is not None
        if self._heard or self._closed:
            raise error
        if error.code == "tts_timeout" and not self._tried_again:
            self._tried_again = True
        elif self._voice.fail_over(self._which, error):
            self._which = "fallback"
        else:
            raise error
        async with self._sending:
            failed, self._spoken = self._spoken, None
            if failed is not None:
                await failed.aclose()
            self._odd = b""
            await self.begin()
            assert self._spoken is not None
            for text in self._texts:
                await self._spoken.send_text(text)
            if self._ended:
                await self._spoken.end()
            if self._closed:
                await self._spoken.aclose()
