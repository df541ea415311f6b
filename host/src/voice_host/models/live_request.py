"""What a call asks of a model beside pydantic-ai's interface: to be ready early, and to hand its text on at once."""

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

PENDING_WORDS = "\ufffc"
"""Stands for the caller's words in a run that is prepared before they are known: U+FFFC, "something belongs here"."""


class LiveRequest(Protocol):
    """The turn on whose behalf a model is asked."""

    async def words(self) -> str:
        """Wait until the caller's words are known, and return them."""

    async def hear(self, text: str) -> None:
        """Take text after the first piece as it arrives. pydantic-ai gets the same text later, in fewer pieces."""


live_request: ContextVar[LiveRequest | None] = ContextVar("live_request", default=None)
"""Set while a turn waits for a model, and takes in what it answers."""


def waiting(model: Model) -> Model:
    """Return a model that is asked once the caller's words are known; all that pydantic-ai does for a run comes before.

    A model that says `waits_for_words` does so itself, when all but the words of its own request is ready, too.
    """
    return model if getattr(model, "waits_for_words", False) else _WaitingModel(model)


class _WaitingModel(WrapperModel):
    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        if (live := live_request.get()) is not None:
            messages = with_words(messages, await live.words())
        async with super().request_stream(messages, model_settings, model_request_parameters, run_context) as response:
            yield response


def with_words(messages: Sequence[ModelMessage], words: str) -> list[ModelMessage]:
    """Return the messages with the caller's words where they were pending: in the last request, if anywhere."""
    filled = list(messages)
    for index in reversed(range(len(filled))):
        message = filled[index]
        if isinstance(message, ModelRequest) and any(_is_pending(part) for part in message.parts):
            parts: list[ModelRequestPart] = [
                replace(part, content=words) if isinstance(part, UserPromptPart) and _is_pending(part) else part
                for part in message.parts
            ]
            filled[index] = replace(message, parts=parts)
            break
    return filled


def _is_pending(part: ModelRequestPart) -> bool:
    return isinstance(part, UserPromptPart) and part.content == PENDING_WORDS
