"""The words of an utterance while it is spoken."""

from __future__ import annotations

from voice_host.providers.embedded.stt.recogniser_pool import RecogniserPool

_MAX_CATCH_UP_BYTES = 3 * 32_000
"""Audio decoded at one go: it keeps a process from whole utterances for as long as it takes (about 0.6 s)."""


class PartialRecogniser:
    """One call's streamed decode: quick and rough, where a process is idle. It never delays a whole utterance."""

    def __init__(self, pool: RecogniserPool) -> None:
        self._pool = pool
        self._decoded_bytes = 0

    async def recognise(self, pcm: bytes) -> str | None:
        """Return the words so far of an utterance, given from its beginning (PCM16 mono at 16 kHz).

        None when no process is idle, or when too much of it has been missed to catch up.
        """
        if not self._pool.holds(self):
            self._decoded_bytes = 0
        new = pcm[self._decoded_bytes :]
        if len(new) > _MAX_CATCH_UP_BYTES:
            return None
        words = await self._pool.stream(self, new, begin=self._decoded_bytes == 0)
        if words is not None:
            self._decoded_bytes = len(pcm)
        return words

    def restart(self) -> None:
        """The next call begins an utterance."""
        self._decoded_bytes = 0

    def close(self) -> None:
        """Leave the process to others."""
        self._decoded_bytes = 0
        self._pool.release(self)
