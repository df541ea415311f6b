"""`MicrophoneBuffer`: the caller's audio on its way to speech-to-text."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from voice_host.clients.audio import AudioDecoder
from voice_host.clients.protocol import AudioFormat
from voice_host.clock import now_s

GAP_S = 0.25
"""A microphone that sent nothing for twice this time has stopped; frames come every 10 to 100 ms. A single gap may be
due to the network or a blocked event loop, and silence inserted into a word would change it."""

TAIL_MARGIN_S = 1.0
"""Silence added to that which ends a turn."""


class MicrophoneBuffer:
    """Collects audio into pieces and passes them on; until there is a consumer, it keeps a bounded amount.

    A piece is decoded when it is complete, which takes little longer than decoding one of its frames.

    Speech-to-text detects the end of a turn by the silence after it. If a client stops sending instead (a muted
    microphone, push-to-talk), silence is generated here, in real time.

    Args:
        sample_rate: Hz.
        buffer_s: seconds kept until `pass_on()` is called. When it is full, the oldest audio is dropped and counted.
        on_audio: gets the client's audio once it is decoded, and no generated silence; must neither block nor raise.
    """

    def __init__(self, sample_rate: int, buffer_s: float, on_audio: Callable[[bytes], None] | None = None) -> None:
        self._sample_rate = sample_rate
        self._on_audio = on_audio
        self._decoder = AudioDecoder(AudioFormat(), sample_rate)
        self._undecoded: list[bytes] = []
        self._undecoded_size = 0.0  # in bytes of PCM16, with what the decoder has kept back
        self._limit = int(buffer_s * sample_rate) * 2
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._consumer: Callable[[bytes], None] | None = None
        self._piece = 0
        self._tail_s = 0.0
        self._tail_left_s = 0.0
        self._heard_at_s = 0.0
        self._gaps = 0  # in a row
        self._timer: asyncio.TimerHandle | None = None

    def put(self, frame: bytes, decoder: AudioDecoder | None = None) -> int:
        """Add a frame of any length; a sample may be split over two. Returns the bytes dropped to make room.

        Args:
            frame: PCM16 at the sample rate, or what `decoder` decodes.
            decoder: the one to use from now on.
        """
        if decoder is not None and decoder is not self._decoder:
            self._decode()
            self._decoder, self._undecoded_size = decoder, 0.0
        if not frame:
            return 0
        self._undecoded.append(frame)
        self._undecoded_size += self._decoder.size(frame)
        if self._consumer is None:
            return self._decode()
        self._heard_at_s = now_s()
        self._gaps = 0
        self._tail_left_s = self._tail_s
        if self._timer is None:
            self._look_at(self._heard_at_s + GAP_S)
        if self._size + self._undecoded_size >= self._piece:
            self._decode()
            if self._size >= self._piece:
                self._flush()
        return 0

    def pass_on(self, consumer: Callable[[bytes], None], *, piece_ms: int, tail_ms: int) -> None:
        """Start to call `consumer` with each complete piece, until `close()`.

        Args:
            consumer: gets whole samples, at least `piece_ms` of them; must neither block nor raise.
            piece_ms: the shortest piece to pass on.
            tail_ms: the silence that ends any turn; a little more is generated when the client stops sending.
        """
        self._consumer = consumer
        self._piece = piece_ms * self._sample_rate // 1000 * 2
        self._tail_s = tail_ms / 1000 + TAIL_MARGIN_S
        if self._size >= self._piece:
            self._flush()

    def end_turn(self) -> None:
        """Pass on the silence that ends a turn, without waiting for it: the client says that the turn is over."""
        if self._consumer is not None:
            self._flush(silence_s=self._tail_s)

    def close(self) -> None:
        """Stop passing audio on; it is kept again instead. Idempotent."""
        self._decode()
        self._consumer = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _decode(self) -> int:
        """Decode what has come. Without a consumer, make room for it, and return the bytes dropped for that."""
        if not self._undecoded:
            return 0
        pcm = self._decoder.decode(b"".join(self._undecoded))
        self._undecoded.clear()
        self._undecoded_size -= len(pcm)
        self._chunks.append(pcm)
        self._size += len(pcm)
        if self._on_audio is not None and pcm:
            self._on_audio(pcm)
        dropped = 0
        while self._consumer is None and self._size > self._limit and len(self._chunks) > 1:
            oldest = len(self._chunks.popleft())
            self._size -= oldest
            dropped += oldest
        return dropped

    def _flush(self, silence_s: float = 0.0) -> None:
        """Pass on what there is, followed by silence."""
        self._decode()
        pcm = b"".join(self._chunks) + bytes(int(silence_s * self._sample_rate) * 2)
        self._chunks.clear()
        self._size = 0
        if self._consumer is not None and pcm:
            self._consumer(pcm)

    def _look_at(self, at_s: float) -> None:
        self._timer = asyncio.get_running_loop().call_at(at_s, self._look_for_gap)

    def _look_for_gap(self) -> None:
        """Check whether audio has arrived lately. Runs periodically, which is cheaper than a timer for each frame."""
        self._timer = None
        if self._gaps == 0 and now_s() < (due_s := self._heard_at_s + GAP_S):
            self._look_at(due_s)
            return
        self._decode()
        self._gaps += 1
        self._tail_left_s -= GAP_S
        if self._tail_left_s > 0:
            self._look_at(now_s() + GAP_S)
        if self._gaps > 1:
            length_s = 2 * GAP_S if self._gaps == 2 else GAP_S
            self._flush(silence_s=length_s)
