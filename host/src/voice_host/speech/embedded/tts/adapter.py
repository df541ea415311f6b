"""Text-to-speech on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from voice_host.resampler import Resampler
from voice_host.speech.embedded.engines import SYNTHESISER_HZ, Synthesiser
from voice_host.speech.embedded.requirements import MODULES, speech_problem, unloadable
from voice_host.speech.embedded.tts.speaker import Speaker
from voice_host.speech.embedded.tts.synthesiser import LocalSynthesiser
from voice_host.speech.embedded.tts.utterance import EmbeddedUtterance
from voice_host.speech.local_service import LocalService
from voice_host_sdk import ProviderError, TTSConfig


class EmbeddedTextToSpeech(LocalService):
    """Text-to-speech without key or download: hibari's voice `heart`, American English.

    Of `TTSConfig` it uses only `sample_rate`; it has one voice. Word timings are estimated.

    Args:
        synthesiser: speaks for all calls; default: one in this process. It is closed with this object.
        modules: that it needs in this process.
    """

    def __init__(self, synthesiser: Synthesiser | None = None, modules: Collection[str] = MODULES) -> None:
        super().__init__(problem=speech_problem(modules), unloadable=unloadable("hibari-tts"))
        self._synthesiser = synthesiser or LocalSynthesiser()
        self._streams: set[EmbeddedTextToSpeechStream] = set()
        self._closed = False

    @property
    def name(self) -> str:
        return "embedded"

    async def open(self, config: TTSConfig) -> EmbeddedTextToSpeechStream:
        """Open a stream for a call. The first one also starts loading the model.

        Raises:
            ProviderError: it cannot run here (`tts_unavailable`), or it is closed (`tts_closed`).
        """
        if self._closed:
            raise _closed()
        if not await self.works():
            message = "Speech is not available on this host. Replies come as text."
            raise ProviderError(message, code="tts_unavailable", retryable=False)
        if config.sample_rate != SYNTHESISER_HZ:
            await asyncio.to_thread(Resampler, SYNTHESISER_HZ, config.sample_rate)  # the import of soxr blocks
        stream = EmbeddedTextToSpeechStream(config, self._synthesiser, on_close=self._streams.discard)
        self._streams.add(stream)
        return stream

    async def aclose(self) -> None:
        """Stop all speech and close the synthesiser. Idempotent."""
        self._closed = True
        for stream in tuple(self._streams):
            await stream.aclose()
        await self.stop_loading()
        await self._synthesiser.aclose()

    async def load(self) -> None:
        await self._synthesiser.warm()


class EmbeddedTextToSpeechStream:
    """One call's stream to the voice."""

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
        """Begin an utterance. Raises `ProviderError` (`tts_closed`) if the stream is closed."""
        if self._closed:
            raise _closed()
        speaker = Speaker(self._synthesiser, self._config.sample_rate)
        utterance = EmbeddedUtterance(speaker, on_close=self._utterances.discard)
        self._utterances.add(utterance)
        return utterance

    async def aclose(self) -> None:
        """Stop speaking. Idempotent."""
        self._closed = True
        for utterance in tuple(self._utterances):
            await utterance.aclose()
        self._on_close(self)


def _closed() -> ProviderError:
    return ProviderError("The embedded voice is closed.", code="tts_closed", retryable=False)
