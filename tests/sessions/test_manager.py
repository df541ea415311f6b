"""Sessions begin once, end once, and never merely drop out of a cache."""

from __future__ import annotations

import asyncio

import pytest

from tests.conversation.models import ScriptedModel
from voice_host.conversation.voice_agent import VoiceAgent
from voice_host.sessions.manager import VoiceAgentManager
from voice_host.sessions.refusals import SessionRefused, ShuttingDown
from voice_host.testing import in_virtual_time, run_in_virtual_time
from voice_host_sdk import AgentConfig, Caller, LifecycleCallbacks, Session, SessionEnd, TTSConfig, UserTurn
from voice_host_sdk.session import EndReason


class Connected:
    """A call that ends when it is told to."""

    def __init__(self, manager: VoiceAgentManager, session_id: str) -> None:
        self.dropped: asyncio.Future[EndReason] = asyncio.get_running_loop().create_future()
        self._manager, self._session_id = manager, session_id

    @property
    def lost(self) -> bool:
        return self.dropped.done() and self.dropped.result() == "lost"

    def drop(self, reason: EndReason) -> None:
        self.dropped.set_result(reason)

    @property
    def origin(self) -> None:
        return None

    def replace(self) -> None:
        self.drop("lost")

    def warn(self, code: str, message: str) -> None:
        self.warned = (code, message)

    async def stay(self) -> None:
        async with self._manager.connected(self._session_id, self):
            reason = await self.dropped
        await self._manager.call_ended(self._session_id, reason)


class Log(LifecycleCallbacks):
    def __init__(self) -> None:
        self.ends: list[tuple[str, SessionEnd]] = []

    async def on_session_destroyed(self, session: Session, end: SessionEnd) -> None:
        self.ends.append((session.id, end))


async def test_one_session_for_one_id() -> None:
    created: list[tuple[str, VoiceAgent]] = []

    async def on_created(session_id: str, agent: VoiceAgent) -> None:
        created.append((session_id, agent))

    manager = VoiceAgentManager(
        runtime=ScriptedModel().runtime(), tts_config=TTSConfig(voice="leo"), on_session_created=on_created
    )
    first, again = await asyncio.gather(manager.get_or_create("a"), manager.get_or_create("a"))
    other = await manager.get_or_create("b", caller=Caller("anna"), metadata={"k": "v"})
    assert first is again
    assert created == [("a", first), ("b", other)]
    assert await manager.active_sessions() == 2
    assert (manager.tts_config.voice, first.tts_config.voice) == ("leo", "leo")
    assert other.session.caller == Caller("anna")
    assert other.session.metadata["k"] == "v"
    await manager.aclose_all()
    assert await manager.active_sessions() == 0


async def test_conversations_share_what_is_expensive() -> None:
    manager = VoiceAgentManager(runtime=ScriptedModel().runtime())
    one, two = await manager.get_or_create("a"), await manager.get_or_create("b")
    assert one.prepare_turn().agent is two.prepare_turn().agent
    assert one.memory is not two.memory
    await manager.aclose_all()


def test_idle_sessions_expire_and_are_told_and_connected_ones_do_not() -> None:
    async def main() -> None:
        log = Log()
        destroyed: list[str] = []

        async def on_destroyed(session_id: str) -> None:
            destroyed.append(session_id)

        manager = VoiceAgentManager(
            runtime=ScriptedModel().runtime(),
            callbacks=log,
            on_session_destroyed=on_destroyed,
            ttl_seconds=60,
            clock=asyncio.get_running_loop().time,
        )
        idle = await manager.get_or_create("idle")
        await manager.get_or_create("busy")
        call = Connected(manager, "busy")
        staying = asyncio.create_task(call.stay())
        await asyncio.sleep(30)
        assert await manager.get_or_create("idle") is idle  # used: its time begins anew
        await asyncio.sleep(50)
        assert await manager.active_sessions() == 2
        await asyncio.sleep(50)
        assert destroyed == ["idle"]
        assert log.ends[0][1].reason == "expired"
        assert await manager.get_or_create("idle") is not idle
        await asyncio.sleep(500)
        assert manager.connected_calls == 1
        call.drop("goodbye")
        await staying
        assert log.ends[-1][1].reason == "goodbye"
        assert log.ends[-1][1].duration_s == 630
        await manager.aclose_all()

    run_in_virtual_time(main())


def test_closing_ends_connected_calls_first_and_waits_for_them() -> None:
    async def main() -> None:
        log, tasks = Log(), asyncio.all_tasks()
        manager = VoiceAgentManager(runtime=ScriptedModel().runtime(), callbacks=log)
        for session_id in ("idle", "busy"):
            await manager.get_or_create(session_id)
        call = Connected(manager, "busy")
        staying = asyncio.create_task(call.stay())
        await asyncio.sleep(0)
        await manager.aclose_all()
        await staying
        assert call.dropped.result() == "shutdown"
        assert sorted((id_, end.reason) for id_, end in log.ends) == [("busy", "shutdown"), ("idle", "shutdown")]
        await manager.aclose_all()
        assert len(log.ends) == 2
        assert asyncio.all_tasks() == tasks

    run_in_virtual_time(main())


