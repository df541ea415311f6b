"""`ScriptedEars`: a speech-to-text service whose events are scripted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from voice_host_sdk import ProviderError, SpeechEvent, SpeechToTextStream, STTConfig


class ScriptedEars:
    """A `SpeechToText` for one call, whose events come from the scripted caller.

    Attributes:
        received_bytes: how much of the caller's PCM16 has arrived, including silence after speech.
        failure: raised by `open`; None: it succeeds.
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
        """Yield an event now, or fail with a `ProviderError`. Ignored while no stream is open."""
        if self._line is not None:
            self._line.events.put_nowait(event)

    def closed(self, line: _Line) -> None:
        """A stream was closed; another one may be open already."""
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
