"""`VoiceAgent`: one caller's conversation with an agent. Light: a history over a shared runtime."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from pydantic_ai.messages import ModelMessage

from voice_host.agent.defaults import default_runtime
from voice_host.agent.events import AgentEvent
from voice_host.agent.history import CUT_MARK, is_only_prompt, spoken, trim
from voice_host.agent.runtime import AgentRuntime
from voice_host.agent.session import LiveSession
from voice_host.agent.turn import AgentTurn, OnEvent
from voice_host_sdk import AgentConfig, STTConfig, TTSConfig

TOOL_CLOSE_TIMEOUT_S = 2.0
"""How long a cancelled tool may take to stop before it is left to itself."""


@dataclass(frozen=True, slots=True)
class ChatReply:
    """A reply in text: `steps` names the tools used, `interrupted` says that `cancel()` cut it."""

    text: str
    steps: tuple[str, ...] = ()
    interrupted: bool = False


class VoiceAgent:
    """One conversation.

    Args:
        config: what the customer says of the agent.
        tts_config: the voice; default: the one in `config`.
        runtime: the shared half. Without one the agent builds, and on `aclose()` frees, its own.
        session: what tools see. Without one a session of its own that nobody listens to.
    """

    def __init__(
        self,
        config: AgentConfig | None = None,
        *,
        tts_config: TTSConfig | None = None,
        runtime: AgentRuntime | None = None,
        session: LiveSession | None = None,
    ) -> None:
        self._owns_runtime = runtime is None
        if runtime is None:
            runtime = default_runtime(config or AgentConfig())
        self._runtime = runtime if config is None else runtime.variant(config)
        self.config = self._runtime.config
        self.tts_config = tts_config or self.config.tts_config
        self.session = session or LiveSession("local", runtime.agent_id)
        self.memory: list[ModelMessage] = []
        self._tool_tasks: set[asyncio.Task[Any]] = set()
        self._chat: asyncio.Task[None] | None = None
        self._turn: AgentTurn | None = None
        self._chatting = asyncio.Lock()

    @property
    def greeting(self) -> str:
        """What is said when the call begins; may be empty."""
        return self.config.greeting

    @property
    def stt_config(self) -> STTConfig:
        """How the agent listens."""
        return self.config.stt_config

    @property
    def model_name(self) -> str:
        """The model that answers, as shown to people."""
        return self._runtime.model.name

    async def greet(self) -> str:
        """Return the greeting and remember that it was said."""
        self.remember_spoken(self.greeting)
        return self.greeting

    def remember_spoken(self, text: str, heard: str | None = None, mark: str = CUT_MARK) -> None:
        """Remember something the agent said of itself. `heard`: what was audible of it; None: all. `mark`: says why."""
        if (text if heard is None else heard).strip():
            self.memory.append(spoken(text if heard is None else heard + mark))
            trim(self.memory)

    def begin_turn(self, text: str) -> AgentTurn:
        """Begin a turn whose events the caller of this method consumes; `end_turn()` it afterwards."""
        turn = self.prepare_turn()
        turn.ask(text)
        self.commit(turn)
        return turn

    def prepare_turn(self) -> AgentTurn:
        """Begin a turn before it is final, or even known: no tool runs and nothing is remembered before `commit()`."""
        model, steps = self._runtime.agent, self.config.max_steps
        return AgentTurn(model, steps, self.session, tuple(self.memory), self._tool_tasks)

    def is_current(self, turn: AgentTurn) -> bool:
        """Whether nothing was said since `turn` was begun."""
        known, memory = turn.history, self.memory
        return len(known) == len(memory) and (not memory or known[-1] is memory[-1])

    def commit(self, turn: AgentTurn) -> bool:
        """The caller's turn is final: let `turn` answer it. False: the conversation has moved on since it began."""
        if not self.is_current(turn):
            return False
        turn.committed.set()
        self._turn = turn
        return True

    async def end_turn(
        self, turn: AgentTurn, heard: str | None = None, mark: str = CUT_MARK, *, failed: bool = False
    ) -> None:
        """Remember a turn that is over.

        Args:
            turn: as `begin_turn` returned it.
            heard: what was audible of a reply that was not heard whole; None: it was.
            mark: ends it, so that the model knows why: the caller cut it.
            failed: the model did not get to the end of its reply.
        """
        messages = await turn.settle(heard, failed=failed, mark=mark)
        if self._turn is turn:
            self._turn = None
            self.memory += messages
            trim(self.memory)

    def take_back(self, text: str) -> None:
        """Forget the turn `text` if it is the last thing remembered, so that it can be begun again."""
        if self.memory and is_only_prompt(self.memory[-1], text):
            del self.memory[-1]

    async def chat(self, text: str, on_event: OnEvent | None = None) -> ChatReply:
        """Answer `text` and remember both. A chat that is still under way is cancelled first.

        Raises:
            Exception: what the model raised; the history keeps the user's turn and what had been written, marked.
        """
        await self.cancel()
        async with self._chatting:  # the one before must have settled: its words belong into this one's history
            return await self._answer(text, on_event)

    async def _answer(self, text: str, on_event: OnEvent | None) -> ChatReply:
        turn = self.begin_turn(text)
        self._chat = task = asyncio.create_task(turn.run(on_event or _to_nobody), name="chat")
        try:
            await asyncio.wait([task])
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait([task])
            interrupted = task.cancelled()
            failed = interrupted or task.exception() is not None
            await self.end_turn(turn, heard=turn.text if interrupted else None, failed=failed)
            if self._chat is task:
                self._chat = None
        if not interrupted:
            task.result()
        return ChatReply(turn.text, tuple(turn.steps), interrupted)

    async def cancel(self) -> None:
        """Stop the chat under way, if any, and wait until it has stopped."""
        if self._turn is not None:
            self._turn.alive = False
        if (task := self._chat) is not None:
            task.cancel()
            await asyncio.wait([task])

    async def reset(self) -> None:
        """Forget the conversation. `Session.state` is the plugin's and stays."""
        await self.cancel()
        self._turn = None
        self.memory.clear()

    async def aclose(self) -> None:
        """Stop everything that still runs for this conversation. Idempotent."""
        await self.cancel()
        tasks = list(self._tool_tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=TOOL_CLOSE_TIMEOUT_S)
        if self._owns_runtime:
            await self._runtime.aclose()


async def _to_nobody(_: AgentEvent) -> None:
    """Nobody wants to know what happens within a turn."""
