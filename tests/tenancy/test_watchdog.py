"""Code that holds the event loop up is found, named and counted; whoever only waits for it is not."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import select
import subprocess
import sys
import textwrap
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tests.conversation.models import ScriptedModel
from voice_host.conversation.voice_agent import VoiceAgent
from voice_host.tenancy import CodeOwners, attributed_to, watchdog, watching
from voice_host.tenancy.stack_sampler import Sample
from voice_host.tenancy.watchdog import Runs
from voice_host_sdk import AgentConfig

pytestmark = pytest.mark.real_time

THRESHOLD_MS = 60
OWNERS = CodeOwners({"slow": "slow_agent", "quick": "quick_agent"})

SLOW = """
import select  # sleeping is refused within these tests

async def look_up(seconds):
    fetch(seconds)

def fetch(seconds):
    select.select([], [], [], seconds)
"""


@pytest.fixture
async def watched(caplog: pytest.LogCaptureFixture) -> AsyncIterator[Callable[[], Any]]:
    """Watch the loop; calling it waits until a block was reported and returns the records of all so far."""
    caplog.set_level(logging.WARNING, logger="voice_host.tenancy")

    async def reported() -> list[dict[str, Any]]:
        for _ in range(500):
            if found := [record.__dict__ for record in caplog.records if is_the_block(record)]:
                return found
            await asyncio.sleep(0.01)
        pytest.fail("no block was reported")

    async with watching(OWNERS, THRESHOLD_MS):
        yield reported


def is_the_block(record: logging.LogRecord) -> bool:
    """Whether it is about what the test did; a machine under load makes the loop late by itself."""
    return record.getMessage() == "loop_blocked" and record.__dict__["blocked_ms"] >= 250


def seconds(agent_id: str) -> float:
    return REGISTRY.get_sample_value("voice_host_loop_blocked_seconds_sum", {"agent": agent_id}) or 0.0


async def test_an_agents_code_that_blocks_is_named_with_its_place(watched: Any, code_of: Any) -> None:
    before, others = seconds("slow"), seconds("quick")
    await code_of("slow_agent.tools", SLOW).look_up(0.4)
    [told] = await watched()
    assert told["agent_id"] == "slow"
    assert told["where"] == "slow_agent/tools.py:8"
    assert told["calls"][:2] == ["slow_agent/tools.py:8 fetch", "slow_agent/tools.py:5 look_up"]
    assert told["blocked_ms"] >= THRESHOLD_MS
    assert seconds("slow") - before >= told["blocked_ms"] / 1000 - 0.002
    assert seconds("quick") == others


async def test_a_tool_that_is_a_librarys_function_is_its_agents(watched: Any) -> None:
    async def library_call() -> None:  # this module belongs to no agent
        select.select([], [], [], 0.4)

    async def on_behalf_of_quick() -> None:
        await asyncio.sleep(0)

    waiting = asyncio.create_task(attributed_to("quick", on_behalf_of_quick))
    await attributed_to("slow", library_call)
    await waiting
    [told] = await watched()
    assert told["agent_id"] == "slow"
    assert told["where"].startswith("tenancy/test_watchdog.py:")


async def test_a_blocking_tool_in_a_conversation(watched: Any, code_of: Any) -> None:
    tool = code_of("slow_agent", SLOW.replace("seconds):", "seconds: float) -> str:", 1)).look_up
    model = ScriptedModel(("look_up", {"seconds": 0.4}), "Done.")
    agent = VoiceAgent(runtime=model.runtime(AgentConfig(tools=(tool,))))
    reply = await agent.chat("Look it up.")
    assert reply.text.strip() == "Done."
    [told] = await watched()
    assert (told["agent_id"], told["where"]) == ("slow", "site-packages/slow_agent.py:8")
    await agent.aclose()


async def test_the_hosts_own_code_is_nobodys(watched: Any) -> None:
    before = seconds("")
    select.select([], [], [], 0.4)
    [told] = await watched()
    assert told["agent_id"] == ""
    assert seconds("") > before


def seen(agent_id: str | None, *, idle: bool = False) -> Sample:
    return Sample(agent_id, f"{agent_id}.py:1", (), idle)


@pytest.mark.parametrize(
    ("looks", "end_s", "whose", "lasted_s"),
    [
        ([(1, "a"), (2, "a"), (3, "a")], 4, "a", 4),
        ([(1, "a"), (2, "b"), (3, "a"), (4, "b")], 5, "b", 2),
        ([(1, "b"), (2, "a"), (3, "a"), (4, "a"), (5, "b")], 5, "a", 3),
        ([(3, "a")], 3, "a", 3),  # code that holds the interpreter's lock is seen once, when it lets go
        ([], 3, None, 0),
    ],
)
def test_a_block_is_one_agents_without_a_break(
    looks: list[tuple[float, str]], end_s: float, whose: str | None, lasted_s: float
) -> None:
    runs = Runs(0.0)
    for at_s, agent_id in looks:
        runs.add(seen(agent_id), at_s)
    found, seconds = runs.longest(end_s)
    assert (found and found.agent_id, seconds) == (whose, lasted_s)


async def test_waiting_holds_nobody_up(watched: Any, caplog: pytest.LogCaptureFixture, code_of: Any) -> None:
    waiting = code_of("slow_agent", "import asyncio\n\nasync def wait(seconds):\n    await asyncio.sleep(seconds)\n")
    await waiting.wait(0.4)
    select.select([], [], [], 0.4)
    [told] = await watched()
    assert told["agent_id"] == ""


async def test_a_threshold_of_nothing_watches_nothing() -> None:
    before = threading.active_count()
    async with watching(OWNERS, 0):
        assert threading.active_count() == before


async def test_its_thread_ends_with_it() -> None:
    async with watching(OWNERS, THRESHOLD_MS):
        assert any(thread.name == "loop-watchdog" for thread in threading.enumerate())
    assert not any(thread.name == "loop-watchdog" for thread in threading.enumerate())


FORKING = """
import asyncio, os, sys, threading, time
from voice_host.observability.logs import configure_logging
from voice_host.tenancy import CodeOwners, watching

async def main():
    configure_logging("text", "info")
    async with watching(CodeOwners({}), 50):
        await asyncio.sleep(0.2)
        child = os.fork()
        if not child:
            time.sleep(0.3)
            os._exit(10 + len([t for t in threading.enumerate() if t.name == "loop-watchdog"]))
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        print("child", os.waitstatus_to_exitcode(status))
        time.sleep(0.3)
        await asyncio.sleep(0.2)

asyncio.run(main())
"""


@pytest.mark.skipif(os.name == "nt", reason="fork")
def test_a_fork_is_not_watched_and_the_parent_still_is() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(FORKING)], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "child 10\n"), done.stderr
    assert len(re.findall("loop_blocked .*where=", done.stderr)) == 1
    assert "Logging error" not in done.stderr


async def test_a_worker_without_calls_is_looked_at_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred idle workers would else use a quarter of a core."""
    loop, pings = asyncio.get_running_loop(), 0
    answer = loop.call_soon_threadsafe

    def count(*arguments: Any, **options: Any) -> asyncio.Handle:
        nonlocal pings
        pings += 1
        return answer(*arguments, **options)

    monkeypatch.setattr(loop, "call_soon_threadsafe", count)
    async with watching(OWNERS, THRESHOLD_MS, lambda: False):
        await asyncio.sleep(5 * watchdog.INTERVAL_S)
        assert pings == 0
    async with watching(OWNERS, THRESHOLD_MS, lambda: True):
        while pings < 3:  # noqa: ASYNC110
            await asyncio.sleep(watchdog.INTERVAL_S)
