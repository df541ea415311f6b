"""A thread pool in which a model works for all calls."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

from voice_host_sdk import ProviderError

_logger = logging.getLogger(__name__)

_P = ParamSpec("_P")
_T = TypeVar("_T")

_MOST_THREADS = 4


class ModelThreads:
    """A thread pool with a bounded queue.

    All threads share one onnxruntime session, which releases the GIL while it works.

    Args:
        kind: `stt` or `tts`, the prefix of error codes.
        waiting_per_thread: jobs that may be queued for each thread; more are refused.
        threads: default: one for each core, at most 4.
    """

    def __init__(self, kind: str, *, waiting_per_thread: int, threads: int | None = None) -> None:
        self._kind = kind
        self._threads = threads or usable_threads()
        self._most_jobs = self._threads * (1 + waiting_per_thread)
        self._executor = ThreadPoolExecutor(self._threads, thread_name_prefix=f"embedded-{kind}")
        self._lock = threading.Lock()  # jobs end in their threads
        self._jobs = 0
        self._closed = False

    @property
    def idle(self) -> bool:
        """Whether a job would start at once."""
        return self._jobs < self._threads

    def require_open(self) -> None:
        """Raise `ProviderError` (`..._closed`) after `aclose()`."""
        if self._closed:
            raise error(self._kind, "closed", "is closed", retryable=False)

    async def run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run `work` in a thread. Cancelling removes it from the queue, or drops its result if it is running.

        Raises:
            ProviderError: `..._busy` if the queue is full, `..._closed` after `aclose()`, `..._failed` if the work
                raises. A `ProviderError` of the work itself is raised unchanged.
        """
        self.require_open()
        if self._jobs >= self._most_jobs:
            raise busy(self._kind)
        with self._lock:
            self._jobs += 1
        try:
            job = self._executor.submit(self._guarded, partial(work, *args, **kwargs))
        except BaseException:
            self._ended()
            raise
        job.add_done_callback(self._ended)
        try:
            return await asyncio.wrap_future(job)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._closed and task is not None and not task.cancelling():  # `aclose()` removed it
                self.require_open()
            raise

    async def aclose(self) -> None:
        """Shut the pool down after the running jobs. Queued jobs are dropped. Idempotent."""
        self._closed = True
        await asyncio.to_thread(self._executor.shutdown, cancel_futures=True)

    def _guarded(self, work: Callable[[], _T]) -> _T:
        try:
            return work()
        except ProviderError:
            raise
        except BaseException as cause:  # a `StopIteration`, for example, would never reach the caller
            _logger.warning("the embedded %s model failed", self._kind, exc_info=cause)
            raise error(self._kind, "failed", "failed") from cause

    def _ended(self, _job: Future[Any] | None = None) -> None:
        with self._lock:
            self._jobs -= 1


def busy(kind: str) -> ProviderError:
    """Return the error for a request beyond what may be queued. `kind`: `stt` or `tts`."""
    return error(kind, "busy", "is overloaded")


def error(kind: str, code: str, what: str, *, retryable: bool = True) -> ProviderError:
    """Return an error of the recogniser (`kind` is `stt`) or of the voice (`tts`)."""
    name = "speech recogniser" if kind == "stt" else "voice"
    return ProviderError(f"The embedded {name} {what}.", code=f"{kind}_{code}", retryable=retryable)


def usable_threads() -> int:
    """Return one for each core that this process may use, at most 4."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _MOST_THREADS)
