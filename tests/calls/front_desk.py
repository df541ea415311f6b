"""A whole host with the example agent in the test's own event loop, and a caller who speaks to it by recordings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.front.hosting import Running, running
from tests.speech.embedded.speech import clip
from voice_host.resampler import Resampler

EMBEDDED = '[providers]\nspeech_to_text = "embedded"\ntext_to_speech = "embedded"\n'

PCM_HZ = 24_000
FRAME_S = 0.1


@asynccontextmanager
async def front_desk(folder: Path) -> AsyncIterator[Running]:
    """Run the example agent with speech that is recognised and spoken on this machine."""
    async with running(folder, EMBEDDED, allow="front-desk") as host:
        yield host


def recording(name: str) -> bytes:
    """Return a recording as PCM16 at 24 kHz, and the silence after it."""
    return Resampler(16_000, PCM_HZ).resample(clip(name), last=True) + bytes(2 * PCM_HZ)


async def speak(pcm: bytes, send: Callable[[bytes], Awaitable[object]]) -> None:
    """Send audio as a microphone does."""
    size = int(FRAME_S * PCM_HZ) * 2
    for start in range(0, len(pcm), size):
        await send(pcm[start : start + size])
        await asyncio.sleep(FRAME_S)
