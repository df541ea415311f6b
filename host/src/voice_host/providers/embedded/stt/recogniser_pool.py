"""The recogniser processes that all calls of the host share."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass

from voice_host.providers.embedded.stt import recogniser_worker as protocol
from voice_host.providers.embedded.stt.recogniser_process import RecogniserDied, RecogniserProcess
from voice_host.settings import ResilienceSettings
from voice_host_sdk import ProviderError

_logger = logging.getLogger(__name__)

_QUEUED_PER_PROCESS = 8
"""At about 0.5 s an utterance, more would keep a caller waiting for over four seconds."""


@dataclass(slots=True)
class RecogniserCounters:
    """What happened in the pool since it was made."""

    utterances: int = 0
    refused: int = 0
    """Utterances refused because the queue was full."""
    partials_skipped: int = 0
    """Partial decodes left out because no process was idle."""
    processes_lost: int = 0


class RecogniserPool:
    """Up to `processes` recogniser processes, started as they are needed and kept until `aclose()`.

    Whole utterances queue in order; when `8 * processes` wait, further ones are refused with `stt_busy` and counted.
    Streamed decodes, which only serve partial transcripts, never queue: they use what is idle, and lose it as soon as a
    whole utterance needs it.
    """

    def __init__(self, processes: int, resilience: ResilienceSettings | None = None) -> None:
        if processes < 1:
            raise ValueError(f"processes must be at least 1, not {processes}")
        self.counters = RecogniserCounters()
        self._limit = processes
        self._resilience = resilience or ResilienceSettings()
        self._slots = asyncio.Semaphore(processes)
        self._processes: list[RecogniserProcess] = []
        self._starting = 0
        self._waiting: set[asyncio.Task[str]] = set()
        self._jobs: set[asyncio.Task[str]] = set()
        self._closed = False

    @property
    def pids(self) -> tuple[int, ...]:
        """The ids of the running processes."""
        return tuple(process.pid for process in self._processes)

    @property
    def busy(self) -> bool:
        """Whether every process that runs is working."""
        return all(process.busy for process in self._processes)

    def require_open(self) -> None:
        """Raise `ProviderError` (`stt_closed`) after `aclose()`."""
        if self._closed:
            raise _closed()

    async def warm(self, count: int) -> None:
        """Start processes until there are `count`, or as many as are allowed.

        Raises:
            ProviderError: one could not be started (`stt_failed`).
        """
        for _ in range(min(count, self._limit)):
            async with self._slots:
                if len(self._processes) + self._starting >= min(count, self._limit):
                    return
                try:
                    await self._start()
                except RecogniserDied as error:
                    raise _failed() from error

    async def recognise(self, pcm: bytes) -> str:
        """Return the words of an utterance, PCM16 mono at 16 kHz; empty when there are none.

        Cancelling takes it off the queue; once it is being decoded, it runs to its end and its words are dropped.

        Raises:
            ProviderError: `stt_busy` when the queue is full, `stt_failed` when two processes died of it, `stt_closed`.
        """
        self.require_open()
        if len(self._waiting) >= _QUEUED_PER_PROCESS * self._limit:
            self.counters.refused += 1
            raise ProviderError("The speech recogniser has too much to do.", code="stt_busy")
        self.counters.utterances += 1
        job = self._begin(self._recognise(pcm))
        self._waiting.add(job)
        job.add_done_callback(self._waiting.discard)
        try:
            return await self._outcome(job)
        except asyncio.CancelledError:
            if job in self._waiting:
                job.cancel()
            raise

    async def stream(self, listener: object, pcm: bytes, *, begin: bool) -> str | None:
        """Begin or go on with the streamed utterance of `listener` and return its words so far.

        None when no process is idle, or the one with this utterance was lost: then it must begin again.
        """
        wanted = (listener, None) if begin else (listener,)
        process = next((one for one in self._processes if not one.busy and one.listener in wanted), None)
        if self._closed or self._slots.locked() or process is None:
            self.counters.partials_skipped += 1
            return None
        await self._slots.acquire()  # one is free, so this does not wait
        process.busy = True
        process.listener = listener
        command = protocol.STREAM_BEGIN if begin else protocol.STREAM_MORE
        try:
            return await self._outcome(self._begin(self._stream(process, command, pcm)))
        except RecogniserDied:
            return None

    def holds(self, listener: object) -> bool:
        """Whether a process still has the streamed utterance of `listener`."""
        return any(process.listener is listener for process in self._processes)

    def release(self, listener: object) -> None:
        """Forget the streamed utterance of `listener`."""
        for process in self._processes:
            if process.listener is listener:
                process.listener = None

    async def aclose(self) -> None:
        """End all processes. Utterances on their way fail with `stt_closed`. Idempotent."""
        self._closed = True
        for job in self._jobs:
            job.cancel()
        if self._jobs:
            await asyncio.wait(self._jobs)
        processes, self._processes = self._processes, []
        for process in processes:
            await process.aclose()

    # A job is a task of the pool, not of its caller: a process that was asked answers, even if nobody waits any more.

    def _begin(self, work: Coroutine[None, None, str]) -> asyncio.Task[str]:
        job = asyncio.create_task(work)
        self._jobs.add(job)
        job.add_done_callback(self._ended)
        return job

    def _ended(self, job: asyncio.Task[str]) -> None:
        self._jobs.discard(job)
        if not job.cancelled():
            job.exception()  # may have nobody left to raise to

    async def _outcome(self, job: asyncio.Task[str]) -> str:
        await asyncio.wait((job,))
        if job.cancelled():
            raise _closed()
        return job.result()

    async def _recognise(self, pcm: bytes) -> str:
        async with self._slots:
            this = asyncio.current_task()
            assert this is not None
            self._waiting.discard(this)
            try:
                try:
                    return await self._attempt(pcm)
                except RecogniserDied:
                    return await self._attempt(pcm)
            except RecogniserDied as error:
                raise _failed() from error

    async def _attempt(self, pcm: bytes) -> str:
        process = self._idle() or await self._start()
        process.listener = None
        return await self._request(process, protocol.FULL, pcm)

    async def _stream(self, process: RecogniserProcess, command: bytes, pcm: bytes) -> str:
        try:
            return await self._request(process, command, pcm)
        finally:
            self._slots.release()

    async def _request(self, process: RecogniserProcess, command: bytes, pcm: bytes) -> str:
        process.busy = True
        try:
            return await process.request(command, pcm)
        except RecogniserDied:
            self.counters.processes_lost += 1
            _logger.warning("recogniser process %d ended unexpectedly", process.pid)
            self._processes.remove(process)
            await process.aclose()
            raise
        finally:
            process.busy = False

    def _idle(self) -> RecogniserProcess | None:
        idle = [process for process in self._processes if not process.busy]
        return min(idle, key=lambda one: one.listener is not None, default=None)  # rather one nobody streams to

    async def _start(self) -> RecogniserProcess:
        # Whoever starts a process holds a slot and found none idle, or counted them: there are never more than slots.
        self._starting += 1
        try:
            process = await RecogniserProcess.start(self._resilience)
        finally:
            self._starting -= 1
        if self._closed:
            await process.aclose()
            raise _closed()
        self._processes.append(process)
        return process


def _failed() -> ProviderError:
    return ProviderError("The speech recogniser stopped unexpectedly.", code="stt_failed")


def _closed() -> ProviderError:
    return ProviderError("The speech recogniser is closed.", code="stt_closed", retryable=False)
