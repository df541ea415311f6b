from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.providers.embedded.speech import clip
from voice_host.providers.embedded.stt import recogniser_worker
from voice_host.providers.embedded.stt.partial_recogniser import PartialRecogniser
from voice_host.providers.embedded.stt.recogniser_pool import RecogniserPool
from voice_host.settings import ResilienceSettings
from voice_host_sdk import ProviderError

WEATHER = clip("whats_the_weather_like.wav")


@pytest.fixture
async def pool() -> AsyncIterator[RecogniserPool]:
    pool = RecogniserPool(1)
    yield pool
    await pool.aclose()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - the pool tells nobody
            await asyncio.sleep(0.005)


async def test_processes_start_when_they_are_needed_and_are_kept(pool: RecogniserPool) -> None:
    assert pool.pids == ()
    assert await pool.recognise(WEATHER) == "what's the weather like"
    pids = pool.pids
    assert len(pids) == 1
    assert await asyncio.gather(*(pool.recognise(WEATHER) for _ in range(2))) == ["what's the weather like"] * 2
    assert pool.pids == pids
    assert pool.counters.utterances == 3


@pytest.mark.fault("process: a recogniser process dies")
async def test_a_process_that_dies_is_replaced_and_its_utterance_tried_again(pool: RecogniserPool) -> None:
    await pool.warm(1)
    (first,) = pool.pids
    job = asyncio.create_task(pool.recognise(clip("go_forward_ten_meters.wav")))
    await until(lambda: pool.busy)
    os.kill(first, signal.SIGKILL)
    assert await job == "go forward ten meters"
    assert first not in pool.pids
    assert pool.counters.processes_lost == 1


async def test_an_utterance_that_kills_every_process_fails(pool: RecogniserPool) -> None:
    await pool.warm(1)
    os.kill(pool.pids[0], signal.SIGSTOP)  # it takes the request and never answers
    (first,) = pool.pids
    job = asyncio.create_task(pool.recognise(WEATHER))
    await until(lambda: pool.busy)
    os.kill(first, signal.SIGKILL)
    await until(lambda: len(pool.pids) == 1 and first not in pool.pids)
    (second,) = pool.pids
    os.kill(second, signal.SIGKILL)
    with pytest.raises(ProviderError) as failed:
        await job
    assert failed.value.code == "stt_failed"
    assert pool.counters.processes_lost == 2
    assert await pool.recognise(WEATHER) == "what's the weather like"


@pytest.mark.parametrize("limit", ["embedded_start_timeout_s", "embedded_answer_timeout_s"])
async def test_how_long_a_process_may_take_is_a_setting(limit: str) -> None:
    pool = RecogniserPool(1, ResilienceSettings.model_validate({limit: 0.001}))
    with pytest.raises(ProviderError) as failed:
        await pool.recognise(WEATHER)
    assert failed.value.code == "stt_failed"
    assert pool.pids == ()
    await pool.aclose()


async def test_a_full_queue_refuses_and_counts(pool: RecogniserPool) -> None:
    await pool.warm(1)
    (pid,) = pool.pids
    os.kill(pid, signal.SIGSTOP)
    working = asyncio.create_task(pool.recognise(WEATHER))
    await until(lambda: pool.busy)
    queued = [asyncio.create_task(pool.recognise(WEATHER)) for _ in range(8)]
    await until(lambda: pool.counters.utterances == 9)
    with pytest.raises(ProviderError) as refused:
        await pool.recognise(WEATHER)
    assert refused.value.code == "stt_busy"
    assert pool.counters.refused == 1
    for job in queued:
        job.cancel()  # they give up their places
    await asyncio.wait(queued)
    last = asyncio.create_task(pool.recognise(WEATHER))
    os.kill(pid, signal.SIGCONT)
    assert await asyncio.gather(working, last) == ["what's the weather like"] * 2
    assert pool.pids == (pid,)


async def test_a_cancelled_utterance_does_not_confuse_the_next_one(pool: RecogniserPool) -> None:
    await pool.warm(1)
    dropped = asyncio.create_task(pool.recognise(clip("go_forward_ten_meters.wav")))
    await until(lambda: pool.busy)
    dropped.cancel()
    assert await pool.recognise(WEATHER) == "what's the weather like"
    assert dropped.cancelled()


async def test_partials_use_an_idle_process_and_give_way(pool: RecogniserPool) -> None:
    await pool.warm(1)
    partials, others = PartialRecogniser(pool), PartialRecogniser(pool)
    heard = [await partials.recognise(WEATHER[:length]) for length in (16_000, 32_000, 48_000)]
    assert heard[-1] is not None
    assert "weather" in heard[-1]
    assert await others.recognise(WEATHER) is None  # the only process is taken
    assert await pool.recognise(WEATHER) == "what's the weather like"
    assert not pool.holds(partials)
    assert "weather" in (await partials.recognise(WEATHER) or "")  # begins again
    partials.close()
    assert await others.recognise(WEATHER) is not None


async def test_partials_do_without_a_process_that_died(pool: RecogniserPool) -> None:
    await pool.warm(1)
    partials = PartialRecogniser(pool)
    await partials.recognise(WEATHER[:16_000])
    os.kill(pool.pids[0], signal.SIGKILL)
    assert await partials.recognise(WEATHER[:32_000]) is None
    assert pool.counters.processes_lost == 1


async def test_closing_ends_processes_and_what_waits_for_them() -> None:
    pool = RecogniserPool(2)
    await pool.warm(5)
    pids = pool.pids
    assert len(pids) == 2
    jobs = [asyncio.create_task(pool.recognise(WEATHER)) for _ in range(6)]
    await until(lambda: pool.counters.utterances == 6)
    await pool.aclose()
    await pool.aclose()
    assert {job.code for job in await asyncio.gather(*jobs, return_exceptions=True)} == {"stt_closed"}
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    with pytest.raises(ProviderError):
        await pool.recognise(WEATHER)


def test_there_must_be_a_process() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        RecogniserPool(0)


def test_a_worker_ends_with_its_host_and_ignores_an_interrupt() -> None:
    worker = subprocess.Popen(
        [sys.executable, "-P", str(Path(recogniser_worker.__file__))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        assert worker.stderr is not None
        assert worker.stdout.read(recogniser_worker.LENGTH.size) == bytes(4)
        worker.send_signal(signal.SIGINT)
        request = WEATHER[:16_000]
        worker.stdin.write(recogniser_worker.HEADER.pack(len(request), recogniser_worker.FULL) + request)
        worker.stdin.flush()
        (length,) = recogniser_worker.LENGTH.unpack(worker.stdout.read(recogniser_worker.LENGTH.size))
        assert len(worker.stdout.read(length)) == length
        worker.stdin.close()
        assert worker.wait(10) == 0
        assert worker.stderr.read() == b""
