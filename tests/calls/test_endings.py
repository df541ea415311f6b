"""How calls end: the callbacks, the close codes, and that nothing of them is left."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.calls.client import calling
from tests.calls.studio import Studio, studio
from tests.simulators.orpheus import Fault
from voice_host_sdk import AgentConfig, LifecycleCallbacks, Session, SessionEnd


class Recorder(LifecycleCallbacks):
    """Writes down every callback."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Any]] = []

    async def on_session_created(self, session: Session) -> None:
        self.seen.append(("created", session.id))

    async def on_user_turn(self, session: Session, turn: Any) -> None:
        self.seen.append(("turn", turn.text))

    async def on_agent_reply(self, session: Session, reply: Any) -> None:
        self.seen.append(("reply", (reply.text, reply.interrupted)))

    async def on_tool_call(self, session: Session, call: Any) -> None:
        self.seen.append(("tool", call.name))

    async def on_error(self, session: Session, error: Any) -> None:
        self.seen.append(("error", error.code))

    async def on_session_destroyed(self, session: Session, end: SessionEnd) -> None:
        self.seen.append(("destroyed", end.reason))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.seen]


async def assert_nothing_is_left(s: Studio) -> None:
    """The call's handler has returned, and no task, socket or session of it remains."""
    await s.until(lambda s: len(s.leaks) == 1)
    assert s.leaks == [[]]
    assert await s.manager.active_sessions() == 0
    await s.tts.until(lambda tts: tts.open_connections == 0)
    for session in s.stt.sessions:
        await s.stt.until(lambda _, session=session: session.close_code is not None)


async def test_hanging_up_runs_the_callbacks_in_order_and_leaves_nothing() -> None:
    recorder = Recorder()
    async with studio(AgentConfig(greeting="Hello."), callbacks=recorder) as s:
        s.llm.reply("At nine.")
        async with calling(s.url) as caller:
            await caller.expect("metrics", reply=1)
            await caller.type("When?")
            await caller.expect("metrics", reply=2)
        await assert_nothing_is_left(s)
    assert recorder.names == ["created", "reply", "turn", "reply", "destroyed"]
    assert recorder.seen[-1] == ("destroyed", "goodbye")


@pytest.mark.fault("caller: vanishes")
async def test_a_client_that_vanishes_in_the_middle_of_a_reply_leaves_nothing() -> None:
    recorder = Recorder()
    async with studio(callbacks=recorder, ms_per_word=400, resume_grace_s=0) as s:
        s.llm.reply("One two three four five six seven eight.")
        async with calling(s.url) as caller:
            await caller.type("Count")
            await caller.expect("audio", count=2)
            caller.ws.transport.abort()
            await assert_nothing_is_left(s)
    assert recorder.seen[-1] == ("destroyed", "lost")
    assert recorder.names.count("destroyed") == 1


@pytest.mark.fault("caller: vanishes")
async def test_a_client_that_vanishes_while_the_model_thinks_leaves_nothing() -> None:
    async with studio(resume_grace_s=0) as s:
        never = asyncio.Event()
        s.llm.reply("Hello", gates={0: never})
        async with calling(s.url) as caller:
            await caller.type("Hi")
            await s.llm.request(0)
            caller.ws.transport.abort()
            await assert_nothing_is_left(s)


@pytest.mark.parametrize("fault", [Fault.FAIL_MID_AUDIO, Fault.STALL, Fault.DROP_BEFORE_AUDIO])
async def test_a_voice_that_fails_leaves_nothing(fault: Fault) -> None:
    async with studio() as s:
        s.llm.reply("Hello there.")
        s.tts.faults.append(fault)
        async with calling(s.url) as caller:
            await caller.type("Hi")
            await caller.expect("chat")
            await s.tts.until(lambda tts: len(tts.utterances) > 0)
        await assert_nothing_is_left(s)


async def test_speech_to_text_that_fails_leaves_nothing() -> None:
    async with studio() as s:
        async with calling(s.url):
            session = await s.stt.connected()
            session.drop()
            await s.stt.connected(2)
        await assert_nothing_is_left(s)