async def test_removing_twice_ends_once() -> None:
    log = Log()
    manager = VoiceAgentManager(runtime=ScriptedModel().runtime(), callbacks=log)
    await manager.get_or_create("a")
    assert await asyncio.gather(manager.remove("a"), manager.remove("a")) == [True, False]
    assert [id_ for id_, _ in log.ends] == ["a"]
    await manager.aclose_all()


@pytest.mark.parametrize("returned", [None, "text", AgentConfig().model_copy(update={"max_steps": -1})])
async def test_a_wrong_starting_configuration_refuses_the_session(returned: object) -> None:
    class Wrong(Log):
        async def on_session_starting(self, session: Session, config: AgentConfig) -> AgentConfig:
            return returned  # type: ignore[return-value]

    log = Wrong()
    manager = VoiceAgentManager(runtime=ScriptedModel().runtime(), callbacks=log)
    with pytest.raises(SessionRefused):
        await manager.get_or_create("a")
    assert await manager.active_sessions() == 0
    await manager.aclose_all()
    assert log.ends == []


async def test_callbacks_beyond_the_queue_are_dropped_and_the_last_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voice_host.sessions.callbacks.QUEUE_LENGTH", 4)
    release = asyncio.Event()

    class Slow(Log):
        turns = 0

        async def on_user_turn(self, session: Session, turn: UserTurn) -> None:
            self.turns += 1
            await release.wait()

    log = Slow()
    manager = VoiceAgentManager(runtime=ScriptedModel().runtime(), callbacks=log)
    await manager.get_or_create("a")
    await asyncio.sleep(0)
    held = manager.session("a")
    assert held is not None
    for number in range(20):
        held.callbacks.user_turn(UserTurn(str(number)))
    release.set()
    await manager.remove("a")
    assert 0 < log.turns < 20
    assert len(log.ends) == 1
    await manager.aclose_all()


async def test_an_end_that_is_cancelled_midway_is_finished_all_the_same() -> None:
    started, release = asyncio.Event(), asyncio.Event()
    destroyed: list[str] = []

    class Slow(Log):
        async def on_user_turn(self, session: Session, turn: UserTurn) -> None:
            started.set()
            await release.wait()

    async def on_destroyed(session_id: str) -> None:
        destroyed.append(session_id)

    log = Slow()
    manager = VoiceAgentManager(
        runtime=ScriptedModel().runtime(),
        callbacks=log,
        on_session_destroyed=on_destroyed,
        callback_timeout_s=0.05,
    )
    await manager.get_or_create("a")
    report(manager, "a", "x")
    await started.wait()
    removing = asyncio.create_task(manager.remove("a"))
    await asyncio.sleep(0)
    removing.cancel()
    await asyncio.wait([removing])
    release.set()
    await manager.aclose_all()
    assert ([id_ for id_, _ in log.ends], destroyed) == (["a"], ["a"])


async def test_a_session_begins_anew_only_after_the_old_one_was_told_its_end() -> None:
    order: list[str] = []
    release = asyncio.Event()

    class Slow(Log):
        async def on_session_destroyed(self, session: Session, end: SessionEnd) -> None:
            await release.wait()

    async def on_created(session_id: str, agent: VoiceAgent) -> None:
        order.append("created")

    async def on_destroyed(session_id: str) -> None:
        order.append("destroyed")

    manager = VoiceAgentManager(
        runtime=ScriptedModel().runtime(),
        callbacks=Slow(),
        on_session_created=on_created,
        on_session_destroyed=on_destroyed,
    )
    await manager.get_or_create("a")
    removing = asyncio.create_task(manager.remove("a"))
    await asyncio.sleep(0)
    again = asyncio.create_task(manager.get_or_create("a"))
    await asyncio.sleep(0)
    release.set()
    await removing
    await again
    assert order == ["created", "destroyed", "created"]
    await manager.aclose_all()


async def test_a_session_that_is_starting_does_not_survive_the_shutdown() -> None:
    starting, release = asyncio.Event(), asyncio.Event()

    class Slow(Log):
        async def on_session_starting(self, session: Session, config: AgentConfig) -> AgentConfig:
            starting.set()
            await release.wait()
            return config

    manager = VoiceAgentManager(runtime=ScriptedModel().runtime(), callbacks=Slow())
    creating = asyncio.create_task(manager.get_or_create("a"))
    await starting.wait()
    await manager.aclose_all()
    release.set()
    with pytest.raises(ShuttingDown):
        await creating
    assert await manager.active_sessions() == 0
    assert len(asyncio.all_tasks()) == 1


async def test_a_session_that_is_used_while_another_expires_stays() -> None:
    now = 0.0
    entered, release = asyncio.Event(), asyncio.Event()

    class Slow(Log):
        async def on_session_destroyed(self, session: Session, end: SessionEnd) -> None:
            entered.set()
            await release.wait()

    manager = VoiceAgentManager(
        runtime=ScriptedModel().runtime(), callbacks=Slow(), ttl_seconds=1000, clock=lambda: now
    )
    await manager.get_or_create("a")
    kept = await manager.get_or_create("b")
    now = 2000.0
    expiring = asyncio.create_task(manager.expire_idle())
    await entered.wait()
    assert await manager.get_or_create("b") is kept
    release.set()
    await expiring
    assert await manager.get_or_create("b") is kept
    await manager.aclose_all()


