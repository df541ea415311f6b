"""A session is suspended in one manager and continued in another, which shares nothing with it but the bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.calls.test_endings import Recorder
from voice_host import VoiceAgentManager, VoiceSessionHandler
from voice_host.conversation.runtime import AgentRuntime
from voice_host.models import ResolvedModel
from voice_host.sessions.refusals import SessionRefused, ShuttingDown
from voice_host.sessions.resume_state import MAX_STATE_BYTES, ResumeState, ResumeStateError, ResumeStateTooLarge
from voice_host.speech.select import SpeechProviders
from voice_host.testing import CallTool, Say, ScriptedModel, Think, in_virtual_time
from voice_host.testing.call import TestCall
from voice_host.testing.ears import ScriptedEars
from voice_host.testing.virtual_time import VirtualLoop, run_in_virtual_time
from voice_host.testing.voice import ScriptedVoice
from voice_host_sdk import AgentConfig, Session, SilenceConfig, tool

COUNT = "One two three four five six seven eight nine ten eleven twelve."


@asynccontextmanager
async def process(
    config: AgentConfig,
    model: ScriptedModel,
    *,
    callbacks: Recorder | None = None,
    agent_id: str = "desk",
    clock_s: float | None = None,
    **options: Any,
) -> AsyncIterator[VoiceAgentManager]:
    """A manager of its own, as another process would have it. `clock_s`: what its clock shows at first."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    if clock_s is not None:
        loop.now_s = clock_s
    runtime = AgentRuntime(agent_id, config, ResolvedModel("scripted", model.as_model()))
    manager = VoiceAgentManager(runtime=runtime, callbacks=callbacks, **options)
    try:
        yield manager
    finally:
        await manager.aclose_all()
        await runtime.aclose()


async def call(manager: VoiceAgentManager, query: Mapping[str, str] | None = None) -> TestCall:
    """Call the agent, or come back to a session of it."""
    ears, voice = ScriptedEars(), ScriptedVoice(100)
    caller = TestCall(ears, voice, [])
    handler = VoiceSessionHandler(agent_manager=manager, speech=SpeechProviders(ears, voice))
    caller.dial(lambda ws, by: handler.handle(ws, caller=by), query or {}, None)
    await caller.pick_up(hear_greeting=False)
    return caller


def frames(caller: TestCall, kind: str) -> list[dict[str, Any]]:
    return [frame for frame in caller.frames if frame["type"] == kind]


async def said(caller: TestCall, asked: str = "") -> str:
    """Let the call go on for a while, after asking something, and return what the agent said last."""
    if asked:
        await caller.type(asked)
    await caller.wait(10)
    return str(frames(caller, "chat")[-1]["text"])


def ready(caller: TestCall) -> dict[str, Any]:
    return frames(caller, "ready")[0]


def token_of(caller: TestCall) -> dict[str, str]:
    return {"resume": ready(caller)["resume_token"]}


async def remember(session: Session, word: str) -> str:
    """Remember a word."""
    session.state |= {"word": word, "socket": object()}
    return "noted"


async def recall(session: Session) -> str:
    """Recall the word."""
    return f"{session.state['word']} of {sorted(session.state)}, {session.metadata['page']}"


def test_a_conversation_continues_in_another_process() -> None:
    config = AgentConfig(greeting="Hello.", tools=(remember, recall))

    async def begin() -> tuple[bytes, dict[str, Any]]:
        recorder = Recorder()
        async with process(config, ScriptedModel(CallTool("remember", word="plum"), COUNT), callbacks=recorder) as here:
            caller = await call(here, {"page": "menu"})
            await caller.wait(10)
            await caller.type("Remember plum")
            await caller.wait(0.6)
            await caller.lose_connection()
            assert here.parked_sessions == 1
            state = here.suspend(ready(caller)["session_id"])
            assert await here.active_sessions() == here.parked_sessions == 0
        assert recorder.names == ["created", "reply", "turn", "tool", "reply"], "nobody was told of an end"
        return state.to_bytes(), ready(caller)

    async def go_on(data: bytes, before: dict[str, Any]) -> None:
        recorder, model = Recorder(), ScriptedModel(CallTool("recall"), "Plum.")
        async with process(config, model, callbacks=recorder, clock_s=3.0) as there:
            await there.restore(ResumeState.from_bytes(data), elapsed_s=5.0)
            caller = await call(there, {"resume": before["resume_token"]})
            again = ready(caller)
            assert (again["resumed"], again["session_id"]) == (True, before["session_id"])
            assert again["resume_token"] != before["resume_token"]
            rest = await said(caller)
            assert COUNT.endswith(rest)
            assert 0 < len(rest) < len(COUNT)
            assert await said(caller, "Which word?") == "Plum."
            assert [frame["reply"] for frame in frames(caller, "chat")] == [3, 4], "ids of replies go on"
            assert model.asked[-1].results == ("plum of ['word'], menu",)
            history = model.asked[-1].history
            assert history[:3] == ("agent: Hello.", "caller: Remember plum", "tool: noted")
            assert history[3].startswith("agent: One")
            assert "[interrupted by the caller]" in history[3]
            await caller.leave()
        assert recorder.names == ["reply", "turn", "tool", "reply", "destroyed"]

    run_in_virtual_time(go_on(*run_in_virtual_time(begin())))


