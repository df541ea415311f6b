"""One request to AssemblyAI's text-to-speech: text out, audio and word timings in."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable

from voice_host_sdk import ProviderError, SpeechAudio, WordTiming

MAX_TEXT = 2000
"""Characters (code points) that one `Generate` may carry."""

MAX_WORD = 50
"""Characters of a word; longer ones are split. The service ends the session on a longer run without a space. Its limit
depends on the model and is at least about 60."""

BUFFER_BYTES = 512 * 1024
"""Audio that is buffered, about 10 s at 24 kHz. When it is full, the socket is not read, which slows the service; no
audio is lost."""


class Request:
    """A text to speak, and what the service has returned for it.

    Attributes:
        texts: the pieces, none longer than `MAX_TEXT`, which the service joins as they are.
        flush_id: the service's number for it; None until it is sent.
        words: its word timings, once they are known.
        done: all of its audio has arrived.
        error: why no more will arrive.
    """

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts
        self.flush_id: int | None = None
        self.words: tuple[WordTiming, ...] | None = None
        self.done = False
        self.error: ProviderError | None = None
        self.abandoned = False
        self.received = False
        self._audio: deque[bytes] = deque()
        self._buffered = 0
        self._changed = asyncio.Event()
        self._room = asyncio.Event()

    # --- from the socket ----------------------------------------------------------------------------------------

    async def add_audio(self, pcm: bytes) -> None:
        """Add audio; waits while the buffer is full. Audio of an abandoned request is dropped."""
        self.received = True
        while self._buffered >= BUFFER_BYTES and not self.abandoned:
            self._room.clear()
            await self._room.wait()
        if not self.abandoned:
            self._audio.append(pcm)
            self._buffered += len(pcm)
            self._changed.set()

    def finish(self) -> None:
        """Note that all audio has arrived."""
        self.done = True
        self._changed.set()

    def add_words(self, words: tuple[WordTiming, ...]) -> None:
        """Set the word timings. They are available at once, even if audio is still unread."""
        self.words = words
        self._changed.set()

    def fail(self, error: ProviderError) -> None:
        """Note that no more will arrive. What has arrived can still be read."""
        self.error = error
        self._changed.set()

    # --- to the reader ------------------------------------------------------------------------------------------

    async def audio(self) -> bytes | None:
        """Return the next audio, or None when all has been read.

        Raises:
            ProviderError: the request failed, and what arrived before has been read.
        """
        while not self._audio and not self.done and not self.abandoned:
            if self.error is not None:
                raise self.error
            await self._change()
        if not self._audio:
            return None
        pcm = self._audio.popleft()
        self._buffered -= len(pcm)
        self._room.set()
        return pcm

    async def timed(self) -> None:
        """Wait until the word timings have arrived, or will not."""
        while self.words is None and self.error is None and not self.abandoned:
            await self._change()

    def abandon(self) -> None:
        """Stop reading: drop what is buffered and whatever arrives."""
        self.abandoned = True
        self._audio.clear()
        self._buffered = 0
        self._changed.set()
        self._room.set()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()


class TimedAudio:
    """Joins pieces of audio into whole samples and attaches to each the words that begin in it. No I/O.

    Word timings arrive after all audio. The last sample is kept back until then, so that there is audio left to attach
    them to; words whose audio has already been returned are attached to the next piece.
    """

    def __init__(self, sample_rate: int) -> None:
        self._bytes_per_ms = sample_rate * 2 / 1000
        self._held = b""
        self._passed = 0
        self._words: deque[WordTiming] = deque()

    def add_words(self, words: Iterable[WordTiming]) -> None:
        """Set the word timings. Call it once."""
        self._words.extend(sorted(words, key=lambda word: word.start_ms))

    def push(self, pcm: bytes) -> SpeechAudio | None:
        """Add audio, which may end within a sample; return what is complete, or None."""
        pcm = self._held + pcm
        size = max(0, (len(pcm) - 2) & ~1)
        self._held = pcm[size:]
        return self._pass_on(pcm[:size]) if size else None

    def finish(self) -> SpeechAudio | None:
        """Return the last sample with all words that are left; None if there was no audio."""
        rest = self._held[: len(self._held) & ~1]
        self._held = b""
        return self._pass_on(rest, last=True) if rest else None

    def _pass_on(self, pcm: bytes, *, last: bool = False) -> SpeechAudio:
        self._passed += len(pcm)
        words = []
        while self._words and (last or self._words[0].start_ms * self._bytes_per_ms < self._passed):
            words.append(self._words.popleft())
        return SpeechAudio(pcm, tuple(words))


def pieces(words: Iterable[str]) -> list[str]:
    """Join words into texts of at most `MAX_TEXT` characters, split between words."""
    texts: list[str] = []
    text = ""
    for part in (part for word in words for part in _parts(word)):
        if len(text) + len(part) + 1 > MAX_TEXT:
            texts.append(text)
            text = ""
        text += f"{part} "
    return [*texts, text] if text else texts


def _parts(word: str) -> list[str]:
    return [word[start : start + MAX_WORD] for start in range(0, len(word), MAX_WORD)]
