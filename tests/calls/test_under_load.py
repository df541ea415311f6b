"""Twenty calls at once, half of them with a plugin that misbehaves; and what is left when many calls have ended."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tests.calls.client import TestCaller, calling
from tests.calls.studio import Studio, studio
from tests.simulators.gateway import GatewayRequest
from tests.simulators.gateway_script import Reply, Script
from tests.simulators.orpheus import Fault
from voice_host_sdk import AgentConfig, LifecycleCallbacks, Session, SessionEnd, tool

HOURS = "At nine."


# --- a plugin that does what it is asked to -----------------------------------------------------------------------


async def misbehave(how: str) -> Any:
    match how:
        case "raises":
            raise ValueError("the secret is 42")
        case "exits":
            raise SystemExit(3)
        case "cancels":
            raise asyncio.CancelledError
        case "hangs":
            await asyncio.Event().wait()
    return {object(): object()}  # nonsense


class Misbehaving(LifecycleCallbacks):
    """Every callback of a session whose metadata name it does so; the ends are counted."""

    def __init__(self) -> None:
        self.begun: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()

    async def on_session_starting(self, session: Session, config: AgentConfig) -> AgentConfig:
        if how := session.metadata.get("starting"):
            answer: AgentConfig = await misbehave(how)
            return answer
        return config

    async def on_session_created(self, session: Session) -> None:
        self.begun[session.id] += 1
        if how := session.metadata.get("callbacks"):
            await misbehave(how)

    async def on_user_turn(self, session: Session, turn: Any) -> None:
        if how := session.metadata.get("callbacks"):
            await misbehave(how)

    async def on_agent_reply(self, session: Session, reply: Any) -> None:
        if how := session.metadata.get("callbacks"):
            await misbehave(how)

    async def on_session_destroyed(self, session: Session, end: SessionEnd) -> None:
        self.ended[session.id] += 1
        if how := session.metadata.get("callbacks"):
            await misbehave(how)


@tool(timeout_s=0.2)
async def risky(session: Session) -> Any:
    """Do what the caller's metadata say."""
    return await misbehave(str(session.metadata["tool"]))


def answer(request: GatewayRequest) -> Script:
    """Call the tool for those who ask for it, then answer; a tool's failure is no reason not to."""
    last = request.messages[-1]
    wants_tool = last["role"] == "user" and "risky" in str(last["content"])
    return Reply([], [("risky", {})]) if wants_tool else Reply([HOURS])


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, {"agent": "desk", **labels}) or 0.0


def callback_failures(name: str) -> float:
    """Those that failed, and those that were dropped at the end because the one before hung."""
    failed = counted("voice_host_callback_errors_total", callback=name)
    return failed + counted("voice_host_callbacks_dropped_total", callback=name)


async def one_call(s: Studio, query: str, text: str) -> TestCaller:
    async with calling(f"{s.url}{query}") as caller:
        await caller.type(text)
        await caller.expect("metrics", reply=1, timeout_s=30)
        return caller


async def refused_call(s: Studio, query: str) -> int | None:
    async with calling(f"{s.url}{query}") as caller:
        return (await caller.ended(30))[0]


KINDS = ("raises", "exits", "cancels", "hangs", "nonsense")


@pytest.mark.fault("plugin: misbehaves while other calls run")
async def test_a_plugin_that_misbehaves_costs_other_calls_nothing() -> None:
    plugin = Misbehaving()
    async with studio(AgentConfig(tools=(risky,)), callbacks=plugin, callback_timeout_s=0.2) as s:
        s.llm.handle(answer)
        names = ("on_session_created", "on_user_turn", "on_agent_reply", "on_session_destroyed")
        failures = [callback_failures(name) for name in names]
        tools = counted("voice_host_tool_calls_total", ok="false")
        async with asyncio.TaskGroup() as group:
            fine = [group.create_task(one_call(s, "", "When?")) for _ in range(5)]
            callbacks = [group.create_task(one_call(s, f"?callbacks={how}", "When?")) for how in KINDS]
            with_tool = [group.create_task(one_call(s, f"?tool={how}", "risky")) for how in KINDS]
            not_begun = [group.create_task(refused_call(s, f"?starting={how}")) for how in KINDS]
        for task in (*fine, *callbacks, *with_tool):
            caller = task.result()
            assert [chat["text"] for chat in caller.all("chat")] == [HOURS]
            assert caller.audio
            assert not caller.all("error")
        assert [task.result() for task in not_begun] == [4500] * len(KINDS)
        await s.manager.aclose_all()  # waits for the last callbacks
        assert all(count == 1 for count in (*plugin.begun.values(), *plugin.ended.values()))
        assert plugin.begun.keys() == plugin.ended.keys()
        assert len(plugin.begun) == 15
        for name, before in zip(names, failures, strict=True):
            # Nonsense that a callback returns is nobody's business; all else is counted.
            assert callback_failures(name) - before == len(KINDS) - 1, name
        assert counted("voice_host_tool_calls_total", ok="false") - tools == len(KINDS) - 1