def test_a_turn_that_nothing_was_said_to_is_answered_there() -> None:
    async def begin() -> tuple[bytes, dict[str, str]]:
        async with process(AgentConfig(), ScriptedModel([Think(60), Say("Too late.")])) as here:
            caller = await call(here)
            await caller.type("When do you open?")
            await caller.lose_connection()
            return here.suspend(ready(caller)["session_id"]).to_bytes(), token_of(caller)

    async def go_on(data: bytes, token: dict[str, str]) -> None:
        model = ScriptedModel("At nine.")
        async with process(AgentConfig(), model, clock_s=0.0) as there:
            await there.restore(ResumeState.from_bytes(data))
            caller = await call(there, token)
            assert await said(caller) == "At nine."
            assert model.asked[0].history == ("caller: When do you open?",)
            assert not frames(caller, "turn"), "it was announced before"
            await caller.leave()

    run_in_virtual_time(go_on(*run_in_virtual_time(begin())))


def test_the_limit_of_the_call_and_its_duration_go_on() -> None:
    config = AgentConfig(silence=SilenceConfig(nudge_after_s=None, idle_timeout_s=None, max_call_s=100))

    async def begin() -> tuple[bytes, dict[str, str]]:
        async with process(config, ScriptedModel()) as here:
            caller = await call(here)
            await caller.wait(50)
            await caller.lose_connection()
            await asyncio.sleep(10)
            return here.suspend(ready(caller)["session_id"]).to_bytes(), token_of(caller)

    async def go_on(data: bytes, token: dict[str, str]) -> None:
        async with process(config, ScriptedModel(), clock_s=7.0) as there:
            await there.restore(ResumeState.from_bytes(data), elapsed_s=20)
            session = there.sessions()[0]
            assert now_s() - session.created_at == pytest.approx(80, abs=0.1)
            caller = await call(there, token)
            await caller.wait(19)
            assert there.connected_calls == 1
            await caller.wait(2)
            assert await there.active_sessions() == 0
            await caller.leave()

    run_in_virtual_time(go_on(*run_in_virtual_time(begin())))


def now_s() -> float:
    return asyncio.get_running_loop().time()


@in_virtual_time
async def test_a_state_taken_during_a_call_continues_it_elsewhere() -> None:
    model = ScriptedModel("On Sunday, too.", "At nine.")
    async with (
        process(AgentConfig(greeting="Hello."), ScriptedModel("At nine.", [Think(60), "Too late."])) as here,
        process(AgentConfig(), model) as there,
    ):
        caller = await call(here)
        await caller.wait(10)
        assert await said(caller, "When do you open?") == "At nine."
        session_id = ready(caller)["session_id"]
        between_replies = here.resume_state(session_id)
        assert between_replies.call is not None
        assert (between_replies.call.turns.reply, between_replies.call.unanswered) == (2, "")
        await caller.type("And on Sunday?")
        data = here.resume_state(session_id).to_bytes()
        assert here.connected_calls == 1

        await there.restore(ResumeState.from_bytes(data))  # as if the process had died
        again = await call(there, token_of(caller))
        assert await said(again) == "On Sunday, too."
        assert [frame["reply"] for frame in frames(again, "chat")] == [4]
        assert model.asked[0].history == (
            "agent: Hello.",
            "caller: When do you open?",
            "agent: At nine.",
            "caller: And on Sunday?",
        )
        await again.leave()
        await caller.leave()


@in_virtual_time
async def test_what_the_agent_asked_for_meanwhile_is_done_there() -> None:
    async with process(AgentConfig(), ScriptedModel()) as here, process(AgentConfig(), ScriptedModel()) as there:
        caller = await call(here)
        await caller.lose_connection()
        session = here.sessions()[0]
        await session.live.say("Your table is ready.")
        await there.restore(here.suspend(session.id))
        again = await call(there, token_of(caller))
        assert await said(again) == "Your table is ready."
        await again.leave()


