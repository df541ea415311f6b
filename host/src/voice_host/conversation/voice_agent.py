"""`VoiceAgent`: one caller's conversation with an agent, a history on top of a shared runtime."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import is_
from typing import Any

from pydantic_ai.exceptions import UsageLimitExceeded
from pydantic_ai.messages import ModelMessage

from voice_host.conversation.agent_arguments import given_config, given_key
from voice_host.conversation.events import AgentEvent, ToolFinished
from voice_host.conversation.history import CUT_MARK, is_prompt, replace_result, spoken, trim
from voice_host.conversation.runtime import AgentRuntime, default_runtime
from voice_host.conversation.turn import AgentTurn, OnEvent
from voice_host.models import log_model_error
from voice_host.plain_data import valid_unicode
from voice_host_sdk import AgentConfig, Session, STTConfig, TTSConfig

TOOL_CLOSE_TIMEOUT_S = 2.0
"""How long a cancelled tool may take to stop before it is abandoned."""


@dataclass(frozen=True, slots=True)
class VoiceResponse:
    """A reply in text.

    Attributes:
        text: what the agent said; incomplete if there is an error.
        steps: the tools it used, for display: `Using get_weather`.
        error: a sentence for the user if the model failed (`AgentConfig.error_phrase` or `step_limit_phrase`), else
            None.
        interrupted: whether `cancel()` cut the reply.
    """

    text: str
    steps: tuple[str, ...] = ()
    error: str | None = None
    interrupted: bool = False


class UnconnectedSession(Session):
    """The session of a conversation without a call: nobody hears what it says."""

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
        runtime: the shared part; default: one of its own, closed by `aclose()`.
        session: what tools see; default: one without a connection, whose `say` and `end` do nothing.

    Raises:
        TypeError: single fields other than `tools` and `tts_config` are combined with `config`.
        ModelConfigError: the model is unknown or not available, or a model setting is invalid.
        SettingsError: the host's settings are invalid.
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
        """Called at the beginning and end of each `chat()`."""
        self.on_tools: Callable[[], None] = _ignored
        """Called before tools begin."""
        self.session = session or UnconnectedSession("local", self._runtime.agent_id)
        self.memory: list[ModelMessage] = []
        self._tool_tasks: set[asyncio.Task[Any]] = set()
        self._chat: asyncio.Task[None] | None = None
        self._turn: AgentTurn | None = None
        self._chatting = asyncio.Lock()

    @property
    def greeting(self) -> str:
        """Spoken when the call begins; may be empty."""
        return self.config.greeting

    @property
    def stt_config(self) -> STTConfig:
        """How the agent listens."""
        return self.config.stt_config

    @property
    def model_name(self) -> str:
        """The name of the model, for display."""
        return self._runtime.model.name

    @property
    def busy(self) -> bool:
        """Whether a `chat()` is under way."""
        return self._chat is not None

    async def greet(self) -> VoiceResponse:
        """Return the greeting and add it to the history."""
        self.remember_spoken(self.greeting)
        return VoiceResponse(self.greeting)

    def remember_spoken(self, text: str, heard: str | None = None, mark: str = CUT_MARK) -> None:
        """Add what the agent said without being asked to the history.

        Args:
            heard: the part that was audible; None: all of it.
            mark: appended to `heard`, so that the model knows why the rest is missing.
        """
        if (text if heard is None else heard).strip():
            self.memory.append(spoken(valid_unicode(text if heard is None else heard + mark)))
            trim(self.memory)

    def begin_turn(self, text: str) -> AgentTurn:
        """Begin a turn: `run()` it, then pass it to `end_turn()`."""
        turn = self.prepare_turn()
        turn.ask(text)
        self.commit(turn)
        return turn

    def prepare_turn(self) -> AgentTurn:
        """Begin a turn before the caller's words are final: no tool runs and nothing is kept before `commit()`."""
        runtime, memory = self._runtime, tuple(self.memory)
        return AgentTurn(
            runtime.agent,
            self.config.max_steps,
            self.session,
            memory,
            self._tool_tasks,
            thinking=runtime.thinking,
            on_tools=self.on_tools,
        )

    def is_current(self, turn: AgentTurn) -> bool:
        """Whether the history is still the one that `turn` began with."""
        known, memory = turn.history, self.memory
        return len(known) == len(memory) and all(map(is_, known, memory))

    def commit(self, turn: AgentTurn) -> bool:
        """Let `turn` answer the caller's final turn. False: the history has changed since it began."""
        if not self.is_current(turn):
            return False
        turn.committed.set()
        self._turn = turn
        return True

    async def end_turn(
        self, turn: AgentTurn, heard: str | None = None, mark: str = CUT_MARK, *, failed: bool = False
    ) -> None:
        """Add a turn that is over to the history.

        Args:
            turn: from `begin_turn` or `prepare_turn`.
            heard: the part of the reply that was audible; None: all of it.
            mark: appended to `heard`, so that the model knows why the rest is missing.
            failed: whether the model failed before the end of its reply.
        """
        messages = await turn.messages_to_keep(heard, failed=failed, mark=mark)
        if self._turn is turn:
            self._turn = None
            self.memory += messages
            trim(self.memory)
            if turn.tools_running:
                turn.on_late_tool.append(self._note_late_result)

    def _note_late_result(self, tool: ToolFinished) -> None:
        """Set the result of a tool that ended after its reply was cut; the model sees it in its next request."""
        replace_result(self.memory, tool.id, tool.result, ok=tool.ok)

    def forget_turn(self, text: str) -> None:
        """Remove the user's turn `text` if nothing followed it in the history, so that it can be answered again."""
        if self.memory and is_prompt(self.memory[-1], text):
            del self.memory[-1]

    async def chat(self, text: str, on_event: OnEvent | None = None) -> VoiceResponse:
        """Answer `text` and add both to the history. A chat under way is cancelled first.

        If the model fails, the response has an `error`, and the history keeps the user's turn and the incomplete reply,
        marked as such.

        Raises:
            Exception: what `on_event` raised.
        """
        await self.cancel()
        async with self._chatting:  # the history must have the end of the chat before
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
        """Return the sentence for the user if a reply failed, or None."""
        error = task.exception()
        if isinstance(error, UsageLimitExceeded):
            return self.config.step_limit_phrase
        if isinstance(error, Exception):
            log_model_error(self._runtime.agent_id, error)
        elif error is not None:
            raise error
        return self.config.error_phrase if error is not None or not turn.text.strip() else None

    async def cancel(self) -> None:
        """Cancel the chat under way, if any, and wait until it has ended."""
        if self._turn is not None:
            self._turn.alive = False
        if (task := self._chat) is not None:
            task.cancel()
            await asyncio.wait([task])

    async def reset(self) -> None:
        """Clear the history. `Session.state` belongs to the plugin and is kept."""
        await self.cancel()
        self._turn = None
        self.memory.clear()

    async def aclose(self) -> None:
        """Cancel everything that still runs for this conversation. Idempotent."""
        await self.cancel()
        self.on_used = self.on_tools = _ignored
        tasks = list(self._tool_tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=TOOL_CLOSE_TIMEOUT_S)
        if self._owns_runtime:
            await self._runtime.aclose()


def _ignored() -> None:
    """The default of `VoiceAgent.on_used` and `on_tools`."""
