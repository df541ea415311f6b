"""A recogniser's events until the call has read them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from voice_host_sdk import ProviderError, SpeechEvent, Transcript

_ROOM = 64


class EventBuffer:
    """Events in order, then the end or a failure.

    A partial transcript replaces an unread one directly before it. Nothing else is dropped: with 64 unread events,
    `room()` makes the sender of audio wait.
    """

    def __init__(self) -> None:
        self._events: deque[SpeechEvent] = deque()
        self._error: ProviderError | None = None
        self._closed = False
        self._readable = asyncio.Event()
        self._roomy = asyncio.Event()
        self._roomy.set()

    def put(self, event: SpeechEvent) -> None:
        """Add an event."""
        if self._events and _is_partial(event) and _is_partial(self._events[-1]):
            self._events.pop()
        self._events.append(event)
        self._readable.set()
        if len(self._events) >= _ROOM:
            self._roomy.clear()

    def fail(self, error: ProviderError) -> None:
        """Raise `error` to the reader after the buffered events, and in `room()`."""
        self._error = self._error or error
        self._readable.set()
        self._roomy.set()

    def close(self) -> None:
        """End at once; unread events are dropped."""
        self._closed = True
        self._events.clear()
        self._readable.set()
        self._roomy.set()

    async def room(self) -> None:
        """Wait until there is room. Raises the `ProviderError` of a failure, or `stt_closed` after the end."""
        await self._roomy.wait()
        if self._error is not None:
            raise self._error
        if self._closed:
            raise ProviderError("The speech recogniser is closed.", code="stt_closed", retryable=False)

    async def events(self) -> AsyncIterator[SpeechEvent]:
        """Yield events as they arrive. Raises the `ProviderError` of a failure."""
        while True:
            await self._readable.wait()
            if self._closed:
                return
            if self._events:
                event = self._events.popleft()
                self._roomy.set()
                yield event
            elif self._error is not None:
                raise self._error
            else:
                self._readable.clear()


def _is_partial(event: SpeechEvent) -> bool:
    return isinstance(event, Transcript) and not event.final
