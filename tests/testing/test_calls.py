"""What the scripted caller can do, and what it is told when something is not as the test says."""

from __future__ import annotations

import asyncio
import sys
import time
from types import ModuleType
from typing import Any

import pytest

from tests.simulators.gateway import GatewaySimulator
from voice_host.testing import (
    CallTool,
    Fail,
    Say,
    ScriptedModel,
    Think,
    call_agent,
    in_virtual_time,
    run_in_virtual_time,
    serve_agent,
)
from voice_host_sdk import (
    AgentConfig,
    AgentReply,
    Caller,
    LifecycleCallbacks,
    ProviderError,
    Session,
    SilenceConfig,
    TurnConfig,
    hookimpl,
    tool,
)

COUNTING = "One two three four five six seven eight nine ten."


@in_virtual_time
async def test_a_conversation_of_half_a_minute_takes_no_time() -> None:
    model = ScriptedModel(COUNTING, repeat=True)
    begun_s = time.monotonic()
    async with call_agent(AgentConfig(), model) as call:
        while call.now_s < 30:
            assert (await call.ask("Count to ten.")).heard == COUNTING
        assert call.audio_ms == pytest.approx(len(call.replies) * 10 * 300)
    assert time.monotonic() - begun_s < 10


@in_virtual_time
async def test_speech_is_where_the_test_puts_it() -> None:
    async with call_agent(AgentConfig(), ScriptedModel("Fine.")) as call:
        await call.speak("how are you", at_s=2.0, for_s=1.5)
        assert call.now_s == pytest.approx(2.0 + 1.5 + 0.4, abs=0.01)  # the silence that ends a turn
        partial = [frame["text"] for frame in call.frames if frame["type"] == "transcript" and not frame["final"]]
        assert partial == ["how", "how are", "how are you"]
        reply = await call.reply()
        assert reply.audible_s == pytest.approx(call.now_s - 0.3, abs=0.3)
        assert call.ears.received_bytes >= 1.5 * 16000 * 2


@in_virtual_time
async def test_a_cough_holds_the_agent_for_a_moment_and_does_not_stop_it() -> None:
    async with call_agent(AgentConfig(), ScriptedModel(COUNTING, COUNTING)) as call:
        await call.type("Count.")
        await call.wait(1.0)
        await call.cough(for_s=0.2)
        held = await call.reply()
        undisturbed = await call.ask("Count.")
    assert (held.interrupted, held.heard) == (False, COUNTING)
    assert _length_s(held) > _length_s(undisturbed)


@in_virtual_time
async def test_a_long_noise_cuts_the_agent_which_goes_on_when_no_words_follow() -> None:
    async with call_agent(AgentConfig(), ScriptedModel(COUNTING)) as call:
        await call.type("Count.")
        await call.wait(1.0)
        await call.cough(for_s=1.0)
        cut, resumed = await call.reply(), await call.reply()
    assert cut.interrupted
    assert resumed.text.endswith("eight nine ten.")


@in_virtual_time
async def test_one_word_over_the_agent_is_kept_for_the_next_turn() -> None:
    async with call_agent(AgentConfig(), ScriptedModel(COUNTING, "You are welcome.")) as call:
        await call.type("Count.")
        spoken_over = await call.interrupt("yes", into_reply_s=0.5)
        assert not (await call.reply()).interrupted
        assert not spoken_over.interrupted
        await call.speak("and thank you")
        await call.reply()
    assert [frame["text"] for frame in call.frames if frame["type"] == "turn"] == ["Count.", "yes and thank you"]


@in_virtual_time
async def test_without_barge_in_the_agent_finishes_and_answers_then() -> None:
    config = AgentConfig(turns=TurnConfig(barge_in=False))
    async with call_agent(config, ScriptedModel(COUNTING, "On Sunday, too.")) as call:
        await call.type("Count.")
        await call.interrupt("what about Sunday", into_reply_s=0.7)
        assert (await call.reply()).heard == COUNTING
        assert (await call.reply()).heard == "On Sunday, too."


@in_virtual_time
async def test_the_button_stops_the_agent() -> None:
    async with call_agent(AgentConfig(greeting=COUNTING), hear_greeting=False) as call:
        await call.wait(1.0)
        await call.press_stop()
        greeting = await call.reply()
    assert greeting is call.greeting
    assert (greeting.interrupted, greeting.heard) == (True, "One two three")


@in_virtual_time
async def test_a_reset_forgets_the_conversation() -> None:
    model = ScriptedModel("Hello Anna.", "I do not know.")
    async with call_agent(AgentConfig(), model) as call:
        await call.ask("I am Anna.")
        await call.reset()
        await call.ask("Who am I?")
    assert model.asked[1].history == ("caller: Who am I?",)


@in_virtual_time
async def test_hanging_up_and_being_lost_are_told_apart() -> None:
    async with serve_agent(AgentConfig()) as agent:
        async with agent.call() as call:
            end = await call.hang_up()
        async with agent.call() as lost:
            await lost.lose_connection()
    assert (end.reason, end.close_code, end.session and end.session.turns) == ("goodbye", 1000, 0)
    assert lost.end.close_code is None


