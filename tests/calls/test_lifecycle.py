"""Every way a session can begin and end: which callbacks run, in which order, with what, and exactly once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.websockets import WebSocket
from websockets.asyncio.client import ClientConnection

from tests.calls.client import TestCaller, calling
from tests.calls.studio import Studio, no_session, studio
from voice_host import VoiceSessionHandler
from voice_host.call.call import Call
from voice_host.conversation.voice_agent import VoiceAgent
from voice_host.testing.ears import ScriptedEars
from voice_host_sdk import (
    AgentConfig,
    LifecycleCallbacks,
    Session,
    SessionEnd,
    SilenceConfig,
    SpeechToTextStream,
    STTConfig,
)


class Diary(LifecycleCallbacks):
    """Writes down every callback, and that all of a session speak of the same session."""

    def __init__(self, refuses: bool = False) -> None:
        self.refuses = refuses
        self.names: list[str] = []
        self.sessions: list[Session] = []
        self.end: SessionEnd | None = None

    def note(self, name: str, session: Session) -> None:
        self.names.append(name)
        self.sessions.append(session)

    async def on_session_starting(self, session: Session, config: AgentConfig) -> AgentConfig:
        self.note("starting", session)
        if self.refuses:
            raise RuntimeError("not today")
        return config

    async def on_session_created(self, session: Session) -> None:
        self.note("created", session)
        session.state["seen"] = True

    async def on_user_turn(self, session: Session, turn: Any) -> None:
        self.note(f"turn {turn.text}", session)

    async def on_agent_reply(self, session: Session, reply: Any) -> None:
        self.note(f"reply {reply.reply}{' cut' if reply.interrupted else ''}", session)

    async def on_tool_call(self, session: Session, call: Any) -> None:
        self.note(f"tool {call.name}", session)

    async def on_error(self, session: Session, error: Any) -> None:
        self.note(f"error {error.code}", session)

    async def on_session_destroyed(self, session: Session, end: SessionEnd) -> None:
        assert session.state == {"seen": True}
        self.note("destroyed", session)
        self.end = end


async def hang_up(session: Session) -> str:
    """Hang up."""
    await session.end("goodbye then")
    return "done"


# --- the ways to end ----------------------------------------------------------------------------------------------


async def goodbye(s: Studio, caller: TestCaller) -> None:
    await caller.ws.close(1000)


async def goodbye_without_a_code(s: Studio, caller: TestCaller) -> None:
    await close_frame(caller.ws, None)


async def page_left(s: Studio, caller: TestCaller) -> None:
    await caller.ws.close(1001)


async def vanish(s: Studio, caller: TestCaller) -> None:
    caller.ws.transport.abort()


async def come_back_and_say_goodbye(s: Studio, caller: TestCaller) -> None:
    caller.ws.transport.abort()
    await s.until(lambda s: s.manager.parked_sessions == 1)
    token = caller.all("ready")[0]["resume_token"]
    async with calling(f"{s.url}?resume={token}") as again:
        await again.expect("ready", resumed=True)


async def agent_hangs_up(s: Studio, caller: TestCaller) -> None:
    s.llm.call_tool("hang_up")
    s.llm.reply("Bye.")
    await caller.type("Bye")


async def nothing(s: Studio, caller: TestCaller) -> None:
    """Only wait: a limit does it."""


async def removed(s: Studio, caller: TestCaller) -> None:
    assert await s.manager.remove(caller.all("ready")[0]["session_id"])


async def drained(s: Studio, caller: TestCaller) -> None:
    await s.manager.drain(0.2)
    await s.manager.aclose_all()


async def shut_down(s: Studio, caller: TestCaller) -> None:
    await s.manager.aclose_all()


async def shut_down_while_away(s: Studio, caller: TestCaller) -> None:
    caller.ws.transport.abort()
    await s.until(lambda s: s.manager.parked_sessions == 1)
    await s.manager.aclose_all()


async def cut_in_a_reply(s: Studio, caller: TestCaller) -> None:
    s.llm.reply("One two three four five six seven eight nine ten eleven twelve.")
    await caller.type("Count")
    await caller.expect("reply_delta", reply=2)
    await caller.ws.close(1000)


async def close_frame(ws: ClientConnection, code: int | None) -> None:
    async with ws.send_context():
        ws.protocol.send_close(code)


@dataclass(frozen=True)
class Ending:
    act: Callable[[Studio, TestCaller], Awaitable[None]]
    reason: str
    code: int | None = None
    """What the caller sees; None: the caller went itself."""
    detail: str = ""
    more: tuple[str, ...] = ()
    """The callbacks between the reply to the first turn and the end."""
    turns: int = 1
    silence: SilenceConfig | None = None
    options: dict[str, Any] = field(default_factory=dict)


NEVER = {"nudge_after_s": None}
ENDINGS = [
    Ending(goodbye, "goodbye"),
    Ending(goodbye_without_a_code, "goodbye", options={"resume_grace_s": 60}),
    Ending(cut_in_a_reply, "goodbye", more=("turn Count", "reply 2 cut"), turns=2),
    Ending(page_left, "lost", options={"resume_grace_s": 0.1}),
    Ending(vanish, "lost", options={"resume_grace_s": 0.1}),
    Ending(vanish, "lost", options={"resume_grace_s": 0}),
    Ending(vanish, "expired", options={"resume_grace_s": 60, "ttl_seconds": 0.1}),
    Ending(come_back_and_say_goodbye, "goodbye"),
    Ending(
        agent_hangs_up,
        "ended",
        1000,
        detail="goodbye then",
        more=("turn Bye", "tool hang_up", "reply 2"),
        turns=2,
    ),
    Ending(
        nothing,
        "ended",
        1000,
        detail="nothing was said for too long",
        silence=SilenceConfig(**NEVER, idle_timeout_s=0.3),
    ),
    Ending(
        nothing,
        "ended",
        1000,
        detail="the call reached its maximum length",
        silence=SilenceConfig(**NEVER, max_call_s=1.5),
    ),
    Ending(removed, "removed", 1000),
    Ending(drained, "shutdown", 4504, more=("error draining",)),
    Ending(shut_down, "shutdown", 4504),
    Ending(shut_down_while_away, "shutdown"),
]


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: f"{ending.act.__name__}-{ending.reason}")
async def test_each_way_to_end_runs_each_callback_and_logs_each_line_once_and_in_order(
    ending: Ending, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="voice_host")
    diary = Diary()
    manager_told: list[tuple[str, str]] = []

    async def created(session_id: str, agent: VoiceAgent) -> None:
        assert agent.session.id == session_id
        manager_told.append(("created", session_id))

    async def destroyed(session_id: str) -> None:
        manager_told.append(("destroyed", session_id))

    config = AgentConfig(tools=(hang_up,), silence=ending.silence or SilenceConfig())
    async with studio(
        config, callbacks=diary, on_session_created=created, on_session_destroyed=destroyed, **ending.options
    ) as s:
        s.llm.reply("Hello.")
        async with calling(s.url) as caller:
            ready = await caller.expect("ready")
            await caller.type("Hi")
            await caller.expect("metrics", reply=1)
            await ending.act(s, caller)
            if ending.code is not None:
                assert (await caller.ended())[0] == ending.code
            async with asyncio.timeout(10):
                while len(manager_told) < 2:  # noqa: ASYNC110 (the sweeper tells nobody)
                    await asyncio.sleep(0.005)
        before = ["starting", "created", "turn Hi", "reply 1"]
        assert diary.names == [*before, *ending.more, "destroyed"]
    assert diary.names.count("destroyed") == 1, "and no second time when the manager closes"
    assert len({id(session) for session in diary.sessions}) == 1
    assert manager_told == [("created", ready["session_id"]), ("destroyed", ready["session_id"])]
    assert diary.end is not None
    assert (diary.end.reason, diary.end.detail, diary.end.turns) == (ending.reason, ending.detail, ending.turns)
    assert diary.end.duration_s > 0
    started, ended = logged(caplog)
    assert (started["message"], ended["message"]) == ("call_started", "call_ended")
    for line in (started, ended):
        assert (line["agent_id"], line["session_id"]) == ("desk", ready["session_id"])
    assert (ended["reason"], ended["turns"]) == (ending.reason, ending.turns)
    assert ended["duration_s"] == round(diary.end.duration_s, 1)
    assert ended["worst_first_audio_ms"] >= 0


def logged(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """What the log says of calls as a whole."""
    return [
        vars(record) for record in caplog.records if record.message in ("call_started", "call_ended", "call_refused")
    ]


async def test_the_worst_time_to_the_first_audio_is_that_of_turns_not_of_the_greeting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="voice_host")
    async with studio(AgentConfig(greeting="Hello.")) as s:
        async with calling(s.url) as caller:
            await caller.expect("metrics", reply=1)
        await no_session(s)
        gate = asyncio.Event()
        s.llm.reply("One.")
        s.llm.reply("Two.", gates={0: gate})
        s.llm.reply("Three.")
        async with calling(s.url) as caller:
            waits = []
            for number, text in enumerate(("a", "b", "c"), start=2):
                await caller.type(text)
                if text == "b":
                    await s.llm.request(1)
                    gate.set()
                waits.append((await caller.expect("metrics", reply=number))["stages_ms"]["first_audio_out"])
    greeted, talked = [line for line in logged(caplog) if line["message"] == "call_ended"]
    assert (greeted["worst_first_audio_ms"], greeted["turns"]) == (None, 0)
    assert (talked["worst_first_audio_ms"], talked["turns"]) == (round(max(waits)), 3)


async def test_a_refused_session_has_neither_beginning_nor_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="voice_host")
    diary = Diary(refuses=True)
    async with studio(callbacks=diary) as s, calling(s.url) as caller:
        assert (await caller.ended())[0] == 4500
    assert diary.names == ["starting"]
    assert [(line["message"], line["code"]) for line in logged(caplog)] == [("call_refused", 4500)]


class Mistaken(VoiceSessionHandler):
    """A host with a mistake of its own."""

    async def _client_loop(self, call: Call, ws: WebSocket) -> None:
        raise RuntimeError("what the caller said: 4711")


async def test_a_mistake_of_the_host_ends_its_call_as_failed() -> None:
    diary = Diary()
    async with studio(callbacks=diary, handler_class=Mistaken) as s:
        async with calling(s.url) as caller:
            error = await caller.expect("error", code="internal")
            assert "4711" not in error["message"]
            assert (await caller.ended())[0] == 1011
            await s.until(lambda s: bool(s.leaks))
            await no_session(s)
        assert s.leaks == [[]]
    assert diary.names == ["starting", "created", "destroyed"]
    assert diary.end is not None
    assert diary.end.reason == "failed"


async def test_a_provider_that_crashes_is_one_that_fails() -> None:
    """Not as providers fail, with `ProviderError`, but with a mistake of its own."""

    class Crashing(ScriptedEars):
        async def open(self, config: STTConfig) -> SpeechToTextStream:
            raise RuntimeError("what the caller said: 4711")

    async with studio(ears=Crashing()) as s:
        s.llm.reply("Hello.")
        async with calling(s.url) as caller:
            error = await caller.expect("error", code="stt_failed")
            assert "4711" not in error["message"]
            await caller.type("Hi")
            await caller.expect("chat", text="Hello.")