# --- nothing is left ----------------------------------------------------------------------------------------------


async def talk(caller: TestCaller) -> None:
    await caller.type("When?")
    await caller.expect("metrics", reply=1)


async def says_goodbye(s: Studio) -> None:
    async with calling(s.url) as caller:
        await talk(caller)


async def vanishes_in_a_reply(s: Studio) -> None:
    async with calling(s.url) as caller:
        await caller.type("When?")
        await caller.expect("audio")
        caller.ws.transport.abort()


async def comes_back(s: Studio) -> None:
    async with calling(s.url) as first:
        await talk(first)
        first.ws.transport.abort()
    await s.until(lambda s: s.manager.parked_sessions > 0)
    async with calling(f"{s.url}?resume={first.all('ready')[0]['resume_token']}") as second:
        await second.expect("ready", resumed=True)


async def is_replaced(s: Studio) -> None:
    async with calling(s.url) as first:
        await talk(first)
        async with calling(f"{s.url}?resume={first.all('ready')[0]['resume_token']}") as second:
            await second.expect("ready", resumed=True)
            await first.ended()


async def is_refused(s: Studio) -> None:
    assert await refused_call(s, "?starting=raises") == 4500
    assert await refused_call(s, "?resume=nothing") == 4401


async def has_a_plugin_that_fails(s: Studio) -> None:
    await one_call(s, "?tool=hangs&callbacks=raises", "risky")


async def loses_its_voice(s: Studio) -> None:
    s.tts.faults.append(Fault.FAIL_MID_AUDIO)
    async with calling(s.url) as caller:
        await talk(caller)


async def loses_its_recogniser(s: Studio) -> None:
    known = len(s.stt.sessions)
    async with calling(s.url) as caller:
        await s.stt.until(lambda stt: len(stt.sessions) > known)
        s.stt.sessions[-1].drop()
        await talk(caller)


async def loses_its_model(s: Studio) -> None:
    s.llm.script(Reply(["At "], cut="reset"))
    async with calling(s.url) as caller:
        await talk(caller)


async def is_removed(s: Studio) -> None:
    async with calling(s.url) as caller:
        await talk(caller)
        await s.manager.remove(caller.all("ready")[0]["session_id"])
        await caller.ended()


FATES: list[Callable[[Studio], Any]] = [
    says_goodbye,
    vanishes_in_a_reply,
    comes_back,
    is_replaced,
    is_refused,
    has_a_plugin_that_fails,
    loses_its_voice,
    loses_its_recogniser,
    loses_its_model,
    is_removed,
]


def held() -> dict[str, int]:
    """What this process holds, simulators and clients included."""
    gc.collect()
    return {
        "descriptors": len(list(Path(f"/proc/{os.getpid()}/fd").iterdir())),
        "threads": threading.active_count(),
        "tasks": len(asyncio.all_tasks()),
    }


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts descriptors in /proc")
@pytest.mark.fault("process: many calls of every fate")
async def test_no_task_thread_or_descriptor_is_left_of_calls_of_every_fate() -> None:
    async with studio(AgentConfig(tools=(risky,)), callbacks=Misbehaving(), resume_grace_s=0.2) as s:
        s.llm.handle(answer)

        async def round_of_calls() -> dict[str, int]:
            for fate in FATES:
                await fate(s)
            async with asyncio.timeout(15):
                while await s.manager.active_sessions() or s.tts.open_connections:  # noqa: ASYNC110 (the sweeper ends some)
                    await asyncio.sleep(0.02)
                while any(session.close_code is None for session in s.stt.sessions):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            return held()

        await round_of_calls()  # opens what stays open: the model's connection, threads
        first = await round_of_calls()
        last = await round_of_calls()
        assert all(last[kind] <= first[kind] for kind in first), (first, last)
