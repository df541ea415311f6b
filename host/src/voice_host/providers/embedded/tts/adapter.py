"""Text-to-speech on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from voice_host.providers.embedded.extra import require_extra
from voice_host.providers.embedded.tts.utterance import EmbeddedUtterance
from voice_host_sdk import ProviderError, TTSConfig

if TYPE_CHECKING:
    from voice_host.providers.embedded.tts.speaker import Speaker


class EmbeddedTextToSpeech:
    """Text-to-speech without key or download: espeak-ng, clear and robotic, with the times of its words.

    Of `TTSConfig` it uses `sample_rate`, and `voice` where espeak knows the name (`en-gb`, `en-us+f5`, `German`); any
    other voice becomes its default. One thread speaks for all calls, in turn: a second of speech takes it 3 ms.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embedded-voice")
        self._streams: set[EmbeddedTextToSpeechStream] = set()
        self._closed = False

    @property
    def name(self) -> str:
        return "embedded"

    async def open(self, config: TTSConfig) -> EmbeddedTextToSpeechStream:
        """Open a call's line; the engine starts meanwhile.

        Raises:
            ProviderError: the extra is not installed (`tts_unavailable`), or the provider is closed (`tts_closed`).
        """
        require_extra("tts_unavailable")
        if self._closed:
            raise _closed()
        stream = EmbeddedTextToSpeechStream(config, self._executor, on_close=self._streams.discard)
        self._streams.add(stream)
        return stream

    async def aclose(self) -> None:
        """Stop all speech and end the thread. Idempotent."""
        self._closed = True
        for stream in tuple(self._streams):
            await stream.aclose()
        await asyncio.to_thread(self._executor.shutdown)


class EmbeddedTextToSpeechStream:
    """One call's line to the voice."""

    def __init__(
        self,
        config: TTSConfig,
        executor: ThreadPoolExecutor,
        *,
        on_close: Callable[[EmbeddedTextToSpeechStream], None],
    ) -> None:
        self._config = config
        self._executor = executor
        self._on_close = on_close
        self._utterances: set[EmbeddedUtterance] = set()
        self._closed = False
        # The engine starts meanwhile; if it does not, the first utterance says so.
        executor.submit(_new_speaker, config)

    async def utterance(self) -> EmbeddedUtterance:
        """Begin an utterance. Raises `ProviderError` when the engine does not start or the stream is closed."""
        if self._closed:
            raise _closed()
        speaker = await asyncio.get_running_loop().run_in_executor(self._executor, _new_speaker, self._config)
        utterance = EmbeddedUtterance(speaker, self._executor, on_close=self._utterances.discard)
        self._utterances.add(utterance)
        return utterance

    async def aclose(self) -> None:
        """Stop what is being spoken. Idempotent."""
        self._closed = True
        for utterance in tuple(self._utterances):
            await utterance.aclose()
        self._on_close(self)


def _new_speaker(config: TTSConfig) -> Speaker:
    from voice_host.providers.embedded.tts.espeak import engine  # loads the libraries: not on the event loop
    from voice_host.providers.embedded.tts.speaker import Speaker

    return Speaker(engine(), config)


def _closed() -> ProviderError:
    return ProviderError("The embedded voice is closed.", code="tts_closed", retryable=False)
