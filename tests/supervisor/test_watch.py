"""When a worker is ended for its memory, as far as the tests with real workers do not show it."""

from __future__ import annotations

import asyncio

import pytest

from tests.supervisor.test_vitals import MB
from voice_host.settings import AgentSettings
from voice_host.supervisor import watch as watching
from voice_host.supervisor.vitals import Vitals
from voice_host.supervisor.watch import Ending, watch


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
