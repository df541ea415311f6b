"""Scripted models and agents for tests that need no service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from pydantic_ai.messages import ModelMessage
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel
from pydantic_ai.tools import ToolDefinition

from voice_host.conversation.runtime import AgentRuntime
from voice_host.models import ResolvedModel
from voice_host_sdk import AgentConfig

Step = str | tuple[str, dict[str, Any]] | Callable[[], Any]
"""A reply's text, a tool call (name, arguments), or something to await before answering."""


class ScriptedModel:
    """Answers each request with the next step; records the messages and the tools it was sent."""

    def __init__(self, *steps: Any) -> None:
        self.steps = list(steps)
        self.requests: list[list[ModelMessage]] = []
        self.offered: list[list[ToolDefinition]] = []

    async def stream(self, messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[Any]:
        self.requests.append(list(messages))
        self.offered.append(info.function_tools)
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        for part in step if isinstance(step, list) else [step]:
            if callable(part):
                await part()
            elif isinstance(part, tuple):
                import json

                index = len(self.requests)
                yield {0: DeltaToolCall(name=part[0], json_args=json.dumps(part[1]), tool_call_id=f"call-{index}")}
            else:
                for word in part.split(" "):
                    yield word + " "

    def runtime(self, config: AgentConfig | None = None) -> AgentRuntime:
        model = FunctionModel(stream_function=self.stream)
        return AgentRuntime("scripted", config or AgentConfig(), ResolvedModel("scripted", model))
