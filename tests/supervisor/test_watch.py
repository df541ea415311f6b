"""When a worker is ended, as far as the tests with real workers do not show it."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from tests.supervisor.test_vitals import MB
from voice_host.settings import AgentSettings
from voice_host.supervisor import watch as watching
from voice_host.supervisor.vitals import Vitals
from voice_host.supervisor.watch import Ending, watch

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


class Growing:
    """A worker that shares 120 MB with the zygote, and grows by 10 MB with each look."""

    pid = 1
    answers = None
    should_have_left = False

    def __init__(self) -> None:
        self.rss_mb = 120
        self.ending: Ending | None = None

    def look(self, _: int) -> Vitals:
        self.rss_mb += 10
        return Vitals(self.rss_mb * MB, 0.0)

    def ping(self) -> None:
        pass

    def end(self, ending: Ending, *, with_stack: bool = False) -> None:
        self.ending = ending


class Silent:
    """A worker that answers the first pings only."""

    pid = os.getpid()
    should_have_left = False

    def __init__(self, answered: int) -> None:
        self.pings = 0
        self._answered = answered
        self.ending: Ending | None = None
        self.with_stack = False

    @property
    def answers(self) -> bool | None:
        return self.pings <= self._answered

    def ping(self) -> None:
        self.pings += 1

    def end(self, ending: Ending, *, with_stack: bool = False) -> None:
        self.ending, self.with_stack = ending, with_stack


async def test_a_worker_that_stops_answering_is_ended_with_its_stack() -> None:
    worker = Silent(answered=2)
    async with asyncio.timeout(60):
        await watch(worker, AgentSettings(hang_s=1), leave_timeout_s=60)
    assert worker.ending == Ending("hang", "its event loop did not answer for 1 s")
    assert worker.with_stack
    assert worker.pings == 3, "it is not asked again before it has answered"


async def test_a_worker_that_nothing_keeps_is_ended_after_a_while() -> None:
    worker = Silent(answered=10_000)
    worker.should_have_left = True
    async with asyncio.timeout(60):
        await watch(worker, AgentSettings(hang_s=1), leave_timeout_s=0.6)
    assert worker.ending == Ending("stop", "it did not leave within 0.6 s")


@pytest.mark.parametrize("readable", [True, False])
async def test_memory_shared_with_the_zygote_does_not_count(monkeypatch: pytest.MonkeyPatch, readable: bool) -> None:
    """Also where only root could read what is a worker's own."""
    worker = Growing()
    monkeypatch.setattr(watching, "check_interval_s", lambda _: 0.0)
    monkeypatch.setattr(watching, "vitals", worker.look)
    monkeypatch.setattr(watching, "own_memory_bytes", lambda _: (worker.rss_mb - 120) * MB if readable else None)
    async with asyncio.timeout(10):
        await watch(worker, AgentSettings(memory_mb=100), leave_timeout_s=1)
    assert worker.ending is not None
    assert worker.ending.reason == "memory"
    assert 220 < worker.rss_mb <= 240
