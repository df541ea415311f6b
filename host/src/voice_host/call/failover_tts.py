"""The voice of one call: watched while it speaks, tried again where nothing was heard, and replaced by another one."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from typing import Literal

from voice_host.call.events import CallEvent, VoiceFailedOver
from voice_host.clock import now_s
from voice_host.settings import ResilienceSettings
from voice_host.speech.boundary import ContainedTextToSpeech
from voice_host_sdk import ProviderError, SpeechAudio, TextToSpeech, TextToSpeechStream, TTSConfig, Utterance

Which = Literal["voice", "fallback"]

ADAPTERS_FIRST = 1.1
"""An adapter that minds the same limit can drop the connection that is dead: the call waits a little longer."""

MOST_S_PER_CHARACTER = 0.5
"""Some eight times slower than anybody speaks: beyond it the audio is not of this text."""

MOST_S_AT_LEAST = 20.0
"""The shortest text may take so long: "10:45" is five characters, and more when spoken."""


class CallVoice:
    """A call's line to its voice, and to the fallback voice once that is needed (`TextToSpeechStream`).

    The fallback speaks from the first clause that the voice could not say, and for `voice_retry_after_s` from then on:
    a voice that changes with every clause is worse than another one. After an error that says it is not retryable the
    voice is not asked again.

    Args:
        fallback: speaks at the same rate, since both are opened with the same configuration; None: there is none.
        note: reports that the fallback takes over.
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
        """Open the line to the voice, so that the first clause need not.

        Raises:
            ProviderError: it cannot be had, and there is no other.
        """
        try:
            await self._stream("voice")
        except ProviderError as error:
            if not self.step_aside("voice", error):
                raise
            await self._stream("fallback")

    async def utterance(self) -> WatchedUtterance:
        """Begin the next utterance.

        Raises:
            ProviderError: neither the voice nor the fallback can be had.
        """
        utterance = WatchedUtterance(
            self, self._config.sample_rate, ADAPTERS_FIRST * self._resilience.voice_silent_after_s
        )
        await utterance.begin()
        return utterance

    async def begin(self, which: Which | None = None) -> tuple[Which, Utterance]:
        """Begin an utterance of one voice, by default the one whose turn it is. Raises what `utterance()` raises."""
        which = which or self._which()
        try:
            return which, await (await self._stream(which)).utterance()
        except ProviderError as error:
            if not self.step_aside(which, error):
                raise
            return await self.begin("fallback")

    def step_aside(self, which: Which, error: ProviderError) -> bool:
        """One of the voices could not speak. Returns whether the other one is to be tried."""
        if which == "fallback" or "fallback" not in self._voices:
            return False
        wait_s = self._resilience.voice_retry_after_s if error.retryable else math.inf
        self._down_until_s = now_s() + wait_s
        self._note(VoiceFailedOver(error.code))
        return True

    async def aclose(self) -> None:
        """Close the lines, and wait until everything of them is gone. Idempotent."""
        while self._streams:
            await self._streams.popitem()[1].aclose()

    def _which(self) -> Which:
        return "fallback" if now_s() < self._down_until_s else "voice"

    async def _stream(self, which: Which) -> TextToSpeechStream:
        if which not in self._streams:
            self._streams[which] = await self._voices[which].open(self._config)
        return self._streams[which]


class WatchedUtterance:
    """One utterance (`Utterance`): said again while nothing of it was heard, and given up when its audio stops coming.

    Args:
        silent_after_s: seconds without audio, once the whole text is there, after which the voice has stalled. A voice
            that stalled before any audio is tried once more before the fallback is.
    """

    def __init__(self, voice: CallVoice, sample_rate: int, silent_after_s: float) -> None:
        self._voice = voice
        self._bytes_per_s = sample_rate * 2
        self._silent_after_s = silent_after_s
        self._texts: list[str] = []
        self._characters = 0
        self._ended = self._heard = self._tried_again = self._closed = False
        self._bytes = 0
        self._odd = b""
        self._patience: asyncio.Timeout | None = None
        self._saying = asyncio.Lock()  # text must not overtake what is said again
        self._which: Which | None = None
        self._spoken: Utterance | None = None
        self._audio: AsyncIterator[SpeechAudio] | None = None

    async def begin(self) -> None:
        """Begin with the voice. Raises `ProviderError` when none can be had."""
        self._which, self._spoken = await self._voice.begin(self._which)
        self._audio = aiter(self._spoken)

    async def send_text(self, text: str) -> None:
        async with self._saying:
            self._characters += len(text)
            if not self._heard:
                self._texts.append(text)
            if self._spoken is not None:
                await self._spoken.send_text(text)

    async def end(self) -> None:
        async with self._saying:
            self._ended = True
            if self._spoken is not None:
                await self._spoken.end()
        if self._patience is not None and not self._patience.expired():
            self._patience.reschedule(now_s() + self._silent_after_s)

    def __aiter__(self) -> AsyncIterator[SpeechAudio]:
        return self

    async def __anext__(self) -> SpeechAudio:
        """Return the next audio, whole samples.

        Raises:
            ProviderError: the voice failed or stalled, and it cannot be said again.
        """
        while not self._closed:
            try:
                return self._checked(await self._next())
            except ProviderError as error:
                await self._say_again(error)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self._closed = True
        if self._spoken is not None:
            await self._spoken.aclose()

    async def _next(self) -> SpeechAudio:
        assert self._audio is not None
        try:
            deadline_s = now_s() + self._silent_after_s if self._ended else None
            async with asyncio.timeout_at(deadline_s) as self._patience:
                return await anext(self._audio)
        except TimeoutError as silent:
            raise ProviderError("The voice did not answer in time.", code="tts_timeout") from silent
        finally:
            self._patience = None

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

    async def _say_again(self, error: ProviderError) -> None:
        """Begin again with the same voice or the next one; raises `error` where that cannot be."""
        assert self._which is not None
        if self._heard or self._closed:
            raise error
        if error.code == "tts_timeout" and not self._tried_again:
            self._tried_again = True
        elif self._voice.step_aside(self._which, error):
            self._which = "fallback"
        else:
            raise error
        async with self._saying:
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
