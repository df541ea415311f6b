"""One utterance of the embedded voice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from voice_host.speech.embedded.tts.speaker import Speaker
from voice_host.speech.embedded.tts.spoken_text import LONGEST_PIECE, divide
from voice_host_sdk import ProviderError, SpeechAudio

_MOST_TEXT = 20_000
"""Characters that may be queued: twenty minutes of speech. More is refused with `tts_text_too_long`."""


class EmbeddedUtterance:
    """Speaks once its text is complete, or longer than is synthesised at once.

    The reader drives it: only the sentence that is being read is synthesised.
    """

    def __init__(self, speaker: Speaker, *, on_close: Callable[[EmbeddedUtterance], None]) -> None:
        self._speaker = speaker
        self._on_close = on_close
        self._text = ""
        self._ended = False
        self._closed = False
        self._changed = asyncio.Event()

    async def send_text(self, text: str) -> None:
        """Add whole words. Raises `ProviderError` (`tts_text_too_long`) beyond 20,000 unspoken characters."""
        if len(self._text) + len(text) > _MOST_TEXT:
            raise ProviderError("The text is too long to be spoken at once.", code="tts_text_too_long", retryable=False)
        glue = " " if self._text and not self._text[-1].isspace() and text and not text[0].isspace() else ""
        self._text += glue + text
        self._changed.set()

    async def end(self) -> None:
        """No more text follows."""
        self._ended = True
        self._changed.set()

    async def __aiter__(self) -> AsyncIterator[SpeechAudio]:
        while piece := await self._next_piece():
            async for audio in self._speaker.speak(piece):
                if self._closed:
                    return
                yield audio
        for audio in self._speaker.finish():
            if self._closed:
                return
            yield audio

    async def aclose(self) -> None:
        """Stop at once; a sentence that is being synthesised is discarded. Idempotent."""
        self._closed = True
        self._changed.set()
        self._on_close(self)

    async def _next_piece(self) -> str:
        while not self._closed:
            if len(self._text) > LONGEST_PIECE:
                piece, self._text = divide(self._text)
                return piece
            if self._ended:
                piece, self._text = self._text, ""
                return piece
            self._changed.clear()
            await self._changed.wait()
        return ""
