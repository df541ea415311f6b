"""What is kept of a session while a call goes on, and which states do not open it again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest

from tests.calls.lost_worker import NOTHING, Restoring, closed, frames, logged, told, worker
from tests.calls.test_endings import Recorder
from voice_host.sessions.resume_state import MAX_STATE_BYTES
from voice_host.testing import ScriptedModel, in_virtual_time
from voice_host.testing.virtual_time import run_in_virtual_time
from voice_host_sdk import AgentConfig, Caller, Session

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
