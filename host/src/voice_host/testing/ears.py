"""A recogniser that is told what it hears, when it would have heard it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from voice_host_sdk import ProviderError, SpeechEvent, SpeechToTextStream, STTConfig


class ScriptedEars:
    """A `SpeechToText` for one call: the scripted caller puts in what is recognised.

    Attributes:
        received_bytes: PCM16 of the caller's microphone that has arrived, the silence after speech included.
        failure: raised when the next line is opened; None: lines open.
    """

    name = "scripted"
    reports_speech_end = True

    def __init__(self) -> None:
        self.config = STTConfig()
        self.received_bytes = 0
        self.failure: ProviderError | None = None
        self._line: _Line | None = None

    async def open(self, config: STTConfig) -> SpeechToTextStream:
        if self.failure is not None:
            raise self.failure
        self.config = config
        self._line = _Line(self)
        return self._line

    async def aclose(self) -> None:
        """Nothing is held."""

    def hear(self, event: SpeechEvent | ProviderError) -> None:
        """Recognise something now; a `ProviderError`: the line breaks. Heard by nobody while no line is open."""
        if self._line is not None:
            self._line.events.put_nowait(event)

    def closed(self, line: _Line) -> None:
        """A line was closed; a later one may be open already."""
        if self._line is line:
            self._line = None


class _Line:
    """One `SpeechToTextStream`."""

    def __init__(self, ears: ScriptedEars) -> None:
        self._ears = ears
        self.events: asyncio.Queue[SpeechEvent | ProviderError | None] = asyncio.Queue()  # a test is short

    async def send_audio(self, pcm: bytes) -> None:
        self._ears.received_bytes += len(pcm)

    async def __aiter__(self) -> AsyncIterator[SpeechEvent]:
        while (event := await self.events.get()) is not None:
            if isinstance(event, ProviderError):
                raise event
            yield event

    async def aclose(self) -> None:
        self._ears.closed(self)
        self.events.put_nowait(None)
