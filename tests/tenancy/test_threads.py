"""Threads: one agent's slow work delays nobody else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from tests.conversation.models import ScriptedModel
from voice_host.conversation.voice_agent import VoiceAgent
from voice_host.tenancy import AgentThreads, attributed_to
from voice_host.tenancy.threads import THREADS_PER_AGENT
from voice_host_sdk import AgentConfig


@pytest.fixture
def held() -> Iterator[threading.Event]:
    """What slow tools wait for; let go at the end, so that no thread is left."""
    event = threading.Event()
    yield event
    event.set()


async def test_forty_slow_sync_tools_of_one_agent_do_not_delay_anothers(held: threading.Event) -> None:
    running = threading.Semaphore(0)

    def slow() -> str:
        """Take long."""
        running.release()
        held.wait(60)
        return "late"

    def quick() -> str:
        """Take no time."""
        return "here"

    crowd = ScriptedModel(*[("slow", {})] * 40, *["Done."] * 40).runtime(AgentConfig(tools=(slow,)))
    other = ScriptedModel(("quick", {}), "Here.").runtime(AgentConfig(tools=(quick,)))
    chats = [asyncio.create_task(VoiceAgent(runtime=crowd).chat("Go.")) for _ in range(40)]
    try:
        async with asyncio.timeout(30):
            await asyncio.to_thread(lambda: [running.acquire() for _ in range(THREADS_PER_AGENT)])
            assert (await VoiceAgent(runtime=other).chat("Go.")).text.strip() == "Here."
        assert not any(chat.done() for chat in chats)
    finally:
        for chat in chats:
            chat.cancel()
        await asyncio.wait(chats)
        held.set()
        await crowd.aclose()
        await other.aclose()


async def test_what_async_code_hands_to_threads_uses_threads_of_its_agent(held: threading.Event) -> None:
    asyncio.get_running_loop().set_default_executor(AgentThreads())

    async def slow() -> bool:
        return await asyncio.to_thread(held.wait, 60)

    async def quick() -> str:
        return await asyncio.to_thread(lambda: threading.current_thread().name)

    waiting = [asyncio.create_task(attributed_to("slow", slow)) for _ in range(40)]
    async with asyncio.timeout(30):
        assert (await attributed_to("quick", quick)).startswith("tools-quick")
        assert (await quick()).startswith("host")
    assert not any(task.done() for task in waiting)
    held.set()
    async with asyncio.timeout(30):
        await asyncio.gather(*waiting)


def test_the_host_does_not_wait_for_an_agents_thread(held: threading.Event) -> None:
    async def leave_one_behind() -> None:
        asyncio.get_running_loop().set_default_executor(AgentThreads())

        async def slow() -> None:
            await asyncio.to_thread(held.wait, 60)

        task = asyncio.create_task(attributed_to("slow", slow))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(leave_one_behind())
    assert not held.is_set()
