"""`ScriptedModel`: a model that says, calls and fails as scripted."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, ToolReturnPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, DeltaToolCalls, FunctionModel


@dataclass(frozen=True, slots=True)
class Say:
    """Text of the model. `words_per_s`: how fast it is streamed; None: all at once."""

    text: str
    words_per_s: float | None = None


class CallTool:
    """A call of one of the agent's tools: `CallTool("book_table", name="Kim", guests=2)`."""

    def __init__(self, tool: str, /, **arguments: Any) -> None:
        self.tool = tool
        self.arguments = arguments

    def __repr__(self) -> str:
        return f"CallTool({', '.join([repr(self.tool), *(f'{k}={v!r}' for k, v in self.arguments.items())])})"


@dataclass(frozen=True, slots=True)
class Think:
    """The model waits for some seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Fail:
    """The model's service fails. `status`: the HTTP status, e.g. 401, 429, 500; None: an invalid response."""

    status: int | None = 500


Part = str | Say | CallTool | Think | Fail


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to the model.

    Attributes:
        text: the caller's turn.
        instructions: the agent's instructions and voice rules.
        tools: the names of the available tools.
        results: of the tools called in this turn, in order.
        history: the conversation that was sent, one line each: `caller: ...`, `agent: ...`, `tool: ...`.
        messages: the same as pydantic-ai messages.
    """

    text: str
    instructions: str
    tools: tuple[str, ...]
    results: tuple[Any, ...]
    history: tuple[str, ...]
    messages: tuple[ModelMessage, ...]


Step = Part | Sequence[Part] | Callable[[Asked], "Part | Sequence[Part]"]
"""The answer to one request: a part, several in order, or a function that returns one of these."""


class ScriptedModel:
    """Answers requests with the steps of a script, in order.

    A turn with a tool call takes two steps: the call, and the answer once the result is known.

    Args:
        steps: one for each request.
        repeat: start again after the last step; otherwise a further request fails the test.

    Attributes:
        asked: the requests so far.
        trouble: errors in the script, with which the test fails.
    """

    def __init__(self, *steps: Step, repeat: bool = False) -> None:
        self._steps = steps
        self._repeat = repeat
        self._calls = 0
        self.asked: list[Asked] = []
        self.trouble: list[str] = []

    @property
    def unused(self) -> tuple[Step, ...]:
        """The steps that have not been used yet."""
        return self._steps[len(self.asked) :]

    def as_model(self) -> FunctionModel:
        """Return a pydantic-ai model."""
        return FunctionModel(stream_function=self._stream, model_name="scripted")

    async def _stream(self, messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str | DeltaToolCalls]:
        asked = _asked(messages, info)
        self.asked.append(asked)
        for part in self._parts(asked):
            match part:
                case CallTool():
                    self._calls += 1
                    arguments = json.dumps(part.arguments)
                    yield {self._calls: DeltaToolCall(part.tool, arguments, tool_call_id=f"call-{self._calls}")}
                case Think(seconds):
                    await asyncio.sleep(seconds)
                case Fail(status):
                    raise ModelHTTPError(status, "scripted") if status is not None else RuntimeError("scripted failure")
                case str():
                    yield part
                case Say(text, words_per_s):
                    for word in re.findall(r"\s*\S+", text) if words_per_s else [text]:
                        yield word
                        await asyncio.sleep(1 / words_per_s if words_per_s else 0)

    def _parts(self, asked: Asked) -> Sequence[Part]:
        number = len(self.asked)
        if number > len(self._steps) and not (self._repeat and self._steps):
            after = f", after {list(asked.results)}" if asked.results else ""
            self.trouble.append(
                f"the model was asked {number} times, but its script has {len(self._steps)} steps; "
                f"the last question was {asked.text!r}{after}"
            )
            raise RuntimeError(self.trouble[-1])
        step = self._steps[(number - 1) % len(self._steps)]
        answer = step(asked) if callable(step) else step
        return [answer] if isinstance(answer, Part) else list(answer)


def _asked(messages: list[ModelMessage], info: AgentInfo) -> Asked:
    text, history = "", []
    results: list[Any] = []
    for message in messages:
        for part in message.parts:
            if isinstance(message, ModelRequest) and isinstance(part, UserPromptPart):
                text, results = str(part.content), []
                history.append(f"caller: {text}")
            elif isinstance(part, ToolReturnPart):
                results.append(part.content)
                history.append(f"tool: {part.content}")
            elif isinstance(message, ModelResponse) and isinstance(part, TextPart):
                history.append(f"agent: {part.content.strip()}")
    tools = tuple(tool.name for tool in info.function_tools)
    return Asked(text, info.instructions or "", tools, tuple(results), tuple(history), tuple(messages))
