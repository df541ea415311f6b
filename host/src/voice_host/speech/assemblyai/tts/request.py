"""One flush of AssemblyAI's voice: its text on the way out, its audio and its word timings on the way in."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable

from voice_host_sdk import ProviderError, SpeechAudio, WordTiming

MAX_TEXT = 2000
"""Characters (code points) that one `Generate` may carry."""

MAX_WORD = 50
"""Characters of a word. The service refuses a longer run without a space, and with it the session; the limit depends
on its model and is about 60 at the least."""

BUFFER_BYTES = 512 * 1024
"""Audio that may wait to be asked for, about 10 s at 24 kHz. When it is full the socket is not read, which slows the
service down; no audio is lost."""


class Request:
    """What is to be said, and what has come back of it.

    Attributes:
        texts: the pieces, none longer than `MAX_TEXT`, to be joined as they are.
        flush_id: what the service calls it; None until it is sent.
        words: its word timings, once they are known.
        done: all of its audio has come.
        error: why no more will come.
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
        """Add audio; waits while the buffer is full. Dropped when nobody wants it any more."""
        self.received = True
        while self._buffered >= BUFFER_BYTES and not self.abandoned:
            self._room.clear()
            await self._room.wait()
        if not self.abandoned:
            self._audio.append(pcm)
            self._buffered += len(pcm)
            self._changed.set()

    def finish(self) -> None:
        """All audio has come."""
        self.done = True
        self._changed.set()

    def add_words(self, words: tuple[WordTiming, ...]) -> None:
        """They are known at once, also where audio still waits to be asked for."""
        self.words = words
        self._changed.set()

    def fail(self, error: ProviderError) -> None:
        """No more will come. What has come can still be read."""
        self.error = error
        self._changed.set()

    # --- to the listener ----------------------------------------------------------------------------------------

    async def audio(self) -> bytes | None:
        """Return the next audio, or None when all has been read.

        Raises:
            ProviderError: what came before the failure has been read.
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
        """Wait until the words are known, or will not be."""
        while self.words is None and self.error is None and not self.abandoned:
            await self._change()

    def abandon(self) -> None:
        """Nobody listens any more."""
        self.abandoned = True
        self._audio.clear()
        self._buffered = 0
        self._changed.set()
        self._room.set()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()


class TimedAudio:
    """Joins pieces of audio into whole samples and gives each the words that begin in it. No I/O.

    The timings of an utterance come when all its audio has been sent. The last sample is kept until then, so that
    there is always audio left to carry them; a word whose audio has gone already rides on the next piece.
    """

    def __init__(self, sample_rate: int) -> None:
        self._bytes_per_ms = sample_rate * 2 / 1000
        self._held = b""
        self._passed = 0
        self._words: deque[WordTiming] = deque()

    def add_words(self, words: Iterable[WordTiming]) -> None:
        """Take the timings, once."""
        self._words.extend(sorted(words, key=lambda word: word.start_ms))

    def push(self, pcm: bytes) -> SpeechAudio | None:
        """Take audio that may end within a sample; return what can be passed on, or None."""
        pcm = self._held + pcm
        size = max(0, (len(pcm) - 2) & ~1)
        self._held = pcm[size:]
        return self._pass_on(pcm[:size]) if size else None

    def finish(self) -> SpeechAudio | None:
        """Return the last sample with all words that are left; None when there was no audio."""
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
    """Join words into texts of at most `MAX_TEXT` characters that are cut between words."""
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
