"""The demo model as a model of pydantic-ai, which replays the conversation from the history for each request."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters, StreamedResponse
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, DeltaToolCalls, FunctionModel
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from voice_host.models.demo.dialogue import Dialogue
from voice_host.models.demo.intents import Intents
from voice_host.models.demo.task import Call, Decision, Say

MAX_REPLAYED = 120
"""Messages of the history that are replayed, which bounds the time of a reply in an endless call: some forty turns."""


def demo_model(today: Callable[[], date] = date.today) -> FunctionModel:
    """Return a model that needs nothing: it picks a tool by the words said and asks for what is missing.

    It keeps no state: each request replays the conversation from the history. Replies stream word by word. The same
    history, tools and day give the same reply. Who the agent is, it takes from the `title` and the `description` in the
    metadata of the run.

    Args:
        today: the day that "tomorrow" counts from.
    """
    return _DemoModel(today)


class _DemoModel(FunctionModel):
    def __init__(self, today: Callable[[], date], about: Mapping[str, Any] | None = None) -> None:
        self._today = today
        self._about = about or {}
        super().__init__(self._reply, stream_function=self._stream, model_name="demo")

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        if run_context is not None and run_context.metadata and not self._about:
            model = _DemoModel(self._today, run_context.metadata)  # FunctionModel hands its functions no context
            stream = model.request_stream(messages, model_settings, model_request_parameters)
        else:
            stream = super().request_stream(messages, model_settings, model_request_parameters, run_context)
        async with stream as response:
            yield response

    async def _reply(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        decision = await decide(messages, info.function_tools, self._today(), self._about)
        if isinstance(decision, Call):
            return ModelResponse([ToolCallPart(decision.tool.name, dict(values)) for values in decision.arguments])
        return ModelResponse([TextPart(decision.text)])

    async def _stream(self, messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str | DeltaToolCalls]:
        decision = await decide(messages, info.function_tools, self._today(), self._about)
        if isinstance(decision, Call):
            name = decision.tool.name
            for index, values in enumerate(decision.arguments):
                yield {index: DeltaToolCall(name=name, json_args=json.dumps(dict(values)))}
            return
        for word in re.findall(r"\s*\S+", decision.text):
            yield word


async def decide(
    messages: Sequence[ModelMessage], tools: Sequence[ToolDefinition], today: date, about: Mapping[str, Any]
) -> Decision:
    """Replay a conversation and decide what comes next: a tool to call, or words.

    Args:
        about: the `title` and `description` of the agent, if it has some.
    """
    title, description = (str(about.get(key) or "") for key in ("title", "description"))
    dialogue = Dialogue(Intents(tools), today, title=title, description=description)
    decision: Decision = Say("Hello.")
    for message in messages[-MAX_REPLAYED:]:
        if not isinstance(message, ModelRequest):
            continue
        await asyncio.sleep(0)  # a turn takes a millisecond; forty of them would hold other calls up
        if results := [_result(dialogue, part) for part in message.parts if isinstance(part, ToolReturnPart)]:
            decision = dialogue.resume(" ".join(results))
        for part in message.parts:
            if isinstance(part, UserPromptPart):
                decision = dialogue.on_turn(_text(part))
    return decision


def _result(dialogue: Dialogue, part: ToolReturnPart) -> str:
    wrong = []
    if isinstance(part.content, list):  # what pydantic says about arguments it refused
        errors = [error for error in part.content if isinstance(error, dict)]
        wrong = [str(error["loc"][0]) for error in errors if error.get("loc")]
    return dialogue.on_result(part.tool_name, part.content, ok=part.outcome == "success", wrong=wrong)


def _text(part: UserPromptPart) -> str:
    if isinstance(part.content, str):
        return part.content
    return " ".join(item for item in part.content if isinstance(item, str))
