"""Models of pydantic-ai's providers, held to what the platform says of silence and of asking again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

from pydantic_ai import RunContext
from pydantic_ai.exceptions import ModelTimeoutError
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings, merge_model_settings

from voice_host.settings import ResilienceSettings


class PatientModel(WrapperModel):
    """A model that may be silent for `model_silent_after_s`, and is asked again `model_retries` times.

    The wait for the first piece is bounded here. pydantic-ai's `first_event_timeout` would do it, but counts from the
    moment that a run is begun, and a run is prepared while the caller still speaks. The silence between two pieces and
    the retries are left to the provider's own client; one that knows no such setting keeps its own ways.
    """

    def __init__(self, model: Model, resilience: ResilienceSettings) -> None:
        super().__init__(model)
        self._silent_after_s = resilience.model_silent_after_s
        asked = {"timeout": resilience.model_silent_after_s, "max_retries": resilience.model_retries}
        known = {name: value for name, value in asked.items() if name not in model.unsupported_settings}
        self._limits = cast(ModelSettings, known)

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        async with self._in_time():
            return await super().request(messages, self._limited(model_settings), model_request_parameters)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        limited = self._limited(model_settings)
        stream = super().request_stream(messages, limited, model_request_parameters, run_context)
        async with AsyncExitStack() as open_streams:
            async with self._in_time():  # a stream is open when its first piece is here
                response = await open_streams.enter_async_context(stream)
            yield response

    def _limited(self, settings: ModelSettings | None) -> ModelSettings | None:
        return merge_model_settings(settings, self._limits)

    @asynccontextmanager
    async def _in_time(self) -> AsyncGenerator[None]:
        try:
            async with asyncio.timeout(self._silent_after_s):
                yield
        except TimeoutError as slow:
            raise ModelTimeoutError(self.model_name, "The service did not answer in time.") from slow
