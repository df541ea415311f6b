"""Speech-to-text on this machine."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from voice_host.providers.embedded.engines import Recogniser
from voice_host.providers.embedded.requirements import speech_problem
from voice_host.providers.embedded.stt.recogniser import LocalRecogniser
from voice_host_sdk import ProviderError, STTConfig

if TYPE_CHECKING:
    from voice_host.providers.embedded.stt.stream import EmbeddedSpeechToTextStream


class EmbeddedSpeechToText:
    """Speech-to-text without key or download: Silero finds the voice, Moonshine the words.

    English, with punctuation and case; numbers come as digits or words. Of `STTConfig` it uses `sample_rate` alone: the
    silences that end a turn belong to these engines (see `endpointer`).

    Args:
        recogniser: what turns utterances into words for all calls; default: one in this process. Closed with this.

    Attributes:
        problem: why it cannot run here and what to do about it; None: it can.
    """

    def __init__(self, recogniser: Recogniser | None = None) -> None:
        self._recogniser = recogniser or LocalRecogniser()
        self._streams: set[EmbeddedSpeechToTextStream] = set()
        self._warming: asyncio.Task[None] | None = None
        self._closed = False
        self.problem = speech_problem()

    @property
    def name(self) -> str:
        return "embedded"

    @property
    def reports_speech_end(self) -> bool:
        return True

    def prepare(self) -> asyncio.Task[None]:
        """Begin to load the model, if it was not begun: the first call need not wait for it. Done when it is loaded."""
        if self._warming is None:
            self._warming = asyncio.create_task(self._warm())
        return self._warming

    async def open(self, config: STTConfig) -> EmbeddedSpeechToTextStream:
        """Open a call's line; the model is loaded meanwhile, if it is the first.

        Raises:
            ProviderError: it cannot run here (`stt_unavailable`), or the provider is closed (`stt_closed`).
        """
        if self.problem is not None:
            message = "Speech is not recognised on this host. You can type."
            raise ProviderError(message, code="stt_unavailable", retryable=False)
        if self._closed:
            raise ProviderError("The speech recogniser is closed.", code="stt_closed", retryable=False)
        self.prepare()
        stream = await asyncio.to_thread(self._new_stream, config)  # imports and loads a model: not on the event loop
        self._streams.add(stream)
        return stream

    async def aclose(self) -> None:
        """Close all streams and end the recogniser. Idempotent."""
        self._closed = True
        for stream in tuple(self._streams):
            await stream.aclose()
        if self._warming is not None:
            self._warming.cancel()
            await asyncio.wait((self._warming,))
        await self._recogniser.aclose()

    def _new_stream(self, config: STTConfig) -> EmbeddedSpeechToTextStream:
        from voice_host.providers.embedded.stt.stream import EmbeddedSpeechToTextStream

        return EmbeddedSpeechToTextStream(config, self._recogniser, on_close=self._streams.discard)

    async def _warm(self) -> None:
        if self.problem is not None:
            return
        try:
            await self._recogniser.warm()
        except ProviderError:
            return  # the first utterance tries again, and its call is told
