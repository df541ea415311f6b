from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from voice_host.speech.embedded.model_threads import ModelThreads
from voice_host_sdk import ProviderError


@pytest.fixture
async def threads() -> AsyncIterator[ModelThreads]:
    threads = ModelThreads("stt", waiting_per_thread=2, threads=1)
    yield threads
    await threads.aclose()


class Gate:
    """Work that goes on until it is let."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.open = threading.Event()

    def work(self) -> str:
        self.begun.set()
        self.open.wait(30)
        return "done"


async def test_a_full_queue_refuses_what_comes_next(threads: ModelThreads) -> None:
    gate = Gate()
    assert threads.idle
    jobs = [asyncio.create_task(threads.run(gate.work)) for _ in range(3)]
    await asyncio.to_thread(gate.begun.wait, 30)
    assert not threads.idle
    with pytest.raises(ProviderError) as refused:
        await threads.run(gate.work)
    assert (refused.value.code, refused.value.retryable) == ("stt_busy", True)
    gate.open.set()
    assert await asyncio.gather(*jobs) == ["done"] * 3
    assert await threads.run(str.upper, "there is room again") == "THERE IS ROOM AGAIN"


async def test_cancelling_gives_up_the_place_in_the_queue(threads: ModelThreads) -> None:
    gate, ran = Gate(), []
    first = asyncio.create_task(threads.run(gate.work))
    await asyncio.to_thread(gate.begun.wait, 30)
    waiting = [asyncio.create_task(threads.run(ran.append, number)) for number in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.wait(waiting[:1])
    assert waiting[0].cancelled()
    third = asyncio.create_task(threads.run(ran.append, 2))
    await asyncio.sleep(0)
    gate.open.set()
    await asyncio.gather(first, waiting[1], third)
    assert ran == [1, 2]


async def test_work_that_was_begun_is_dropped_when_nobody_waits(threads: ModelThreads) -> None:
    gate = Gate()
    job = asyncio.create_task(threads.run(gate.work))
    await asyncio.to_thread(gate.begun.wait, 30)
    job.cancel()
    await asyncio.wait([job])
    gate.open.set()
    assert await threads.run(str.upper, "next") == "NEXT"


async def test_what_work_raises_is_told_without_its_words(threads: ModelThreads) -> None:
    with pytest.raises(ProviderError) as failed:
        await threads.run(int, "what the caller said")
    assert failed.value.code == "stt_failed"
    assert "caller" not in str(failed.value)
    with pytest.raises(ProviderError) as failed:
        await threads.run(lambda: next(iter(())))  # StopIteration, which a future cannot carry
    assert failed.value.code == "stt_failed"


async def test_closing_refuses_what_waits_and_ends_the_threads() -> None:
    threads = ModelThreads("tts", waiting_per_thread=2, threads=1)
    gate = Gate()
    jobs = [asyncio.create_task(threads.run(gate.work)) for _ in range(3)]
    await asyncio.to_thread(gate.begun.wait, 30)
    closing = asyncio.create_task(threads.aclose())
    await asyncio.wait(jobs[1:])
    assert [job.exception().code for job in jobs[1:]] == ["tts_closed"] * 2  # type: ignore[union-attr]
    gate.open.set()
    await closing
    assert await jobs[0] == "done"
    with pytest.raises(ProviderError) as refused:
        await threads.run(gate.work)
    assert (refused.value.code, refused.value.retryable) == ("tts_closed", False)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("embedded-tts")]
