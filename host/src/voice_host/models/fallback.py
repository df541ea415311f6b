"""A model and those that are asked in its place when it fails before a word was said."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.exceptions import ModelAPIError
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.settings import ModelSettings

from voice_host import metrics
from voice_host.logs import get_logger
from voice_host.models.errors import describe_model_error

log = get_logger(__name__)

_asking: ContextVar[str] = ContextVar("asking", default="")
"""The id of the agent on whose behalf a request is made."""


class ModelWithFallbacks(FallbackModel):
    """Asks its models in order, for each request anew, until one gives the first piece of an answer.

    From then on that model has the word: a stream that breaks later is an error, since another model cannot take back
    what was said. Each failure is counted.
    """

    def __init__(self, model: Model, fallbacks: Sequence[Model]) -> None:
        super().__init__(model, *fallbacks, fallback_on=_failed)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        token = _asking.set(getattr(run_context.deps, "agent_id", "") if run_context is not None else "")
        try:
            stream = super().request_stream(messages, model_settings, model_request_parameters, run_context)
            async with stream as response:
                yield response
        finally:
            _asking.reset(token)


def _failed(error: Exception) -> bool:
    """Tell whether the next model is to be asked, and count the failure of this one."""
    if not isinstance(error, ModelAPIError):
        return False
    code = describe_model_error(error).code
    metrics.MODEL_FALLBACKS.labels(_asking.get(), code).inc()
    log.warning("model_fallback", agent_id=_asking.get(), model=error.model_name, code=code)
    return True
