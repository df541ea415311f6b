"""The process of a call is lost, and the caller comes back to another one, which has only the checkpoints."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.websockets import WebSocket

from tests.calls.test_endings import Recorder
from voice_host import VoiceAgentManager, VoiceSessionHandler
from voice_host.clients.transport.asgi import AsgiWebSocket
from voice_host.clients.transport.connection import ClientConnection
from voice_host.clients.voice_host_v1 import VoiceHostV1
from voice_host.conversation.runtime import AgentRuntime
from voice_host.models import ResolvedModel
from voice_host.sessions.checkpoint import Checkpoint, SavedState
from voice_host.sessions.resume_state import MAX_STATE_BYTES, ResumeState
from voice_host.sessions.saved_session import SavedSession
from voice_host.speech.select import SpeechProviders
from voice_host.testing import CallTool, Say, ScriptedModel, Think, in_virtual_time
from voice_host.testing.call import TestCall
from voice_host.testing.ears import ScriptedEars
from voice_host.testing.virtual_time import run_in_virtual_time
from voice_host.testing.voice import ScriptedVoice
from voice_host_sdk import AgentConfig, AgentReply, Caller, Session, SilenceConfig, tool

COUNT = "One two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen."
NOTHING = (4401, "there is no call to resume: call again without the resume token")


@dataclass(eq=False)
class Front:
    """Keeps what a front keeps of the sessions of a worker."""

    states: dict[str, SavedState] = field(default_factory=dict)
    tokens: dict[str, str | None] = field(default_factory=dict)
    sent: list[Checkpoint | None] = field(default_factory=list)
    over: list[str] = field(default_factory=list)
    takes: bool = True

    def token_issued(self, session_id: str, token_digest: str | None) -> None:
        self.tokens[session_id] = token_digest

    def checkpoint(self, session_id: str, checkpoint: Checkpoint | None) -> bool:
        assert session_id not in self.over
        self.sent.append(checkpoint)
        if checkpoint is None:
            self.states.pop(session_id, None)
        elif self.takes:
            again = Checkpoint.from_payload(checkpoint.to_payload(), dropped=checkpoint.dropped, kept=checkpoint.kept)
            self.states.setdefault(session_id, SavedState()).apply(again)
        return self.takes

    def ended(self, session_id: str) -> None:
        self.over.append(session_id)
        self.states.pop(session_id, None)

    @property
    def saved(self) -> bytes:
        """The state of the only session."""
        (state,) = self.states.values()
        return state.to_bytes()

    @property
    def state(self) -> ResumeState:
        return ResumeState.from_bytes(self.saved)


@dataclass(eq=False)
class Worker:
    """A manager of its own, as another process would have it."""

    manager: VoiceAgentManager
    front: Front
    ms_per_word: int

    async def call(
        self, *, token: str | None = None, saved: SavedSession | None = None, by: Caller | None = None
    ) -> TestCall:
        """Call the agent, or come back to a session."""
        ears, voice = ScriptedEars(), ScriptedVoice(self.ms_per_word)
        caller = TestCall(ears, voice, [])
        handler = VoiceSessionHandler(agent_manager=self.manager, speech=SpeechProviders(ears, voice))

        async def take(ws: WebSocket, who: Caller | None) -> None:
            client = ClientConnection(AsgiWebSocket(ws), VoiceHostV1(), send_timeout_s=5)
            await handler.take(client, caller=who, saved=saved)

        caller.dial(take, {} if token is None else {"resume": token}, by)
        await caller.pick_up(hear_greeting=False)
        return caller

    async def back(self, lost: TestCall, saved: bytes, *, age_s: float = 1.0, by: Caller | None = None) -> TestCall:
        """Come back from another worker."""
        return await self.call(token=token_of(lost), saved=SavedSession(saved, age_s), by=by)

    @property
    def session(self) -> Session:
        return self.manager.sessions()[0].live


@asynccontextmanager
async def worker(
    model: ScriptedModel | None = None,
    config: AgentConfig | None = None,
    *,
    agent_id: str = "desk",
    ms_per_word: int = 100,
    **options: Any,
) -> AsyncIterator[Worker]:
    config, model, front = config or AgentConfig(), model or ScriptedModel(), Front()
    runtime = AgentRuntime(agent_id, config, ResolvedModel("scripted", model.as_model()))
    manager = VoiceAgentManager(runtime=runtime, listener=front, **options)
    try:
        yield Worker(manager, front, ms_per_word)
    finally:
        await manager.aclose_all()
        await runtime.aclose()


def frames(caller: TestCall, kind: str) -> list[dict[str, Any]]:
    return [frame for frame in caller.frames if frame["type"] == kind]


def token_of(caller: TestCall) -> str:
    return str(frames(caller, "ready")[-1]["resume_token"])


def told(caller: TestCall) -> list[str]:
    """What the agent said in this connection."""
    return [frame["text"] for frame in frames(caller, "chat") + frames(caller, "greeting")]


async def closed(caller: TestCall) -> tuple[int | None, str]:
    end = await caller.ended()
    return end.close_code, end.close_reason


def logged(caplog: pytest.LogCaptureFixture, event: str) -> list[str]:
    """The reasons in the log for these events."""
    return [vars(record)["reason"] for record in caplog.records if record.message == event]


class Restoring(Recorder):
    """Notes `on_session_restored`, too, and changes the state when a reply is over."""

    async def on_session_restored(self, session: Session) -> None:
        self.seen.append(("restored", dict(session.state)))

    async def on_agent_reply(self, session: Session, reply: AgentReply) -> None:
        session.state["replies"] = session.state.get("replies", 0) + 1
        self.seen.append(("reply", reply))


async def remember(session: Session, word: str) -> str:
    """Remember a word."""
    session.state |= {"word": word, "socket": object()}
    return "noted"


# --- where it was lost ------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_while_listening() -> None:
    config = AgentConfig(greeting="Hello.", tools=(remember,))
    there_model, seen_here, seen_there = ScriptedModel("Plum."), Restoring(), Restoring()
    async with (
        worker(ScriptedModel(CallTool("remember", word="plum"), "Noted."), config, callbacks=seen_here) as here,
        worker(there_model, config, callbacks=seen_there) as there,
    ):
        caller = await here.call()
        await caller.wait(5)
        await caller.type("Remember plum")
        await caller.wait(10)
        back = await there.back(caller, here.front.saved)
        (ready,) = frames(back, "ready")
        assert ready["resumed"] is True
        assert ready["session_id"] == frames(caller, "ready")[0]["session_id"]
        assert ready["resume_token"] != token_of(caller)
        await back.wait(10)
        assert told(back) == [], "there was nothing left to say"
        await back.type("Which word?")
        await back.wait(5)
        assert [(frame["reply"], frame["text"]) for frame in frames(back, "chat")] == [(3, "Plum.")], "ids go on"
        assert there_model.asked[0].history == (
            "agent: Hello.",
            "caller: Remember plum",
            "tool: noted",
            "agent: Noted.",
            "caller: Which word?",
        )
        assert there.session.state == {"word": "plum", "replies": 3}
        assert seen_there.seen[0] == ("restored", {"word": "plum", "replies": 2}), "also what a callback changed"
        assert "created" not in seen_there.names
        await back.leave()
        assert there.front.over == [ready["session_id"]]
        await caller.leave()


@in_virtual_time
async def test_while_a_greeting_is_spoken() -> None:
    config = AgentConfig(greeting=COUNT)
    async with worker(config=config) as here, worker(config=config) as there:
        caller = await here.call()
        await caller.wait(0.8)
        back = await there.back(caller, here.front.saved)
        await back.wait(5)
        (rest,) = told(back)
        assert COUNT.endswith(rest)
        assert not frames(back, "greeting"), "it is not greeted again"
        await back.leave()
        await caller.leave()


@in_virtual_time
async def test_while_a_reply_is_spoken() -> None:
    model = ScriptedModel("Yes.")
    async with worker(ScriptedModel(COUNT), ms_per_word=500) as here, worker(model) as there:
        caller = await here.call()
        await caller.type("Count")
        await caller.wait(6.5)
        back = await there.back(caller, here.front.saved)
        await back.wait(5)
        (rest,) = told(back)
        assert COUNT.endswith(rest)
        words = COUNT.split()
        heard = len(words) - len(rest.split())
        assert 5 <= heard <= 12, "of about twelve words, at most those of the last two seconds and three are repeated"
        await back.type("And?")
        await back.wait(5)
        question, cut, again, _ = model.asked[0].history
        assert question == "caller: Count"
        assert cut.startswith("agent: One two")
        assert cut.endswith("[interrupted by the caller]")
        assert again == f"agent: {rest}"
        await back.leave()
        await caller.leave()


@in_virtual_time
async def test_while_the_model_is_asked() -> None:
    model = ScriptedModel("At nine.")
    async with worker(ScriptedModel([Think(60), Say("Too late.")])) as here, worker(model) as there:
        caller = await here.call()
        await caller.type("When do you open?")
        await caller.wait(0.1)
        back = await there.back(caller, here.front.saved)
        await back.wait(5)
        assert told(back) == ["At nine."]
        assert not frames(back, "turn"), "it was announced before"
        assert model.asked[0].history == ("caller: When do you open?",)
        await back.leave()
        await caller.leave()


@pytest.mark.parametrize("on_interrupt", ["cancel", "finish", "detach"])
def test_while_a_tool_runs(on_interrupt: Any) -> None:
    run_in_virtual_time(tool_runs(on_interrupt))


async def tool_runs(on_interrupt: Any) -> None:
    known: list[ResumeState] = []
    fronts: list[Front] = []
    runs: list[str] = []

    @tool(on_interrupt=on_interrupt)
    async def book() -> str:
        """Book."""
        runs.append("here")
        known.append(fronts[0].state)
        await asyncio.sleep(15)
        return "booked"

    config, model = AgentConfig(tools=(book,)), ScriptedModel("I do not know.")
    async with worker(ScriptedModel(CallTool("book"), "Booked."), config) as here, worker(model, config) as there:
        fronts.append(here.front)
        caller = await here.call()
        await caller.type("Book")
        await caller.wait(1)
        assert len(known) == 1, "the front knew before the tool did anything"
        assert known[0].call is not None
        assert known[0].call.unanswered == ""
        back = await there.back(caller, here.front.saved)
        await back.wait(5)
        assert told(back) == []
        assert runs == ["here"]
        await back.type("And?")
        await back.wait(5)
        assert model.asked[0].history == (
            "caller: Book",
            "tool: Interrupted before it had a result. It may or may not have been done.",
            "caller: And?",
        )
        assert runs == ["here"]
        await back.leave()
        await caller.leave()


@in_virtual_time
async def test_after_a_tool_while_the_model_is_asked_again() -> None:
    config, model = AgentConfig(tools=(remember,)), ScriptedModel("Plum.")
    here_model = ScriptedModel(CallTool("remember", word="plum"), [Think(60), Say("Too late.")])
    async with worker(here_model, config) as here, worker(model, config) as there:
        caller = await here.call()
        await caller.type("Remember plum")
        await caller.wait(1)
        back = await there.back(caller, here.front.saved)
        await back.wait(5)
        assert told(back) == [], "a tool ran, so the turn is not answered again"
        assert there.session.state == {"word": "plum"}
        await back.type("Which word?")
        await back.wait(5)
        assert model.asked[0].history == ("caller: Remember plum", "tool: noted", "caller: Which word?")
        await back.leave()
        await caller.leave()


@in_virtual_time
async def test_while_the_reply_after_a_tool_is_spoken() -> None:
    config, model = AgentConfig(tools=(remember,)), ScriptedModel("Yes.")
    here_model = ScriptedModel(CallTool("remember", word="plum"), COUNT)
    async with worker(here_model, config, ms_per_word=500) as here, worker(model, config) as there:
        caller = await here.call()
        await caller.type("Remember plum")
        await caller.wait(5)
        back = await there.back(caller, here.front.saved)
        await back.wait(5)
        (rest,) = told(back)
        assert COUNT.endswith(rest)
        assert len(rest) < len(COUNT)
        await back.type("And?")
        await back.wait(5)
        history = model.asked[0].history
        assert history[:2] == ("caller: Remember plum", "tool: noted")
        assert history[2].startswith("agent: One two")
        await back.leave()
        await caller.leave()


@in_virtual_time
async def test_while_a_tool_of_the_turn_before_finishes() -> None:
    """The caller interrupts a reply whose tool goes on, and the next turn waits for it."""

    @tool(on_interrupt="finish")
    async def book() -> str:
        """Book."""
        await asyncio.sleep(10)
        return "booked"

    config, model = AgentConfig(tools=(book,)), ScriptedModel("Fine, thanks.")
    async with worker(ScriptedModel(CallTool("book"), "Good."), config) as here, worker(model, config) as there:
        caller = await here.call()
        await caller.type("Book")
        await caller.wait(1)
        await caller.type("How are you?")
        await caller.wait(1)
        back = await there.back(caller, here.front.saved)
        await back.wait(5)
        assert told(back) == ["Fine, thanks."]
        assert model.asked[0].history == (
            "caller: Book",
            "tool: Interrupted before it had a result. It may or may not have been done.",
            "caller: How are you?",
        )
        await back.leave()
        await caller.leave()


@in_virtual_time
async def test_while_the_caller_was_away() -> None:
    model = ScriptedModel("Yes.")
    async with worker(ScriptedModel(COUNT), ms_per_word=500) as here, worker(model) as there:
        caller = await here.call()
        await caller.type("Count")
        await caller.wait(4)
        await caller.lose_connection()
        await caller.wait(1)
        assert here.manager.parked_sessions == 1
        await here.session.say("Your table is ready.")
        await caller.wait(1)
        back = await there.back(caller, here.front.saved)
        await back.wait(15)
        rest, later = told(back)
        assert COUNT.endswith(rest)
        assert later == "Your table is ready."
        await back.leave()


@in_virtual_time
async def test_while_more_sentences_wait_and_the_agent_is_about_to_hang_up() -> None:
    async with worker(ScriptedModel(COUNT), ms_per_word=500) as here, worker() as there:
        caller = await here.call()
        await caller.type("Count")
        await caller.wait(3)
        await here.session.say("One more thing.")
        await here.session.end("done")
        await caller.wait(0.1)
        back = await there.back(caller, here.front.saved)
        await back.wait(30)
        rest, more = told(back)
        assert COUNT.endswith(rest)
        assert more == "One more thing."
        assert await closed(back) == (1000, "done")
        await back.leave()
        await caller.leave()


@in_virtual_time
async def test_after_the_conversation_was_reset() -> None:
    model = ScriptedModel("Yes.")
    async with worker(ScriptedModel(COUNT), ms_per_word=500) as here, worker(model) as there:
        caller = await here.call()
        await caller.type("Count")
        await caller.wait(4)
        await caller.reset()
        back = await there.back(caller, here.front.saved)
        await back.type("Are you there?")
        await back.wait(5)
        assert told(back) == ["Yes."]
        assert model.asked[0].history == ("caller: Are you there?",)
        await back.leave()
        await caller.leave()


@in_virtual_time
async def test_twice_in_a_row() -> None:
    model = ScriptedModel("At nine.")
    slow = [Think(60), Say("Too late.")]
    async with worker(ScriptedModel(slow)) as first, worker(ScriptedModel(slow)) as second, worker(model) as third:
        caller = await first.call()
        await caller.type("When do you open?")
        again = await second.back(caller, first.front.saved)
        back = await third.back(again, second.front.saved)
        await back.wait(5)
        assert told(back) == ["At nine."]
        assert [frame["reply"] for frame in frames(back, "chat")] == [3]
        for call in (back, again, caller):
            await call.leave()


# --- time -------------------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_limits_of_the_call_go_on() -> None:
    config = AgentConfig(silence=SilenceConfig(nudge_after_s=None, idle_timeout_s=None, max_call_s=100))
    async with worker(config=config) as here, worker(config=config) as there:
        caller = await here.call()
        await caller.wait(50)
        back = await there.back(caller, here.front.saved, age_s=70)  # its last checkpoint was at the beginning
        await back.wait(29)
        assert there.manager.connected_calls == 1
        await back.wait(2)
        assert there.manager.connected_calls == 0
        await back.leave()
        await caller.leave()


# --- what is not restored ---------------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_session_that_has_ended_cannot_be_restored() -> None:
    async with worker(ScriptedModel("Yes.")) as here:
        caller = await here.call()
        await caller.type("Are you there?")
        await caller.wait(5)
        assert here.front.states
        await caller.leave()
        assert not here.front.states
        assert here.front.over == [frames(caller, "ready")[0]["session_id"]]


@in_virtual_time
async def test_a_state_that_was_used_does_not_open_the_session_again() -> None:
    async with worker() as here, worker() as there, worker() as elsewhere:
        caller = await here.call()
        old = here.front.saved
        back = await there.back(caller, old)
        refused = await elsewhere.back(back, old)  # the token of now with the state of before
        assert await closed(refused) == NOTHING
        refused = await there.back(caller, old)
        assert await closed(refused) == NOTHING, "the token was used"
        assert there.manager.connected_calls == 1
        for call in (back, caller):
            await call.leave()


@in_virtual_time
async def test_of_two_that_come_back_at_once_one_gets_the_call() -> None:
    class Slow(Recorder):
        async def on_session_starting(self, session: Session, config: AgentConfig) -> AgentConfig:
            await asyncio.sleep(1)
            return config

    async with worker() as here, worker(callbacks=Slow()) as there:
        caller = await here.call()
        state = here.front.saved
        both = await asyncio.gather(there.back(caller, state), there.back(caller, state))
        await caller.wait(1)
        assert [len(frames(call, "ready")) for call in both].count(1) == 1
        assert there.manager.connected_calls == await there.manager.active_sessions() == 1
        for call in (*both, caller):
            await call.leave()


def of_another_version(state: bytes) -> bytes:
    return json.dumps(json.loads(state) | {"version": 99}).encode()


def with_unknown_messages(state: bytes) -> bytes:
    return json.dumps(json.loads(state) | {"history": [{"kind": "song"}]}).encode()


def with_another_field(state: bytes) -> bytes:
    return json.dumps(json.loads(state) | {"mood": "good"}).encode()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (of_another_version, "has version 99, and this host reads version 1"),
        (with_unknown_messages, "these are not messages of pydantic-ai"),
        (with_another_field, "is damaged: mood"),
        (lambda _: b"\x00", "is not JSON"),
        (lambda _: b" " * 600_000, "more than the limit"),
    ],
)
def test_a_state_that_cannot_be_read_is_refused(
    change: Callable[[bytes], bytes], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def come_back() -> None:
        async with worker() as here, worker() as there:
            caller = await here.call()
            refused = await there.back(caller, change(here.front.saved))
            assert await closed(refused) == NOTHING
            assert await there.manager.active_sessions() == 0
            await caller.leave()

    run_in_virtual_time(come_back())
    assert reason in logged(caplog, "session_not_restored")[0]


@in_virtual_time
async def test_a_state_of_another_agent_or_caller_is_refused() -> None:
    anna, berta = Caller("anna"), Caller("berta")
    async with worker() as here, worker(agent_id="night-desk") as other, worker() as there:
        caller = await here.call(by=anna)
        state = here.front.saved
        assert await closed(await other.back(caller, state, by=anna)) == NOTHING
        assert await closed(await there.back(caller, state, by=berta)) == NOTHING
        assert await closed(await there.back(caller, state)) == NOTHING
        back = await there.back(caller, state, by=anna)
        assert frames(back, "ready")
        assert there.session.caller == anna
        await back.leave()
        await caller.leave()


# --- checkpoints ------------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_checkpoint_has_only_what_is_new() -> None:
    async with worker(ScriptedModel(*["Yes."] * 20)) as here:
        caller = await here.call()
        for _ in range(20):
            await caller.type("Are you there?")
            await caller.wait(3)
        checkpoints = [checkpoint for checkpoint in here.front.sent if checkpoint is not None]
        assert max(len(checkpoint.added) for checkpoint in checkpoints) == 2, "a turn and its answer"
        assert len(checkpoints) <= 20 * 5
        assert len(here.front.state.history) == 40
        quiet = len(here.front.sent)
        await caller.wait(20)
        here.manager.sessions()[0].checkpoint_now()
        assert len(here.front.sent) == quiet, "nothing is sent when nothing has changed"
        await caller.leave()


@in_virtual_time
async def test_after_a_checkpoint_that_was_not_taken_the_next_one_is_complete() -> None:
    async with worker(ScriptedModel("One.", "Two.", "Three.")) as here:
        caller = await here.call()
        for takes in (True, False, True):
            here.front.takes = takes
            await caller.type("And?")
            await caller.wait(3)
        assert len(here.front.state.history) == 6
        await caller.leave()


@in_virtual_time
async def test_a_state_that_is_too_large_is_reported_and_the_call_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    async with worker(ScriptedModel("Yes.", "Yes.", "Yes."), callbacks=Restoring()) as here:
        caller = await here.call()
        here.session.state["text"] = "x" * MAX_STATE_BYTES
        await caller.type("Are you there?")
        await caller.wait(3)
        assert told(caller) == ["Yes."]
        assert not here.front.states, "an older state would forget that turn"
        await caller.type("Still?")
        await caller.wait(3)
        (reason,) = logged(caplog, "session_not_restorable")
        assert "store large data elsewhere" in reason
        del here.session.state["text"]
        await caller.type("And now?")
        await caller.wait(3)
        assert len(here.front.state.history) == 6
        await caller.leave()


@in_virtual_time
async def test_the_front_knows_the_token_before_the_caller_does() -> None:
    async with worker() as here, worker() as there:
        caller = await here.call()
        assert list(here.front.tokens.values()) == [here.front.state.token_digest]
        back = await there.back(caller, here.front.saved)
        assert list(there.front.tokens.values()) == [there.front.state.token_digest]
        assert there.front.tokens != here.front.tokens
        await back.leave()
        await caller.leave()


@in_virtual_time
async def test_sessions_that_are_not_resumed_need_no_checkpoints() -> None:
    async with worker(ScriptedModel("Yes."), resume_grace_s=0) as here:
        caller = await here.call()
        await caller.type("Are you there?")
        await caller.wait(3)
        assert list(here.front.tokens.values()) == [None]
        assert here.front.sent == []
        await caller.leave()
