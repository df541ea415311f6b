"""Requests to a model that are prepared before the prompt is known, and whose text reaches the call at once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, Protocol

from pydantic_ai import RunContext
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelRequestPart, UserPromptPart
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

PROMPT_PLACEHOLDER = "\ufffc"
"""The prompt of a run that is prepared before the caller has finished: U+FFFC, the object replacement character."""


class LiveTurn(Protocol):
    """The turn of a call for which a model is asked."""

    async def deferred_prompt(self) -> str:
        """Wait until the prompt is known, and return it."""

    async def on_text(self, text: str) -> None:
        """Take text of the response as it arrives, all but the first piece.

        pydantic-ai gets the first piece at once, and the same text as here later, in fewer pieces.
        """


live_turn: ContextVar[LiveTurn | None] = ContextVar("live_turn", default=None)
"""The turn whose request to a model is running; None outside of a call."""


def with_deferred_prompt(model: Model) -> Model:
    """Return a model that sends its request once the prompt is known; pydantic-ai prepares the run before.

    A model with `supports_deferred_prompt` waits by itself, later: with its request prepared as well.
    """
    return model if getattr(model, "supports_deferred_prompt", False) else _DeferredPromptModel(model)


class _DeferredPromptModel(WrapperModel):
    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        if (turn := live_turn.get()) is not None:
            messages = fill_prompt(messages, await turn.deferred_prompt())
        async with super().request_stream(messages, model_settings, model_request_parameters, run_context) as response:
            yield response


def fill_prompt(messages: Sequence[ModelMessage], prompt: str) -> list[ModelMessage]:
    """Return the messages with the prompt in place of its placeholder, which the last request may hold."""
    filled = list(messages)
    for index in reversed(range(len(filled))):
        message = filled[index]
        if isinstance(message, ModelRequest) and any(_is_placeholder(part) for part in message.parts):
            parts: list[ModelRequestPart] = [
                replace(part, content=prompt) if isinstance(part, UserPromptPart) and _is_placeholder(part) else part
                for part in message.parts
            ]
            filled[index] = replace(message, parts=parts)
            break
    return filled


def _is_placeholder(part: ModelRequestPart) -> bool:
    return isinstance(part, UserPromptPart) and part.content == PROMPT_PLACEHOLDER
