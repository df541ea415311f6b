"""The caller's audio on its way to speech-to-text."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from voice_host_sdk import STTConfig

BATCH_MS = 60
"""Audio is handed on in pieces of at least this length: the cloud takes no less than 50 ms, and each piece costs."""

GAP_S = 0.25
"""A microphone that sent nothing for twice as long has stopped; frames come every 10 to 100 ms. Once is no proof: a
network may hesitate for so long, or the event loop may have stood still, and silence within a word would change it."""

TAIL_MARGIN_S = 1.0
"""Silence sent beyond what ends a turn."""


class MicrophoneBuffer:
    """A bounded buffer of PCM16 mono; whole samples come out whatever frames go in.

    Args:
        sample_rate: Hz.
        buffer_s: seconds kept while the host is slow. When it is full, the oldest audio is dropped and counted.
    """

    def __init__(self, sample_rate: int, buffer_s: float) -> None:
        self._limit = int(buffer_s * sample_rate) * 2
        self._batch = BATCH_MS * sample_rate // 1000 * 2
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._odd = b""
        self._filled = asyncio.Event()

    def put(self, frame: bytes) -> int:
        """Add a frame of any length; a sample may be split over two. Returns the bytes dropped to make room."""
        data = self._odd + frame
        whole = len(data) & ~1
        self._odd = data[whole:]
        if not whole:
            return 0
        self._chunks.append(data[:whole])
        self._size += whole
        dropped = 0
        while self._size > self._limit and len(self._chunks) > 1:
            oldest = len(self._chunks.popleft())
            self._size -= oldest
            dropped += oldest
        if self._size >= self._batch:
            self._filled.set()
        return dropped

    async def get(self) -> bytes:
        """Wait for a batch of audio, and return all there is."""
        await self._filled.wait()
        return self.take()

    def take(self) -> bytes:
        """Return all audio there is, perhaps none."""
        data = b"".join(self._chunks)
        self._chunks.clear()
        self._size = 0
        self._filled.clear()
        return data


class Listener(Protocol):
    """Whatever takes the caller's audio."""

    async def send_audio(self, pcm: bytes) -> None: ...


async def feed(microphone: MicrophoneBuffer, listener: Listener, config: STTConfig) -> None:
    """Send the microphone's audio on until cancelled.

    A recogniser hears a turn end by the silence after it. A client that stops sending instead (a muted microphone, a
    push-to-talk button) gets that silence made for it.
    """
    whole_tail_s = config.max_turn_silence / 1000 + TAIL_MARGIN_S
    tail_s = 0.0
    waits = 0  # in a row, in vain
    while True:
        try:
            async with asyncio.timeout(GAP_S if tail_s > 0 else None):
                audio = await microphone.get()
            tail_s, waits = whole_tail_s, 0
        except TimeoutError:
            tail_s -= GAP_S
            waits += 1
            if waits == 1:
                continue
            silent_s = 2 * GAP_S if waits == 2 else GAP_S
            audio = microphone.take() + bytes(int(silent_s * config.sample_rate) * 2)
        await listener.send_audio(audio)
