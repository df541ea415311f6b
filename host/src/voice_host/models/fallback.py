"""A model with fallbacks, which are tried when it fails before the first piece of a response."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.exceptions import ModelAPIError
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.settings import ModelSettings

from voice_host.models.deferred_prompt import LiveTurn, live_turn
from voice_host.models.errors import describe_model_error
from voice_host.observability import metrics
from voice_host.observability.logs import get_logger

log = get_logger(__name__)


@dataclass(eq=False)
class _Request:
    """A request in progress. In a call it wraps the turn (`LiveTurn`), to notice that text was passed on.

    Text may reach the call before pydantic-ai sees the first event of the stream.
    """

    agent_id: str
    turn: LiveTurn | None
    has_text: bool = False

    async def deferred_prompt(self) -> str:
        assert self.turn is not None
        return await self.turn.deferred_prompt()

    async def on_text(self, text: str) -> None:
        assert self.turn is not None
        self.has_text = True
        await self.turn.on_text(text)


_request: ContextVar[_Request | None] = ContextVar("model_request", default=None)


class ModelWithFallbacks(FallbackModel):
    """Tries its models in order, for each request, until one returns the first piece of a response.

    A stream that breaks after that is an error: another model cannot take back what the caller heard. Each failure is
    counted.
    """

    def __init__(self, model: Model, fallbacks: Sequence[Model]) -> None:
        super().__init__(model, *fallbacks, fallback_on=_may_fall_back)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        agent_id = getattr(run_context.deps, "agent_id", "") if run_context is not None else ""
        request = _Request(agent_id, live_turn.get())
        token, turn_token = _request.set(request), live_turn.set(request if request.turn is not None else None)
        try:
            stream = super().request_stream(messages, model_settings, model_request_parameters, run_context)
            async with stream as response:
                yield response
        finally:
            live_turn.reset(turn_token)
            _request.reset(token)


def _may_fall_back(error: Exception) -> bool:
    """Count a failure, and return whether to try the next model."""
    request = _request.get() or _Request("", None)
    if not isinstance(error, ModelAPIError) or request.has_text:
        return False
    code = describe_model_error(error).code
    metrics.MODEL_FALLBACKS.labels(request.agent_id, code).inc()
    log.warning("model_fallback", agent_id=request.agent_id, model=error.model_name, code=code)
    return True