async def test_whoever_gives_up_waiting_for_a_session_leaves_none_behind() -> None:
    entered = asyncio.Event()

    async def hang(session_id: str, agent: VoiceAgent) -> None:
        entered.set()
        await asyncio.Event().wait()

    log = Log()
    manager = VoiceAgentManager(runtime=ScriptedModel().runtime(), callbacks=log, on_session_created=hang)
    creating = asyncio.create_task(manager.get_or_create("a"))
    await entered.wait()
    creating.cancel()
    await asyncio.wait([creating])
    assert await manager.active_sessions() == 0
    assert [id_ for id_, _ in log.ends] == ["a"]
    await manager.aclose_all()


@in_virtual_time
async def test_a_callback_may_remove_its_own_session() -> None:
    class Removing(Log):
        async def on_user_turn(self, session: Session, turn: UserTurn) -> None:
            await manager.remove(session.id)

    ended = asyncio.Event()

    async def on_destroyed(session_id: str) -> None:
        ended.set()

    log = Removing()
    manager = VoiceAgentManager(
        runtime=ScriptedModel().runtime(),
        callbacks=log,
        on_session_destroyed=on_destroyed,
        callback_timeout_s=0.05,
    )
    await manager.get_or_create("a")
    report(manager, "a", "x")
    async with asyncio.timeout(10):
        await ended.wait()
    await manager.aclose_all()
    assert [id_ for id_, _ in log.ends] == ["a"]


@in_virtual_time
async def test_callbacks_that_hang_one_after_the_other_do_not_hold_up_the_end() -> None:
    begun = 0

    class Hanging(Log):
        async def on_user_turn(self, session: Session, turn: UserTurn) -> None:
            nonlocal begun
            begun += 1
            await asyncio.Event().wait()

    log = Hanging()
    manager = VoiceAgentManager(runtime=ScriptedModel().runtime(), callbacks=log, callback_timeout_s=0.02)
    await manager.get_or_create("a")
    for number in range(200):
        report(manager, "a", str(number))
    await manager.remove("a")
    assert begun < 20
    assert len(log.ends) == 1
    await manager.aclose_all()


@in_virtual_time
async def test_how_long_calls_may_take_to_say_goodbye() -> None:
    class Staying:
        origin = None
        lost = False
        dropped = False

        def drop(self, reason: str) -> None:
            self.dropped = True

        def replace(self) -> None: ...

        def warn(self, code: str, message: str) -> None: ...

    manager = VoiceAgentManager(runtime=ScriptedModel().runtime(), close_timeout_s=3)
    await manager.get_or_create("a")
    staying = Staying()
    async with manager.connected("a", staying):
        began_s = asyncio.get_running_loop().time()
        await manager.aclose_all()
        assert asyncio.get_running_loop().time() - began_s == pytest.approx(3, abs=0.1)
        assert staying.dropped
    assert await manager.active_sessions() == 0


def report(manager: VoiceAgentManager, session_id: str, text: str) -> None:
    """Let the session's callbacks know of a turn."""
    held = manager.session(session_id)
    assert held is not None
    held.callbacks.user_turn(UserTurn(text))


@in_virtual_time
async def test_an_agent_that_is_chatted_with_is_not_idle() -> None:
    chatting, release = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        chatting.set()
        await release.wait()

    manager = VoiceAgentManager(runtime=ScriptedModel("One.", [slow, "Two."]).runtime(), ttl_seconds=60)
    agent = await manager.get_or_create("a")
    await asyncio.sleep(50)
    await agent.chat("first")
    await asyncio.sleep(50)
    assert await manager.active_sessions() == 1
    reply = asyncio.create_task(agent.chat("second"))
    await chatting.wait()
    await asyncio.sleep(500)
    release.set()
    assert (await reply).text.strip() == "Two."
    assert await manager.active_sessions() == 1
    await asyncio.sleep(100)
    assert await manager.active_sessions() == 0
    await manager.aclose_all()


async def test_a_ttl_of_zero_is_no_expiry() -> None:
    now = 0.0
    manager = VoiceAgentManager(runtime=ScriptedModel().runtime(), ttl_seconds=0, clock=lambda: now)
    agent = await manager.get_or_create("a")
    now = 1e9
    await manager.expire_idle()
    assert await manager.get_or_create("a") is agent
    await manager.aclose_all()


@pytest.mark.parametrize("ttl_seconds", [-1, float("nan")])
def test_a_ttl_below_zero_is_refused(ttl_seconds: float) -> None:
    with pytest.raises(ValueError, match="ttl_seconds must be 0"):
        VoiceAgentManager(runtime=ScriptedModel().runtime(), ttl_seconds=ttl_seconds)