@in_virtual_time
async def test_a_caller_who_was_cut_off_comes_back() -> None:
    model = ScriptedModel(COUNTING, "You are welcome.")
    async with call_agent(AgentConfig(), model) as call:
        await call.type("Count.")
        await call.wait(1.5)
        await call.lose_connection()
        await call.wait(3)
        assert await call.reconnect()
        cut, rest = await call.reply(), await call.reply()
        assert (cut.interrupted, rest.interrupted) == (True, False)
        assert rest.heard == "three four five six seven eight nine ten."
        await call.ask("Thank you.")
        assert "caller: Count." in model.asked[1].history
        await call.lose_connection()
        end = await call.ended()
        assert end.reason == "lost"
        assert not await call.reconnect()
    assert call.callbacks.count("on_session_created") == call.callbacks.count("on_session_destroyed") == 1


@in_virtual_time
async def test_a_tool_in_a_thread_works_while_time_stands_still() -> None:
    def slow(seconds: float) -> str:
        """Sleep, really."""
        time.sleep(seconds)
        return "slept"

    config = AgentConfig(tools=(slow,), tool_timeout_s=0.01)
    async with call_agent(config, ScriptedModel(CallTool("slow", seconds=0.1), "Done.")) as call:
        reply = await call.ask("Sleep.")
    assert [(tool.name, tool.ok, tool.result) for tool in reply.tools] == [("slow", True, "slept")]
    assert reply.tools[0].duration_ms == 0


@in_virtual_time
async def test_a_tool_that_takes_too_long_is_given_up_in_virtual_time() -> None:
    @tool(timeout_s=600)
    async def endless(session: Session) -> str:
        """Wait."""
        session.state["waiting"] = True
        await asyncio.Event().wait()
        return "never"

    config = AgentConfig(tools=(endless,), silence=SilenceConfig(fillers=("One moment.",)))
    async with call_agent(config, ScriptedModel(CallTool("endless"), "That did not work.")) as call:
        await call.type("Wait.")
        reply = await call.reply(within_s=1000)
    assert call.state == {"waiting": True}
    assert "took longer than 600 seconds" in call.tool("endless").result
    assert reply.heard == "That did not work."
    assert call.voice.spoken == ["One moment.", "That did not work."]


@in_virtual_time
async def test_a_script_says_calls_thinks_and_fails() -> None:
    def double(number: int) -> int:
        """Double it."""
        return number * 2

    model = ScriptedModel(
        [Say("Let me see.", words_per_s=4), CallTool("double", number=4)],
        lambda asked: f"It is {asked.results[0]}.",
        [Think(3), "After a while."],
        [Fail(401)],
    )
    async with call_agent(AgentConfig(instructions="Be brief.", tools=(double,)), model) as call:
        assert (await call.ask("Twice four?")).text == "Let me see. It is 8."
        assert (model.asked[0].text, model.asked[0].tools) == ("Twice four?", ("double",))
        assert model.asked[0].instructions.startswith("Be brief.")
        thoughtful = await call.ask("And then?")
        assert thoughtful.audible_s is not None
        assert thoughtful.audible_s - thoughtful.began_s > 3
        assert not model.unused[1:]
        failed = await call.ask("And now?")
    assert failed.text == AgentConfig().error_phrase
    assert [error.code for error in call.errors] == ["model_auth"]


@in_virtual_time
async def test_callbacks_are_seen_with_what_they_were_given() -> None:
    told: list[str] = []

    class Telling(LifecycleCallbacks):
        async def on_session_starting(self, session: Session, config: AgentConfig) -> AgentConfig:
            name = session.caller.identity if session.caller else session.metadata.get("name", "")
            return config.model_copy(update={"greeting": f"Hello {name}."})

        async def on_agent_reply(self, session: Session, reply: AgentReply) -> None:
            await asyncio.sleep(2)
            told.append(reply.text)

    async with serve_agent(AgentConfig(), callbacks=Telling()) as agent:
        async with agent.call(caller=Caller("ann")) as ann, agent.call(metadata={"name": "Bob"}) as bob:
            assert ann.greeting is not None
            assert bob.greeting is not None
            assert (ann.greeting.heard, bob.greeting.heard) == ("Hello ann.", "Hello Bob.")
            assert told == ["Hello ann.", "Hello Bob."]  # a reply is over once its callback has returned
        assert agent.calls == [ann, bob]
    assert ann.callbacks == ["on_session_starting", "on_session_created", "on_agent_reply", "on_session_destroyed"]
    assert ann.seen_callbacks[-1].value.reason == "goodbye"


@in_virtual_time
async def test_what_the_caller_is_told_when_speech_services_fail() -> None:
    async with call_agent(AgentConfig(), ScriptedModel("Hello.", "Here.")) as call:
        call.voice.failure = ProviderError("The voice is gone.", code="tts_failed")
        assert (await call.ask("Hi")).heard == "Hello."
        call.voice.failure = None
    assert "tts_failed" in [error.code for error in call.errors]