@in_virtual_time
async def test_a_session_may_come_back_to_its_manager() -> None:
    recorder = Recorder()
    async with process(AgentConfig(), ScriptedModel("Yes."), callbacks=recorder) as here:
        caller = await call(here)
        await caller.lose_connection()
        await here.restore(here.suspend(here.sessions()[0].id))
        again = await call(here, token_of(caller))
        assert await said(again, "Are you there?") == "Yes."
        await again.leave()
    assert recorder.names == ["created", "turn", "reply", "destroyed"]


@in_virtual_time
async def test_who_does_not_come_back_there_has_left() -> None:
    recorder = Recorder()
    async with (
        process(AgentConfig(), ScriptedModel()) as here,
        process(AgentConfig(), ScriptedModel(), callbacks=recorder, resume_grace_s=30) as there,
    ):
        caller = await call(here)
        await caller.lose_connection()
        await there.restore(here.suspend(here.sessions()[0].id), elapsed_s=25)
        await asyncio.sleep(29)
        assert there.parked_sessions == 1
        await asyncio.sleep(10)
        assert await there.active_sessions() == 0
        refused = await call(there, token_of(caller))
        assert refused.frames == []
        await refused.leave()
    assert recorder.seen == [("destroyed", "lost")]


@in_virtual_time
async def test_tools_that_were_running_are_lost_and_the_model_knows() -> None:
    never = asyncio.Event()

    @tool(on_interrupt="detach")
    async def book() -> str:
        """Book."""
        await never.wait()
        return "booked"

    config = AgentConfig(tools=(book,))
    model = ScriptedModel("I do not know.")
    async with process(config, ScriptedModel(CallTool("book"))) as here, process(config, model) as there:
        caller = await call(here)
        await caller.type("Book")
        await caller.lose_connection()
        state = here.suspend(here.sessions()[0].id)
        assert "Do not begin it again" in str(state.history)
        await there.restore(state)
        again = await call(there, token_of(caller))
        await said(again, "And?")
        assert model.asked[0].results == ()
        assert "tool: Interrupted before it had a result. It may or may not have been done." in model.asked[0].history
        await again.leave()


@in_virtual_time
async def test_what_cannot_be_suspended_stays_as_it_is() -> None:
    async with process(AgentConfig(), ScriptedModel("Yes.")) as here:
        caller = await call(here)
        session = here.sessions()[0]
        with pytest.raises(ValueError, match="a call is connected"):
            here.suspend(session.id)
        session.live.state["text"] = "x" * MAX_STATE_BYTES
        await caller.lose_connection()
        with pytest.raises(ResumeStateTooLarge, match=r"Session\.state"):
            here.suspend(session.id)
        again = await call(here, token_of(caller))
        assert await said(again, "Are you there?") == "Yes."
        await again.leave()


@in_virtual_time
async def test_what_cannot_be_restored_is_refused() -> None:
    async with (
        process(AgentConfig(), ScriptedModel()) as here,
        process(AgentConfig(), ScriptedModel(), agent_id="night-desk") as other,
        process(AgentConfig(), ScriptedModel()) as there,
    ):
        caller = await call(here)
        await caller.lose_connection()
        state = here.suspend(here.sessions()[0].id)
        with pytest.raises(ResumeStateError, match="belongs to the agent 'desk', not to 'night-desk'"):
            await other.restore(state)
        with pytest.raises(ResumeStateError, match="cannot be read: these are not messages"):
            await there.restore(state.model_copy(update={"history": [{"kind": "song", "words": "secret"}]}))
        assert await there.active_sessions() == 0
        await there.restore(state)
        with pytest.raises(ValueError, match="is here already"):
            await there.restore(state)
        await there.aclose_all()
        with pytest.raises(ShuttingDown):
            await there.restore(state)


@in_virtual_time
async def test_an_agent_may_refuse_a_restored_session() -> None:
    class Refusing(Recorder):
        async def on_session_starting(self, session: Session, config: AgentConfig) -> AgentConfig:
            assert session.state == {"guest": True}
            raise PermissionError

    async with (
        process(AgentConfig(), ScriptedModel()) as here,
        process(AgentConfig(), ScriptedModel(), callbacks=Refusing()) as there,
    ):
        caller = await call(here)
        here.sessions()[0].live.state["guest"] = True
        await caller.lose_connection()
        with pytest.raises(SessionRefused):
            await there.restore(here.suspend(here.sessions()[0].id))
        assert await there.active_sessions() == 0
