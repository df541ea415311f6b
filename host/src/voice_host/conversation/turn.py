"""One turn of an agent: the caller's words in, events out, and the messages for the history at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from pydantic_ai import Agent, UsageLimits
from pydantic_ai.messages import (
    FunctionToolCallEvent,
    FunctionToolResultEvent,
    ModelMessage,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ToolCallPart,
    ToolReturnPart,
)

from voice_host.conversation.events import AgentEvent, AnswerBrokenOff, TextDelta, ToolFinished, ToolStarted
from voice_host.conversation.history import CUT_MARK, FAULT_MARK, kept_messages
from voice_host.conversation.model_response import (
    TRUNCATION_MARKS,
    mark_truncated,
    normalise_response,
    refusal_of,
    says_nothing,
)
from voice_host.conversation.tool_results import to_jsonable
from voice_host.conversation.tool_work import ToolOutcome, ToolWork
from voice_host.models.deferred_prompt import PROMPT_PLACEHOLDER, fill_prompt, live_turn
from voice_host.models.thoughts import SpokenTextFilter, ThinkingHabit
from voice_host.models.written_calls import WrittenCall
from voice_host.plain_data import valid_unicode
from voice_host.tenancy import contained
from voice_host_sdk import Session

if TYPE_CHECKING:
    from pydantic_ai import ModelRequestNode
    from pydantic_ai.run import AgentRun

OnEvent = Callable[[AgentEvent], Awaitable[None]]

active_turn: ContextVar[AgentTurn | None] = ContextVar("active_turn", default=None)
"""The turn that the current task works for; tools inherit it."""


@dataclass(slots=True)
class AgentTurn:
    """A run of the model over one user turn.

    Call `ask()` once the caller's words are known, `run()` before or after that, and `messages_to_keep()` at the end.
    `alive` becomes False when the turn is cancelled; what its tools still ask of the session is then ignored.
    """

    agent: Agent[Session, str]
    max_steps: int
    session: Session
    history: Sequence[ModelMessage]
    tool_tasks: set[asyncio.Task[Any]]
    thinking: ThinkingHabit = field(default_factory=ThinkingHabit)
    """How the model marks its reasoning, as far as known."""
    prompt: str = ""
    """The caller's words; empty until `ask()`."""
    alive: bool = True
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the caller's words are known. A run that began before prepares its request and waits for this."""
    committed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the caller's turn is final. No tool runs before."""
    text: str = ""
    steps: list[str] = field(default_factory=list)
    outcomes: dict[str, ToolOutcome] = field(default_factory=dict)
    on_late_tool: list[Callable[[ToolFinished], None]] = field(default_factory=list)
    """Called for each tool that ends after `messages_to_keep()`."""
    on_tools: Callable[[], None] = lambda: None
    """Called before the tools of a response begin."""
    tools_began: bool = False
    """Whether a tool has begun, so that the turn must not be answered again from the beginning."""
    _on_event: OnEvent = field(init=False, repr=False)
    _forwarded: bool = False
    _reported: set[str] = field(default_factory=set)
    _calls: dict[str, ToolStarted] = field(default_factory=dict)
    _messages: list[ModelMessage] = field(default_factory=list)
    _current: AgentRun[Session, str] | None = None
    """The run, until it ends and leaves its messages in `_messages`."""
    _finishing: dict[str, asyncio.Task[ToolOutcome]] = field(default_factory=dict)
    _running: set[str] = field(default_factory=set)
    """Ids of tool calls that go on although the turn was cut."""
    _closed: bool = False
    _written: list[WrittenCall] = field(default_factory=list)
    _empty: int = 0
    """Responses without text or tool calls."""

    def ask(self, text: str) -> None:
        """Set the caller's words. If called again, the model answers the first words and the history keeps the last."""
        self.prompt = valid_unicode(text)
        self.asked.set()

    async def run(self, on_event: OnEvent) -> None:
        """Run the model and its tools, and await `on_event` for each event. To be called once.

        Raises:
            Exception: model failures as pydantic-ai raises them, and what `on_event` raises.
        """
        self._on_event = on_event
        try:
            await contained(self._run)
        finally:
            del self._on_event  # contexts that were copied meanwhile keep the turn, and need not keep the call

    async def _run(self) -> None:
        turn = active_turn.set(self)
        try:
            async with self.agent.iter(
                PROMPT_PLACEHOLDER,
                message_history=list(self.history),
                deps=self.session,
                usage_limits=UsageLimits(request_limit=self.max_steps),
            ) as run:
                self._current = run
                try:
                    await self._follow(run)
                finally:
                    self._current = None
                    self._messages = fill_prompt(run.new_messages(), self.prompt)
        finally:
            active_turn.reset(turn)

    async def _follow(self, run: AgentRun[Session, str]) -> None:
        async for node in run:
            if Agent.is_model_request_node(node):
                await self._request(node, run)
            elif Agent.is_call_tools_node(node):
                await self.committed.wait()
                if await self._ends_turn(node.model_response):
                    return
                history = run.ctx.state.message_history  # tools see it, and the words are final by now
                history[:] = fill_prompt(history, self.prompt)
                if node.model_response.tool_calls:
                    self.tools_began = True
                    self.on_tools()
                async with node.stream(run.ctx) as tools:
                    async for event in tools:
                        if isinstance(event, FunctionToolCallEvent):
                            await self._on_event(self._started(event.part))
                        elif isinstance(event, FunctionToolResultEvent):
                            await self._on_event(self._finished(event))

    async def _ends_turn(self, response: ModelResponse) -> bool:
        """Correct a response, and return whether it ends the turn."""
        normalise_response(response, self._written)
        if refusal := refusal_of(response):
            response.parts = [*response.parts, TextPart(refusal)]
            await self._say(refusal, new_part=True)
        if (reason := response.finish_reason) is not None and reason in TRUNCATION_MARKS:
            mark_truncated(response, TRUNCATION_MARKS[reason])
            await self._on_event(AnswerBrokenOff(reason))
        if not says_nothing(response):
            return False
        # An empty response is usual after a goodbye and a tool that hangs up. If nothing was said so far, pydantic-ai
        # asks the model once more; a second empty response after a tool ends the turn.
        self._empty += 1
        return bool(self.text.strip()) or (bool(self.outcomes) and self._empty > 1)

    async def _request(self, node: ModelRequestNode[Session, str], run: AgentRun[Session, str]) -> None:
        self._forwarded = False
        spoken, new_part = SpokenTextFilter(self.thinking), True
        token = live_turn.set(self)  # not for tools, whose own model requests the caller must not hear
        try:
            async with node.stream(run.ctx) as stream:
                async for event in stream:
                    new_part = new_part or _begins_text(event)
                    if not self._forwarded and (text := spoken.feed(_text_of(event))):
                        await self._say(text, new_part=new_part)
                        new_part = False
                if rest := spoken.flush():
                    await self._say(rest, new_part=new_part)
        finally:
            live_turn.reset(token)
        self._written = spoken.calls

    # --- `voice_host.models.deferred_prompt.LiveTurn` -------------------------------------------------------------

    async def deferred_prompt(self) -> str:
        await self.asked.wait()
        return self.prompt

    async def on_text(self, text: str) -> None:
        self._forwarded = True  # the same text comes again as pydantic-ai's event
        await self._say(text, new_part=False)

    async def _say(self, text: str, *, new_part: bool) -> None:
        # The text before and after a tool call comes in two parts; a space separates their words.
        if new_part and self.text and not self.text[-1].isspace() and not text[0].isspace():
            text = " " + text
        text = valid_unicode(text)
        self.text += text
        await self._on_event(TextDelta(text))

    def _started(self, call: ToolCallPart) -> ToolStarted:
        self.steps.append(f"Using {call.tool_name}")
        started = ToolStarted(call.tool_call_id, call.tool_name, _arguments(call))
        self._calls[started.id] = started
        return started

    def _finished(self, event: FunctionToolResultEvent) -> ToolFinished:
        part = event.part
        self._reported.add(part.tool_call_id)
        outcome = self.outcomes.get(part.tool_call_id)
        return ToolFinished(
            id=part.tool_call_id,
            name=part.tool_name,
            arguments=self._calls[part.tool_call_id].arguments if part.tool_call_id in self._calls else {},
            ok=isinstance(part, ToolReturnPart) and part.outcome == "success",
            result=part.content,
            duration_ms=outcome.duration_ms if outcome else 0.0,
            timed_out=outcome is not None and outcome.timed_out,
        )

    # --- tools that outlive it (`voice_host.conversation.tool_work.Turn`) --------------------

    def run_independently(
        self, work: ToolWork, running: Coroutine[Any, Any, ToolOutcome], how: Literal["finish", "detach", "cancel"]
    ) -> asyncio.Task[ToolOutcome]:
        """Run a tool in a task that is not cancelled with the turn, only by `VoiceAgent.aclose`."""
        task = asyncio.create_task(running, name=f"tool-{work.call_id}")
        self.tool_tasks.add(task)
        task.add_done_callback(self.tool_tasks.discard)
        if how == "finish":
            self._finishing[work.call_id] = task
        else:
            self.note_running(work)
            task.add_done_callback(partial(self._detached_ended, work))
        return task

    def note_running(self, work: ToolWork) -> None:
        self._running.add(work.call_id)

    def note_finished(self, work: ToolWork, outcome: ToolOutcome) -> None:
        self._running.discard(work.call_id)
        if work.call_id in self.outcomes:
            return
        self.outcomes[work.call_id] = outcome
        if self._closed:
            call = self._calls.get(work.call_id) or ToolStarted(work.call_id, work.name, work.arguments)
            for notify in self.on_late_tool:
                notify(_tool_finished(call, outcome))

    @property
    def tools_running(self) -> bool:
        """Whether there are tools that may yet end late."""
        return bool(self._running)

    def _detached_ended(self, work: ToolWork, task: asyncio.Task[ToolOutcome]) -> None:
        if not task.cancelled() and task.exception() is None:
            self.note_finished(work, task.result())

    @property
    def tokens(self) -> tuple[int, int]:
        """How many tokens the model has read and written, as far as its service has told."""
        messages = self._messages if self._current is None else self._current.new_messages()
        used = [message.usage for message in messages if isinstance(message, ModelResponse)]
        return sum(each.input_tokens for each in used), sum(each.output_tokens for each in used)

    # --- afterwards -------------------------------------------------------------------------------------------------

    def unreported(self) -> list[ToolFinished]:
        """Return the tools that ended without an event, since the turn was cut. Call it after `messages_to_keep()`."""
        return [
            _tool_finished(call, outcome)
            for call_id, outcome in self.outcomes.items()
            if call_id not in self._reported and (call := self._calls.get(call_id)) is not None
        ]

    async def messages_to_keep(
        self, heard: str | None = None, *, failed: bool = False, mark: str = CUT_MARK
    ) -> list[ModelMessage]:
        """Wait for `finish` tools, and return the messages for the history; arguments as for `VoiceAgent.end_turn`."""
        if self._finishing:
            await asyncio.wait(self._finishing.values())
            for call_id, task in self._finishing.items():
                if not task.cancelled() and task.exception() is None:
                    self.outcomes.setdefault(call_id, task.result())
        self._closed = True
        if failed and heard is None:
            heard, mark = self.text, FAULT_MARK
        return self._kept(self._messages, heard, mark)

    def messages_so_far(self, heard: str) -> list[ModelMessage]:
        """Return the messages for the history if the turn were cut now, without waiting for tools.

        Args:
            heard: the part of the reply that was audible.
        """
        messages = self._messages if self._current is None else fill_prompt(self._current.new_messages(), self.prompt)
        return self._kept(messages, heard, CUT_MARK)

    def _kept(self, messages: Sequence[ModelMessage], heard: str | None, mark: str) -> list[ModelMessage]:
        results = {call_id: (o.result, o.failure is None) for call_id, o in self.outcomes.items()}
        return kept_messages(messages, self.prompt, heard, results, mark=mark, running=self._running)


def _tool_finished(call: ToolStarted, outcome: ToolOutcome) -> ToolFinished:
    ok = outcome.failure is None
    return ToolFinished(call.id, call.name, call.arguments, ok, outcome.result, outcome.duration_ms, outcome.timed_out)


def _begins_text(event: Any) -> bool:
    return isinstance(event, PartStartEvent) and isinstance(event.part, TextPart)


def _text_of(event: Any) -> str:
    if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
        return event.part.content
    if isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
        return event.delta.content_delta
    return ""


def _arguments(part: ToolCallPart) -> dict[str, Any]:
    try:
        arguments = part.args_as_dict()
    except (ValueError, AssertionError):
        # The model wrote arguments that are no JSON object; pydantic-ai asks it to try again.
        return {}
    jsonable: dict[str, Any] = to_jsonable(arguments)
    return jsonable
