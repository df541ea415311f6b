"""What the embedded speech services need of a recogniser and of a synthesiser, wherever these run.

Both are shared by all calls of a process. They take and give plain data, so that one speech process can stand behind
several agents' processes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

RECOGNISER_HZ = 16_000
"""Sample rate of what recognisers take."""
SYNTHESISER_HZ = 24_000
"""Sample rate of what synthesisers give."""


class Recogniser(Protocol):
    """Speech in, text out. Audio is PCM16 mono at `RECOGNISER_HZ`, at most 30 s."""

    async def warm(self) -> None:
        """Load the model if it is not loaded. Raises `ProviderError` (`stt_unavailable`)."""

    async def recognise(self, pcm: bytes) -> str:
        """Return the words of a whole utterance, with punctuation and case; empty when there are none.

        Cancelling takes it off the queue.

        Raises:
            ProviderError: `stt_busy` when too many utterances wait, `stt_failed`, `stt_unavailable`, `stt_closed`.
        """

    async def preview(self, pcm: bytes) -> str | None:
        """Return the words so far of an utterance that goes on; None when there is no capacity to spare for it."""

    async def aclose(self) -> None:
        """End it. What is under way fails with `stt_closed`. Idempotent."""


@dataclass(frozen=True, slots=True)
class SpokenSentence:
    """A piece of speech.

    Attributes:
        text: the written words it speaks, as they stand in the text.
        pcm: PCM16 mono at `SYNTHESISER_HZ`.
        word_starts: for each word of `text.split()`, the sample at which it begins. Estimated.
    """

    text: str
    pcm: bytes
    word_starts: Sequence[int]


class Synthesiser(Protocol):
    """Text in, speech out."""

    async def warm(self) -> None:
        """Load the model if it is not loaded. Raises `ProviderError` (`tts_unavailable`)."""

    def speak(self, text: str) -> AsyncIterator[SpokenSentence]:
        """Speak a text, sentence by sentence; each is made when it is asked for. To cancel, stop asking.

        Raises:
            ProviderError: `tts_busy` when too much waits, `tts_failed`, `tts_unavailable`, `tts_closed`.
        """

    async def aclose(self) -> None:
        """End it. What is under way fails with `tts_closed`. Idempotent."""
