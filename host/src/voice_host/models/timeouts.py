"""The platform's timeout and retries, for models of pydantic-ai's providers."""

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


class TimeoutModel(WrapperModel):
    """A model with the platform's settings `model_silent_after_s` and `model_retries`.

    The wait for the first piece of a response is limited here: pydantic-ai's `first_event_timeout` counts from the
    start of the run, which may be prepared while the caller still speaks. The wait between two pieces and the retries
    are left to the provider's client; a model that supports neither setting keeps its own behaviour.
    """

    def __init__(self, model: Model, resilience: ResilienceSettings) -> None:
        super().__init__(model)
        self._timeout_s = resilience.model_silent_after_s
        wanted = {"timeout": resilience.model_silent_after_s, "max_retries": resilience.model_retries}
        supported = {name: value for name, value in wanted.items() if name not in model.unsupported_settings}
        self._limits = cast(ModelSettings, supported)

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        async with self._deadline():
            return await super().request(messages, self._with_limits(model_settings), model_request_parameters)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        settings = self._with_limits(model_settings)
        stream = super().request_stream(messages, settings, model_request_parameters, run_context)
        async with AsyncExitStack() as open_streams:
            async with self._deadline():  # a stream opens with its first piece
                response = await open_streams.enter_async_context(stream)
            yield response

    def _with_limits(self, settings: ModelSettings | None) -> ModelSettings | None:
        return merge_model_settings(settings, self._limits)

    @asynccontextmanager
    async def _deadline(self) -> AsyncGenerator[None]:
        try:
            async with asyncio.timeout(self._timeout_s):
                yield
        except TimeoutError as slow:
            raise ModelTimeoutError(self.model_name, "The service did not answer in time.") from slow
