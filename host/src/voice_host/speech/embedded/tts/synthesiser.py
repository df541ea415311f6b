"""The synthesiser in this process: one model for all calls, in a thread pool."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

from voice_host.speech.embedded.engines import SpokenSentence
from voice_host.speech.embedded.model_threads import ModelThreads
from voice_host.speech.embedded.tts.spoken_text import LONGEST_PIECE, divide
from voice_host_sdk import ProviderError

if TYPE_CHECKING:
    from voice_host.speech.embedded.tts.hibari_voice import HibariVoice

WAITING_PER_THREAD = 32
"""A sentence takes 0.03 s (median) to 0.3 s; with more queued, callers would wait for seconds."""


class LocalSynthesiser:
    """A `Synthesiser` in this process. The model is loaded on first use and shared by all instances.

    Args:
        threads: default: one for each core, at most 4.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._threads = ModelThreads("tts", waiting_per_thread=WAITING_PER_THREAD, threads=threads)

    async def warm(self) -> None:
        await self._threads.run(_voice)

    async def speak(self, text: str) -> AsyncIterator[SpokenSentence]:
        async for sentence in sentences_of(text, self.speak_first_sentence):
            yield sentence

    async def speak_first_sentence(self, text: str) -> tuple[SpokenSentence, str]:
        """Speak the first sentence of a text of at most `LONGEST_PIECE` characters; also return the rest."""
        return await self._threads.run(_speak_first_sentence, text)

    async def aclose(self) -> None:
        await self._threads.aclose()


async def sentences_of(
    text: str, speak_first_sentence: Callable[[str], Awaitable[tuple[SpokenSentence, str]]]
) -> AsyncIterator[SpokenSentence]:
    """Yield the sentences of a text of any length; each is spoken when it is requested."""
    while text:
        piece, following = divide(text) if len(text) > LONGEST_PIECE else (text, "")
        sentence, rest = await speak_first_sentence(piece)
        text = rest + following
        yield sentence


def _speak_first_sentence(text: str) -> tuple[SpokenSentence, str]:
    return _voice().speak_first_sentence(text)


def _voice() -> HibariVoice:
    try:
        from voice_host.speech.embedded.tts.hibari_voice import load_voice  # slow: not on the event loop

        return load_voice()
    except Exception as error:  # onnxruntime has its own errors for damaged files
        message = "The embedded voice does not run on this machine."
        raise ProviderError(message, code="tts_unavailable", retryable=False) from error
