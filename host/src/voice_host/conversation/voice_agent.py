"""`VoiceAgent`: one caller's conversation with an agent. Light: a history over a shared runtime."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import is_
from typing import Any

from pydantic_ai.exceptions import UsageLimitExceeded
from pydantic_ai.messages import ModelMessage

from voice_host.conversation.agent_arguments import given_config, given_key
from voice_host.conversation.defaults import default_runtime
from voice_host.conversation.events import AgentEvent, ToolFinished
from voice_host.conversation.history import CUT_MARK, is_only_prompt, spoken, trim, with_result
from voice_host.conversation.runtime import AgentRuntime
from voice_host.conversation.turn import AgentTurn, OnEvent
from voice_host.models import log_model_error
from voice_host.valid_unicode import valid_unicode
from voice_host_sdk import AgentConfig, Session, STTConfig, TTSConfig

TOOL_CLOSE_TIMEOUT_S = 2.0
"""How long a cancelled tool may take to stop before it is left to itself."""


@dataclass(frozen=True, slots=True)
class VoiceResponse:
    """A reply in text.

    Attributes:
        text: what the agent said; with an error, as far as it got.
        steps: the tools it used, as shown to people: `Using get_weather`.
        error: a sentence for the user when the model failed (`AgentConfig.error_phrase` or `step_limit_phrase`), else
            None.
        interrupted: whether `cancel()` cut the reply.
    """

    text: str
    steps: tuple[str, ...] = ()
    error: str | None = None
    interrupted: bool = False


class UnconnectedSession(Session):
    """The session of a conversation in text alone: nobody hears what it says."""

    async def say(self, text: str) -> None: ...

    async def end(self, reason: str = "") -> None: ...


class VoiceAgent:
    """One conversation.

    The agent is described by single fields or by `config`. What is not given has the default of `AgentConfig`.

    Args:
        assemblyai_api_key: for the gateway's default model, where no model is named; default: the environment's.
        model: pydantic-ai's name of a model, or the gateway's.
        tools: functions the model may use; added to those of `config`.
        instructions: what the model is told.
        max_steps: requests to the model within one reply.
        model_settings: sent to the model with each request: temperature, max_tokens, ...
        stt_config: how the agent listens.
        tts_config: the voice; takes the place of the one in `config`.
        greeting: what `greet()` returns.
        voice_rules: appended to the instructions: how to word things that are spoken.
        config: the whole agent, in place of single fields.
        runtime: the shared half. Without one the agent builds, and on `aclose()` frees, its own.
        session: what tools see; default: one without a connection, whose `say` and `end` do nothing.

    Raises:
        TypeError: single fields other than `tools` and `tts_config` are given beside `config`.
        ModelConfigError: the model that is named cannot be had, or a model setting is wrong.
        SettingsError: the host's settings cannot be used.
    """

    def __init__(
        self,
        assemblyai_api_key: str | None = None,
        *,
        model: str | None = None,
        tools: Sequence[Any] = (),
        instructions: str | None = None,
        max_steps: int | None = None,
        model_settings: Mapping[str, Any] | None = None,
        stt_config: STTConfig | None = None,
        tts_config: TTSConfig | None = None,
        greeting: str | None = None,
        voice_rules: str | None = None,
        config: AgentConfig | None = None,
        runtime: AgentRuntime | None = None,
        session: Session | None = None,
    ) -> None:
        key = given_key(assemblyai_api_key)
        config = given_config(
            config,
            runtime.config if runtime is not None else AgentConfig(),
            tools=tools,
            tts_config=tts_config,
            model=model,
            instructions=instructions,
            max_steps=max_steps,
            model_settings=model_settings,
            stt_config=stt_config,
            greeting=greeting,
            voice_rules=voice_rules,
        )
        self._owns_runtime = runtime is None
        self._runtime = default_runtime(config, key) if runtime is None else runtime.variant(config)
        self.config = self._runtime.config
        self.tts_config = self.config.tts_config
        self.on_used: Callable[[], None] = _ignored
        """Called when a `chat()` begins and when it ends."""
        self.session = session or UnconnectedSession("local", self._runtime.agent_id)
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

    @property
    def busy(self) -> bool:
        """Whether a `chat()` is under way."""
        return self._chat is not None

    async def greet(self) -> VoiceResponse:
        """Return the greeting and remember that it was said."""
        self.remember_spoken(self.greeting)
        return VoiceResponse(self.greeting)

    def remember_spoken(self, text: str, heard: str | None = None, mark: str = CUT_MARK) -> None:
        """Remember something the agent said of itself. `heard`: what was audible of it; None: all. `mark`: says why."""
        if (text if heard is None else heard).strip():
            self.memory.append(spoken(valid_unicode(text if heard is None else heard + mark)))
            trim(self.memory)

    def begin_turn(self, text: str) -> AgentTurn:
        """Begin a turn whose events the caller of this method consumes; `end_turn()` it afterwards."""
        turn = self.prepare_turn()
        turn.ask(text)
        self.commit(turn)
        return turn

    def prepare_turn(self) -> AgentTurn:
        """Begin a turn before it is final, or even known: no tool runs and nothing is remembered before `commit()`."""
        runtime, memory = self._runtime, tuple(self.memory)
        return AgentTurn(
            runtime.agent, self.config.max_steps, self.session, memory, self._tool_tasks, thinking=runtime.thinking
        )

    def is_current(self, turn: AgentTurn) -> bool:
        """Whether nothing was said since `turn` was begun."""
        known, memory = turn.history, self.memory
        return len(known) == len(memory) and all(map(is_, known, memory))

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
            turn.on_late_tool.append(self._remember_late)

    def _remember_late(self, tool: ToolFinished) -> None:
        """Let the model know, with its next request, what a tool did that ended after its reply was cut."""
        with_result(self.memory, tool.id, tool.result, ok=tool.ok)

    def take_back(self, text: str) -> None:
        """Forget the turn `text` if it is the last thing remembered, so that it can be begun again."""
        if self.memory and is_only_prompt(self.memory[-1], text):
            del self.memory[-1]

    async def chat(self, text: str, on_event: OnEvent | None = None) -> VoiceResponse:
        """Answer `text` and remember both. A chat that is still under way is cancelled first.

        A model that fails raises nothing: the response has an `error`, and the history keeps the user's turn and what
        had been written, marked as incomplete.

        Raises:
            Exception: what `on_event` raised.
        """
        await self.cancel()
        async with self._chatting:  # the one before must have settled: its words belong into this one's history
            return await self._answer(text, on_event)

    async def _answer(self, text: str, on_event: OnEvent | None) -> VoiceResponse:
        raised: list[Exception] = []

        async def tell(event: AgentEvent) -> None:
            try:
                if on_event is not None:
                    await on_event(event)
            except Exception as error:
                raised.append(error)
                raise

        turn = self.begin_turn(text)
        self._chat = task = asyncio.create_task(turn.run(tell), name="chat")
        self.on_used()
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
            self.on_used()
        if raised:
            raise raised[0]
        error = None if interrupted else self._error_of(task, turn)
        return VoiceResponse(turn.text, tuple(turn.steps), error, interrupted)

    def _error_of(self, task: asyncio.Task[None], turn: AgentTurn) -> str | None:
        """Return what to tell the user of a reply that failed, or None."""
        error = task.exception()
        if isinstance(error, UsageLimitExceeded):
            return self.config.step_limit_phrase
        if isinstance(error, Exception):
            log_model_error(self._runtime.agent_id, error)
        elif error is not None:
            raise error
        return self.config.error_phrase if error is not None or not turn.text.strip() else None

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


def _ignored() -> None:
    """Nobody wants to know."""
