"""Text-to-speech on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from voice_host.providers.embedded.engines import SYNTHESISER_HZ, Synthesiser
from voice_host.providers.embedded.requirements import speech_problem
from voice_host.providers.embedded.tts.speaker import Speaker
from voice_host.providers.embedded.tts.synthesiser import LocalSynthesiser
from voice_host.providers.embedded.tts.utterance import EmbeddedUtterance
from voice_host.providers.resampler import Resampler
from voice_host_sdk import ProviderError, TTSConfig


class EmbeddedTextToSpeech:
    """Text-to-speech without key or download: hibari's voice `heart`, American English.

    Of `TTSConfig` it uses `sample_rate`. It has one voice, whatever `voice` says. The times of words are estimated.

    Args:
        synthesiser: what turns text into speech for all calls; default: one in this process. Closed with this.

    Attributes:
        problem: why it cannot run here and what to do about it; None: it can.
    """

    def __init__(self, synthesiser: Synthesiser | None = None) -> None:
        self._synthesiser = synthesiser or LocalSynthesiser()
        self._streams: set[EmbeddedTextToSpeechStream] = set()
        self._warming: asyncio.Task[None] | None = None
        self._closed = False
        self.problem = speech_problem()

    @property
    def name(self) -> str:
        return "embedded"

    def prepare(self) -> asyncio.Task[None]:
        """Begin to load the model, if it was not begun: the first call need not wait for it. Done when it is loaded."""
        if self._warming is None:
            self._warming = asyncio.create_task(self._warm())
        return self._warming

    async def open(self, config: TTSConfig) -> EmbeddedTextToSpeechStream:
        """Open a call's line; the model is loaded meanwhile, if it is the first.

        Raises:
            ProviderError: it cannot run here (`tts_unavailable`), or the provider is closed (`tts_closed`).
        """
        if self.problem is not None:
            message = "There is no voice on this host. Replies come as text."
            raise ProviderError(message, code="tts_unavailable", retryable=False)
        if self._closed:
            raise _closed()
        self.prepare()
        if config.sample_rate != SYNTHESISER_HZ:
            await asyncio.to_thread(Resampler, SYNTHESISER_HZ, config.sample_rate)  # the import of soxr blocks
        stream = EmbeddedTextToSpeechStream(config, self._synthesiser, on_close=self._streams.discard)
        self._streams.add(stream)
        return stream

    async def aclose(self) -> None:
        """Stop all speech and end the synthesiser. Idempotent."""
        self._closed = True
        for stream in tuple(self._streams):
            await stream.aclose()
        if self._warming is not None:
            self._warming.cancel()
            await asyncio.wait((self._warming,))
        await self._synthesiser.aclose()

    async def _warm(self) -> None:
        if self.problem is not None:
            return
        try:
            await self._synthesiser.warm()
        except ProviderError:
            return  # the first utterance tries again, and its call is told


class EmbeddedTextToSpeechStream:
    """One call's line to the voice."""

    def __init__(
        self,
        config: TTSConfig,
        synthesiser: Synthesiser,
        *,
        on_close: Callable[[EmbeddedTextToSpeechStream], None],
    ) -> None:
        self._config = config
        self._synthesiser = synthesiser
        self._on_close = on_close
        self._utterances: set[EmbeddedUtterance] = set()
        self._closed = False

    async def utterance(self) -> EmbeddedUtterance:
        """Begin an utterance. Raises `ProviderError` (`tts_closed`) when the stream is closed."""
        if self._closed:
            raise _closed()
        speaker = Speaker(self._synthesiser, self._config.sample_rate)
        utterance = EmbeddedUtterance(speaker, on_close=self._utterances.discard)
        self._utterances.add(utterance)
        return utterance

    async def aclose(self) -> None:
        """Stop what is being spoken. Idempotent."""
        self._closed = True
        for utterance in tuple(self._utterances):
            await utterance.aclose()
        self._on_close(self)


def _closed() -> ProviderError:
    return ProviderError("The embedded voice is closed.", code="tts_closed", retryable=False)
