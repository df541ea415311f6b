"""One clause on its way to speech."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from typing import TYPE_CHECKING

from voice_host.providers.embedded.tts.spoken_text import LONGEST_PIECE, divide
from voice_host_sdk import ProviderError, SpeechAudio

if TYPE_CHECKING:
    from voice_host.providers.embedded.tts.speaker import Speaker

_MOST_TEXT = 20_000
"""Characters that may wait: twenty minutes of speech. More is refused with `tts_text_too_long`."""


class EmbeddedUtterance:
    """Speaks when all its text is there, or more of it than is spoken at one go.

    Pulled by its reader: nothing is synthesised ahead but the piece that is being read (at most 400 characters).
    """

    def __init__(self, speaker: Speaker, executor: Executor, *, on_close: Callable[[EmbeddedUtterance], None]) -> None:
        self._speaker = speaker
        self._executor = executor
        self._on_close = on_close
        self._text = ""
        self._ended = False
        self._changed = asyncio.Event()
        self._cancelled = threading.Event()
        self._job: asyncio.Future[list[SpeechAudio]] | None = None

    async def send_text(self, text: str) -> None:
        """Add whole words. Raises `ProviderError` (`tts_text_too_long`) beyond 20,000 unspoken characters."""
        if len(self._text) + len(text) > _MOST_TEXT:
            raise ProviderError("That is too much to say at once.", code="tts_text_too_long", retryable=False)
        glue = " " if self._text and not self._text[-1].isspace() and text and not text[0].isspace() else ""
        self._text += glue + text
        self._changed.set()

    async def end(self) -> None:
        """No more text follows."""
        self._ended = True
        self._changed.set()

    async def __aiter__(self) -> AsyncIterator[SpeechAudio]:
        while piece := await self._next_piece():
            for audio in await self._speak(piece):
                if self._cancelled.is_set():
                    return
                yield audio

    async def aclose(self) -> None:
        """Stop at once; what is being synthesised is given up within a millisecond or so. Idempotent."""
        self._cancelled.set()
        self._changed.set()
        if self._job is not None:
            await asyncio.wait((self._job,))
        self._on_close(self)

    async def _next_piece(self) -> str:
        while not self._cancelled.is_set():
            if len(self._text) > LONGEST_PIECE:
                piece, self._text = divide(self._text)
                return piece
            if self._ended:
                piece, self._text = self._text, ""
                return piece
            self._changed.clear()
            await self._changed.wait()
        return ""

    async def _speak(self, piece: str) -> list[SpeechAudio]:
        last = self._ended and not self._text
        loop = asyncio.get_running_loop()
        try:
            self._job = loop.run_in_executor(self._executor, self._speaker.speak, piece, last, self._cancelled)
        except RuntimeError as error:  # what an executor that was shut down raises
            raise ProviderError("The embedded voice is closed.", code="tts_closed", retryable=False) from error
        try:
            return await asyncio.shield(self._job)
        except asyncio.CancelledError:
            self._cancelled.set()
            raise
