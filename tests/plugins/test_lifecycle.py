"""The callbacks that run once a process: whatever they do, it ends in an outcome."""

import asyncio

import pytest

from voice_host.plugins import BrokenAgent, DiscoveredAgent, LoadedAgent, Phase, start_agent, stop_agent
from voice_host_sdk import AgentConfig, LifecycleCallbacks


def agent(callbacks: LifecycleCallbacks, *secrets: str) -> LoadedAgent:
    discovered = DiscoveredAgent("a", "agent-a", "1", "agent_a", ">=1")
    return LoadedAgent(discovered, AgentConfig(), callbacks, import_ms=5.0, secrets=secrets)


class Recording(LifecycleCallbacks):
    def __init__(self) -> None:
        self.seen: list[str] = []

    async def on_startup(self) -> None:
        self.seen.append("startup")

    async def on_shutdown(self) -> None:
        self.seen.append("shutdown")


async def test_startup_and_shutdown_run_once_each() -> None:
    callbacks = Recording()
    loaded = agent(callbacks)
    assert await start_agent(loaded, timeout_s=10) is loaded
    assert await stop_agent(loaded, timeout_s=10) is loaded
    assert callbacks.seen == ["startup", "shutdown"]


class Raising(LifecycleCallbacks):
    def __init__(self, error: BaseException) -> None:
        self.error = error

    async def on_startup(self) -> None:
        raise self.error

    on_shutdown = on_startup


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("no table"), "on_startup failed: ValueError: no table"),
        (SystemExit(3), "on_startup failed: it called sys.exit(3)"),
        (TimeoutError("theirs"), "on_startup failed: TimeoutError: theirs"),
        (asyncio.CancelledError(), "on_startup was cancelled from within"),
    ],
)
async def test_what_on_startup_raises_breaks_the_agent_alone(error: BaseException, words: str) -> None:
    outcome = await start_agent(agent(Raising(error)), timeout_s=10)
    assert isinstance(outcome, BrokenAgent)
    assert (outcome.phase, outcome.error, outcome.import_ms) == (Phase.STARTED, words, 5.0)


async def test_what_on_shutdown_raises_is_an_outcome_too() -> None:
    outcome = await stop_agent(agent(Raising(RuntimeError("key is abcdef")), "abcdef"), timeout_s=10)
    assert isinstance(outcome, BrokenAgent)
    assert (outcome.phase, outcome.error) == (Phase.STOPPED, "on_shutdown failed: RuntimeError: key is ********")


class Hanging(LifecycleCallbacks):
    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def on_startup(self) -> None:
        self.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()


@pytest.mark.fault("plugin: on_startup hangs")
async def test_an_on_startup_that_hangs_is_cancelled() -> None:
    callbacks = Hanging()
    outcome = await start_agent(agent(callbacks), timeout_s=0.01)
    assert isinstance(outcome, BrokenAgent)
    assert outcome.error == "on_startup took longer than 0.01 s"
    assert callbacks.cancelled.is_set()


async def test_cancelling_the_host_cancels_on_startup() -> None:
    callbacks = Hanging()
    starting = asyncio.create_task(start_agent(agent(callbacks), timeout_s=10))
    await callbacks.began.wait()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert callbacks.cancelled.is_set()


class Stubborn(LifecycleCallbacks):
    def __init__(self) -> None:
        self.released = asyncio.Event()

    async def on_startup(self) -> None:
        while not self.released.is_set():
            try:
                await self.released.wait()
            except asyncio.CancelledError:
                continue


async def test_an_on_startup_that_ignores_being_cancelled_is_left_behind(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("voice_host.tenancy.boundary.STOP_TIMEOUT_S", 0.01)
    callbacks = Stubborn()
    outcome = await start_agent(agent(callbacks), timeout_s=0.01)
    callbacks.released.set()  # or the loop would never end
    assert isinstance(outcome, BrokenAgent)
    assert "plugin_ignores_cancellation" in caplog.text
