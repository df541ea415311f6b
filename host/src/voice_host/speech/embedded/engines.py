"""Interfaces of the recogniser and the synthesiser behind embedded speech, wherever they run.

Both are shared by all calls of a process. They exchange plain data, so that one speech process can serve several
agents' processes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

RECOGNISER_HZ = 16_000
"""Sample rate of the recogniser's input."""
SYNTHESISER_HZ = 24_000
"""Sample rate of the synthesiser's output."""


class Recogniser(Protocol):
    """Speech to text. Audio is PCM16 mono at `RECOGNISER_HZ`, at most 30 s."""

    async def warm(self) -> None:
        """Load the model unless it is loaded. Raises `ProviderError` (`stt_unavailable`)."""

    async def recognise(self, pcm: bytes) -> str:
        """Return the words of a whole utterance, with punctuation and case; empty when there are none.

        Cancelling removes it from the queue.

        Raises:
            ProviderError: `stt_busy` if too many utterances are queued, `stt_failed`, `stt_unavailable`, `stt_closed`.
        """

    async def preview(self, pcm: bytes) -> str | None:
        """Return the words so far of an unfinished utterance; None if there is no capacity to spare."""

    async def aclose(self) -> None:
        """Shut down. What is in progress fails with `stt_closed`. Idempotent."""


@dataclass(frozen=True, slots=True)
class SpokenSentence:
    """A piece of speech.

    Attributes:
        text: the words that it speaks, as they are written in the text.
        pcm: PCM16 mono at `SYNTHESISER_HZ`.
        word_starts: for each word of `text.split()`, the sample at which it begins. Estimated.
    """

    text: str
    pcm: bytes
    word_starts: Sequence[int]


class Synthesiser(Protocol):
    """Text to speech."""

    async def warm(self) -> None:
        """Load the model unless it is loaded. Raises `ProviderError` (`tts_unavailable`)."""

    def speak(self, text: str) -> AsyncIterator[SpokenSentence]:
        """Yield speech sentence by sentence; each is made when it is requested. To cancel, stop iterating.

        Raises:
            ProviderError: `tts_busy` if too much is queued, `tts_failed`, `tts_unavailable`, `tts_closed`.
        """

    async def aclose(self) -> None:
        """Shut down. What is in progress fails with `tts_closed`. Idempotent."""
