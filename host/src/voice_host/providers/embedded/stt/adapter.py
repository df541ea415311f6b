"""Speech-to-text on this machine."""

from __future__ import annotations

import asyncio
import os
from importlib import import_module
from typing import TYPE_CHECKING

from voice_host.providers.embedded.extra import require_extra
from voice_host.providers.embedded.stt.recogniser_pool import RecogniserCounters, RecogniserPool
from voice_host.settings import ResilienceSettings
from voice_host_sdk import ProviderError, STTConfig

if TYPE_CHECKING:
    from voice_host.providers.embedded.stt.stream import EmbeddedSpeechToTextStream

_STREAM_MODULE = "voice_host.providers.embedded.stt.stream"


class EmbeddedSpeechToText:
    """Speech-to-text without key or download: Silero finds the voice, pocketsphinx the words.

    English, one close microphone, a quiet room, short everyday sentences; no punctuation, no case. Of `STTConfig` it
    uses `sample_rate` alone: the silences that end a turn belong to the measured recipe (see `endpointer`).

    Args:
        processes: decoder processes at most (114 MB each), shared by all calls; default: the cores it may use.
            They start as calls open, one more than there are calls, and stay until `aclose()`.
        resilience: how long they may take to start, and for an utterance.

    Raises:
        ValueError: `processes` is less than 1.
    """

    def __init__(self, *, processes: int | None = None, resilience: ResilienceSettings | None = None) -> None:
        self._pool = RecogniserPool(processes if processes is not None else _usable_cores(), resilience)
        self._streams: set[EmbeddedSpeechToTextStream] = set()
        self._warming: set[asyncio.Task[None]] = set()

    @property
    def name(self) -> str:
        return "embedded"

    @property
    def reports_speech_end(self) -> bool:
        return True

    @property
    def counters(self) -> RecogniserCounters:
        """What happened in the shared recogniser so far."""
        return self._pool.counters

    @property
    def process_ids(self) -> tuple[int, ...]:
        """The ids of the decoder processes that run now."""
        return self._pool.pids

    async def warm(self) -> None:
        """Start a decoder process, so that the first call need not wait for it. Raises `ProviderError`."""
        require_extra("stt_unavailable")
        await asyncio.gather(self._pool.warm(1), asyncio.to_thread(import_module, _STREAM_MODULE))

    async def open(self, config: STTConfig) -> EmbeddedSpeechToTextStream:
        """Open a call's line.

        Raises:
            ProviderError: the extra is not installed (`stt_unavailable`), or the provider is closed (`stt_closed`).
        """
        require_extra("stt_unavailable")
        self._pool.require_open()
        stream = await asyncio.to_thread(self._new_stream, config)  # imports and loads a model: not on the event loop
        self._streams.add(stream)
        self._warm_in_background(len(self._streams) + 1)  # one for what is being said, one for what was
        return stream

    async def aclose(self) -> None:
        """Close all streams and end all processes. Idempotent."""
        for stream in tuple(self._streams):
            await stream.aclose()
        warming = tuple(self._warming)
        for task in warming:
            task.cancel()
        if warming:
            await asyncio.wait(warming)
        await self._pool.aclose()

    def _new_stream(self, config: STTConfig) -> EmbeddedSpeechToTextStream:
        from voice_host.providers.embedded.stt.stream import EmbeddedSpeechToTextStream

        return EmbeddedSpeechToTextStream(config, self._pool, on_close=self._streams.discard)

    def _warm_in_background(self, count: int) -> None:
        task = asyncio.create_task(self._try_to_warm(count))
        self._warming.add(task)
        task.add_done_callback(self._warming.discard)

    async def _try_to_warm(self, count: int) -> None:
        try:
            await self._pool.warm(count)
        except ProviderError:
            return  # the first utterance tries again, and its call is told


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