async def test_a_tool_under_way_is_stopped_with_its_call() -> None:
    stopped = asyncio.Event()
    started = asyncio.Event()

    async def wait() -> str:
        """Wait for ever."""
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return "never"

    async with studio(AgentConfig(tools=(wait,))) as s:
        s.llm.call_tool("wait")
        async with calling(s.url) as caller:
            await caller.type("Go")
            await started.wait()
        await assert_nothing_is_left(s)
        assert stopped.is_set()


@pytest.mark.fault("plugin: refuses a session")
async def test_the_agent_may_refuse_a_call() -> None:
    class Refusing(Recorder):
        async def on_session_starting(self, session: Session, config: AgentConfig) -> AgentConfig:
            raise RuntimeError("the database password is hunter2")

    recorder = Refusing()
    async with studio(callbacks=recorder) as s, calling(s.url) as caller:
        code, reason = await caller.ended()
        assert code == 4500
        assert "hunter2" not in reason
        assert caller.frames == []
        assert await s.manager.active_sessions() == 0
    assert recorder.names == []


async def test_the_agent_may_be_configured_for_the_caller_and_mistakes_are_refused() -> None:
    class PerCaller(LifecycleCallbacks):
        async def on_session_starting(self, session: Session, config: AgentConfig) -> AgentConfig:
            if session.metadata.get("name") == "nobody":
                return config.model_copy(update={"max_steps": "many"})
            return config.model_copy(update={"greeting": f"Hello {session.metadata['name']}."})

    async with studio(callbacks=PerCaller()) as s:
        async with calling(s.url + "?name=Anna&token=secret") as caller:
            assert (await caller.expect("greeting"))["text"] == "Hello Anna."
        async with calling(s.url + "?name=nobody") as caller:
            assert (await caller.ended())[0] == 4500


async def test_shutdown_tells_the_caller_and_ends_the_session_once() -> None:
    recorder = Recorder()
    async with studio(callbacks=recorder) as s, calling(s.url) as caller:
        await caller.expect("ready")
        await s.manager.aclose_all()
        assert (await caller.expect("error"))["fatal"] is True
        assert await caller.ended() == (4504, "the server is shutting down")
        await assert_nothing_is_left(s)
    assert [seen for seen in recorder.seen if seen[0] == "destroyed"] == [("destroyed", "shutdown")]


async def test_removing_a_connected_session_ends_its_call() -> None:
    recorder = Recorder()
    async with studio(callbacks=recorder) as s, calling(s.url) as caller:
        ready = await caller.expect("ready")
        assert await s.manager.remove(ready["session_id"])
        assert (await caller.ended())[0] == 1000
        assert not await s.manager.remove(ready["session_id"])
    assert recorder.names == ["created", "destroyed"]


@pytest.mark.fault("plugin: callback fails or hangs")
async def test_callbacks_that_fail_or_hang_cost_nobody_the_call() -> None:
    class Bad(LifecycleCallbacks):
        async def on_session_created(self, session: Session) -> None:
            raise SystemExit(1)

        async def on_user_turn(self, session: Session, turn: Any) -> None:
            await asyncio.Event().wait()

        async def on_agent_reply(self, session: Session, reply: Any) -> None:
            raise ValueError("no")

    async with studio(callbacks=Bad(), callback_timeout_s=0.05) as s:
        s.llm.reply("Hello.")
        async with calling(s.url) as caller:
            await caller.type("Hi")
            await caller.expect("metrics")
        await assert_nothing_is_left(s)


async def test_the_subprotocol_is_echoed_and_a_token_is_not() -> None:
    async with studio() as s:
        async with calling(s.url, subprotocols=["voice-host.v1", "voice-host.token.secret"]) as caller:
            assert caller.ws.subprotocol == "voice-host.v1"
        async with calling(s.url) as caller:
            assert caller.ws.subprotocol is None
