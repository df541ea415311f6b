"""Workers that are lost, without processes: each has a manager of its own, and a front keeps their checkpoints."""

from __future__ import annotations

from collections.abc import AsyncIterator
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
from voice_host.sessions.resume_state import ResumeState
from voice_host.sessions.saved_session import SavedSession
from voice_host.speech.select import SpeechProviders
from voice_host.testing import ScriptedModel
from voice_host.testing.call import TestCall
from voice_host.testing.ears import ScriptedEars
from voice_host.testing.voice import ScriptedVoice
from voice_host_sdk import AgentConfig, AgentReply, Caller, Session

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