@in_virtual_time
async def test_a_real_model_is_called_by_its_name_in_real_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async with GatewaySimulator() as gateway:
        monkeypatch.setenv("VOICE_HOST_LLM_BASE_URL", gateway.base_url)
        monkeypatch.setenv("VOICE_HOST_LLM_API_KEY", "gateway-key")
        gateway.reply("Fine.")
        async with call_agent(AgentConfig(), "some-model", ms_per_word=10) as call:
            assert (await call.ask("How are you?")).heard == "Fine."
        assert (await gateway.request(0)).body["model"] == "some-model"


@in_virtual_time
async def test_a_recogniser_that_is_lost_is_replaced_behind_the_scenes() -> None:
    async with call_agent(AgentConfig(), ScriptedModel("Here.")) as call:
        await call.break_recogniser(ProviderError("The line broke.", code="stt_closed"))
        await call.wait(5)
        await call.speak("are you there")
        assert (await call.reply()).heard == "Here."


def _length_s(reply: Any) -> float:
    length: float = reply.ended_s - reply.audible_s
    return length


class Visits(LifecycleCallbacks):
    """Keeps a log of each session, and something that is no JSON."""

    def __init__(self) -> None:
        self.log: list[str] = []

    async def on_session_created(self, session: Session) -> None:
        session.state |= {"visits": 1, "lock": asyncio.Lock()}

    async def on_session_restored(self, session: Session) -> None:
        assert "lock" not in session.state
        session.state |= {"visits": session.state["visits"] + 1, "lock": asyncio.Lock()}

    async def on_agent_reply(self, session: Session, reply: AgentReply) -> None:
        self.log.append(f"{reply.text}: {reply.heard}")


@in_virtual_time
async def test_a_call_outlives_its_worker() -> None:
    model, callbacks = ScriptedModel(COUNTING, "You are welcome."), Visits()
    async with call_agent(AgentConfig(), model, callbacks=callbacks) as call:
        await call.type("Count.")
        await call.wait(1.5)
        await call.lose_worker()
        await call.wait(3)
        assert await call.reconnect()
        cut, rest = await call.reply(), await call.reply()
        assert cut.interrupted
        assert COUNTING.endswith(rest.heard)
        await call.ask("Thank you.")
        assert call.state["visits"] == 2
        assert "caller: Count." in model.asked[1].history
        assert (await call.hang_up()).reason == "goodbye"
    assert call.callbacks == [
        "on_session_starting",
        "on_session_created",
        "on_user_turn",
        "on_session_starting",
        "on_session_restored",
        "on_agent_reply",
        "on_user_turn",
        "on_agent_reply",
        "on_session_destroyed",
    ]
    assert len(callbacks.log) == 2, "the lost worker reported no end of its reply"


@in_virtual_time
async def test_a_turn_is_answered_by_the_next_worker_unless_a_tool_had_begun() -> None:
    begun: list[str] = []

    async def book() -> str:
        """Book."""
        begun.append("book")
        await asyncio.sleep(60)
        return "booked"

    model = ScriptedModel([Think(60), Say("Too late.")], "At nine.", CallTool("book"), "I do not know.")
    async with call_agent(AgentConfig(tools=(book,)), model) as call:
        await call.type("When do you open?")
        await call.lose_worker()
        assert await call.reconnect()
        assert (await call.reply()).interrupted
        assert (await call.reply()).heard == "At nine."
        await call.type("Book.")
        await call.wait(1)
        await call.lose_worker()
        await call.lose_worker()
        assert await call.reconnect()
        await call.wait(5)
        assert len(model.unused) == 1, "the turn was not answered again"
        await call.ask("Did you?")
        assert begun == ["book"]
        assert "tool: Interrupted before it had a result. It may or may not have been done." in model.asked[-1].history


@in_virtual_time
async def test_a_session_that_has_ended_does_not_come_back_with_a_new_worker() -> None:
    async with serve_agent(AgentConfig()) as agent, agent.call() as call, agent.call() as other:
        await call.lose_connection()
        await call.wait(60)  # beyond the grace period
        await agent.lose_worker()
        assert not await call.reconnect()
        assert await other.reconnect()


def test_a_module_is_loaded_again_by_the_next_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    async def lose() -> None:
        async with serve_agent(module()) as agent:
            first = agent.callbacks
            await agent.lose_worker()
            assert agent.callbacks is not first
        assert [visits.log for visits in made] == [["up", "down"]] * 2

    made: list[Any] = []

    class Counted(LifecycleCallbacks):
        def __init__(self) -> None:
            self.log: list[str] = []
            made.append(self)

        async def on_startup(self) -> None:
            self.log.append("up")

        async def on_shutdown(self) -> None:
            self.log.append("down")

    def module() -> ModuleType:
        agent = ModuleType("counted_agent")
        monkeypatch.setitem(sys.modules, agent.__name__, agent)
        agent.agent_config = hookimpl(lambda settings: AgentConfig())  # type: ignore[attr-defined]
        agent.lifecycle_callbacks = hookimpl(lambda settings: Counted())  # type: ignore[attr-defined]
        return agent

    run_in_virtual_time(lose())
