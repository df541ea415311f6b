"""The caller's audio on its way to speech-to-text: whole samples, in pieces as long as the service wants them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from voice_host.clock import now_s

GAP_S = 0.25
"""A microphone that sent nothing for twice as long has stopped; frames come every 10 to 100 ms. One gap is no proof:
the network may hesitate, or the event loop may have been blocked, and silence within a word would change it."""

TAIL_MARGIN_S = 1.0
"""Silence sent beyond what ends a turn."""


class MicrophoneBuffer:
    """Gathers PCM16 mono into pieces and passes them on; holds them, bounded, while nobody takes them.

    Speech-to-text hears a turn end by the silence after it. Where a client stops sending instead (a muted microphone, a
    push-to-talk button), the silence is made here, in real time.

    Args:
        sample_rate: Hz.
        buffer_s: seconds kept until `pass_on()` is called. When it is full, the oldest audio is dropped and counted.
    """

    def __init__(self, sample_rate: int, buffer_s: float) -> None:
        self._sample_rate = sample_rate
        self._limit = int(buffer_s * sample_rate) * 2
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._odd = b""
        self._consumer: Callable[[bytes], None] | None = None
        self._piece = 0
        self._tail_s = 0.0
        self._tail_left_s = 0.0
        self._heard_at_s = 0.0
        self._gaps = 0  # in a row
        self._timer: asyncio.TimerHandle | None = None

    def put(self, frame: bytes) -> int:
        """Add a frame of any length; a sample may be split over two. Returns the bytes dropped to make room."""
        if self._odd or len(frame) & 1:
            frame = self._odd + frame
            self._odd = frame[len(frame) & ~1 :]
            frame = frame[: len(frame) & ~1]
        if not frame:
            return 0
        dropped = self._add(frame)
        if self._consumer is not None:
            self._heard_at_s = now_s()
            self._gaps = 0
            self._tail_left_s = self._tail_s
            if self._timer is None:
                self._look_at(self._heard_at_s + GAP_S)
        return dropped

    def pass_on(self, consumer: Callable[[bytes], None], *, piece_ms: int, tail_ms: int) -> None:
        """Begin to call `consumer` with each piece that is complete. `close()` ends it.

        Args:
            consumer: gets whole samples, at least a piece; must neither wait nor raise.
            piece_ms: the shortest audio that is worth passing on.
            tail_ms: the silence that ends any turn; a little more follows when the client stops sending.
        """
        self._consumer = consumer
        self._piece = piece_ms * self._sample_rate // 1000 * 2
        self._tail_s = tail_ms / 1000 + TAIL_MARGIN_S
        if self._size >= self._piece:
            self._flush()

    def close(self) -> None:
        """Pass nothing on any more; what comes is held again. Idempotent."""
        self._consumer = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _add(self, pcm: bytes) -> int:
        self._chunks.append(pcm)
        self._size += len(pcm)
        if self._consumer is not None:
            if self._size >= self._piece:
                self._flush()
            return 0
        dropped = 0
        while self._size > self._limit and len(self._chunks) > 1:
            oldest = len(self._chunks.popleft())
            self._size -= oldest
            dropped += oldest
        return dropped

    def _flush(self) -> None:
        pcm = b"".join(self._chunks)
        self._chunks.clear()
        self._size = 0
        if self._consumer is not None and pcm:
            self._consumer(pcm)

    def _look_at(self, at_s: float) -> None:
        self._timer = asyncio.get_running_loop().call_at(at_s, self._look_for_gap)

    def _look_for_gap(self) -> None:
        """Whether audio has come lately is looked at now and then, rather than with a timer for each frame."""
        self._timer = None
        if self._gaps == 0 and now_s() < (due_s := self._heard_at_s + GAP_S):
            self._look_at(due_s)
            return
        self._gaps += 1
        self._tail_left_s -= GAP_S
        if self._tail_left_s > 0:
            self._look_at(now_s() + GAP_S)
        if self._gaps > 1:
            length_s = 2 * GAP_S if self._gaps == 2 else GAP_S
            self._add(bytes(int(length_s * self._sample_rate) * 2))
            self._flush()
