"""The recogniser in this process: one model for all calls, in a thread pool."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voice_host.speech.embedded.model_threads import ModelThreads
from voice_host.speech.embedded.stt.transcript import words_of
from voice_host_sdk import ProviderError

if TYPE_CHECKING:
    from voice_host.speech.embedded.stt.moonshine import Moonshine

WAITING_PER_THREAD = 8
"""An utterance takes 0.05 s (median) to 0.9 s (30 s of speech); with more queued, callers would wait for seconds."""


class LocalRecogniser:
    """A `Recogniser` in this process. The model is loaded on first use and shared by all instances.

    Args:
        threads: default: one for each core, at most 4.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._threads = ModelThreads("stt", waiting_per_thread=WAITING_PER_THREAD, threads=threads)

    async def warm(self) -> None:
        await self._threads.run(_model)
        await self._threads.run(_detector)

    async def recognise(self, pcm: bytes) -> str:
        return await self._threads.run(_transcribe, pcm)

    async def preview(self, pcm: bytes) -> str | None:
        return await self._threads.run(_transcribe, pcm) if self._threads.idle else None

    async def aclose(self) -> None:
        await self._threads.aclose()


def _transcribe(pcm: bytes) -> str:
    return words_of(_model().transcribe(pcm))


def _model() -> Moonshine:
    try:
        from voice_host.speech.embedded.stt.moonshine import load_model  # slow: not on the event loop

        return load_model()
    except Exception as error:  # onnxruntime has its own errors for damaged files
        message = "The speech recogniser does not run on this machine."
        raise ProviderError(message, code="stt_unavailable", retryable=False) from error


def _detector() -> None:
    """Make sure that the detector works, which each stream has one of."""
    try:
        from voice_host.speech.embedded.stt.voice_activity import VoiceActivity

        VoiceActivity()
    except Exception as error:
        message = "The detector of speech does not run on this machine."
        raise ProviderError(message, code="stt_unavailable", retryable=False) from error
