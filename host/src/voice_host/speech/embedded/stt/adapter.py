"""Speech-to-text on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from importlib import import_module
from typing import TYPE_CHECKING

from voice_host.speech.embedded.engines import Recogniser
from voice_host.speech.embedded.requirements import MODULES, speech_problem, unloadable
from voice_host.speech.embedded.stt.endpointer import WINDOW_MS
from voice_host.speech.embedded.stt.recogniser import LocalRecogniser
from voice_host.speech.local_service import LocalService
from voice_host_sdk import ProviderError, STTConfig

if TYPE_CHECKING:
    from voice_host.speech.embedded.stt.stream import EmbeddedSpeechToTextStream


class EmbeddedSpeechToText(LocalService):
    """Speech-to-text without key or download: Silero detects speech, Moonshine transcribes it.

    English, with punctuation and case; numbers as digits or words. Of `STTConfig` it uses only `sample_rate`: the
    silences that end a turn are tuned to these engines (see `endpointer`).

    Args:
        recogniser: transcribes for all calls; default: one in this process. It is closed with this object.
        modules: that it needs in this process.
    """

    def __init__(self, recogniser: Recogniser | None = None, modules: Collection[str] = MODULES) -> None:
        super().__init__(problem=speech_problem(modules), unloadable=unloadable("moonshine-voice"))
        self._recogniser = recogniser or LocalRecogniser()
        self._streams: set[EmbeddedSpeechToTextStream] = set()
        self._closed = False

    @property
    def name(self) -> str:
        return "embedded"

    @property
    def reports_speech_end(self) -> bool:
        return True

    @property
    def min_audio_ms(self) -> int:
        return WINDOW_MS

    async def open(self, config: STTConfig) -> EmbeddedSpeechToTextStream:
        """Open a stream for a call. The first one also starts loading the model.

        Raises:
            ProviderError: it cannot run here (`stt_unavailable`), or it is closed (`stt_closed`).
        """
        if self._closed:
            raise ProviderError("The speech recogniser is closed.", code="stt_closed", retryable=False)
        if not await self.works():
            message = "Speech recognition is not available on this host. You can type."
            raise ProviderError(message, code="stt_unavailable", retryable=False)
        stream = await asyncio.to_thread(self._new_stream, config)  # imports and loads a model: not on the event loop
        self._streams.add(stream)
        return stream

    async def aclose(self) -> None:
        """Close all streams and the recogniser. Idempotent."""
        self._closed = True
        for stream in tuple(self._streams):
            await stream.aclose()
        await self.stop_loading()
        await self._recogniser.aclose()

    async def load(self) -> None:
        await asyncio.to_thread(import_module, "voice_host.speech.embedded.stt.stream")
        await self._recogniser.warm()

    def _new_stream(self, config: STTConfig) -> EmbeddedSpeechToTextStream:
        from voice_host.speech.embedded.stt.stream import EmbeddedSpeechToTextStream

        return EmbeddedSpeechToTextStream(config, self._recogniser, on_close=self._streams.discard)
