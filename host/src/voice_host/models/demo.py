"""The demo model: no weights, no key. It calls an agent's tools by matching words, so that a fresh install can talk."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import date

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, DeltaToolCalls, FunctionModel
from pydantic_ai.tools import ToolDefinition

from voice_host.models.demo_dialogue import Call, Decision, Dialogue, Say
from voice_host.models.demo_speech import arguments_json

MAX_REPLAYED = 200
"""Messages of the history that are replayed, which bounds the time of a reply in an endless call."""


def demo_model(today: Callable[[], date] = date.today) -> FunctionModel:
    """Return a model that needs nothing: it picks a tool by the words said and asks for what is missing.

    It keeps no state: each request replays the conversation from the history. Replies stream word by word. The same
    history, tools and day give the same reply.

    Args:
        today: the day that "tomorrow" counts from, for parameters of JSON schema's format `date`.
    """

    async def reply(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        decision = decide(messages, info.function_tools, today())
        if isinstance(decision, Call):
            return ModelResponse(parts=[ToolCallPart(decision.tool.name, dict(decision.arguments))])
        return ModelResponse(parts=[TextPart(decision.text)])

    async def stream(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str | DeltaToolCalls]:
        decision = decide(messages, info.function_tools, today())
        if isinstance(decision, Call):
            yield {0: DeltaToolCall(name=decision.tool.name, json_args=arguments_json(decision.arguments))}
            return
        for word in re.findall(r"\s*\S+", decision.text):
            yield word

    return FunctionModel(reply, stream_function=stream, model_name="demo")


def decide(messages: Sequence[ModelMessage], tools: Sequence[ToolDefinition], today: date) -> Decision:
    """Replay a conversation and decide what comes next: a tool to call, or words."""
    dialogue = Dialogue(tools, today)
    decision: Decision = Say("Hello.")
    for message in messages[-MAX_REPLAYED:]:
        if not isinstance(message, ModelRequest):
            continue
        results = [_result(dialogue, part) for part in message.parts if isinstance(part, ToolReturnPart)]
        if results:
            decision = Say(" ".join(results))
        for part in message.parts:
            if isinstance(part, UserPromptPart):
                decision = dialogue.hear(_text(part))
    return decision


def _result(dialogue: Dialogue, part: ToolReturnPart) -> str:
    wrong = []
    if isinstance(part.content, list):  # what pydantic says about arguments it refused
        errors = [error for error in part.content if isinstance(error, dict)]
        wrong = [str(error["loc"][0]) for error in errors if error.get("loc")]
    return dialogue.result(part.tool_name, part.content, ok=part.outcome == "success", wrong=wrong)


def _text(part: UserPromptPart) -> str:
    if isinstance(part.content, str):
        return part.content
    return " ".join(item for item in part.content if isinstance(item, str))
