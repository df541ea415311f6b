"""Servers that deviate from OpenAI's chat completions, reached through pydantic-ai's own model."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

from openai import APIError, AsyncStream
from openai.types.chat import ChatCompletionChunk
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIChatModelSettings, OpenAIStreamedResponse

from voice_host.models.event_stream import EventStream, EventTooLong
from voice_host.models.gateway.chunks import ChunkNormalizer


class CompatibleChatModel(OpenAIChatModel):
    """Normalizes the streamed chunks before pydantic-ai reads them.

    The client's own parser of events fails at one without data, and loses the first one after a byte order mark.
    """

    async def _process_streamed_response(
        self,
        response: AsyncStream[ChatCompletionChunk],
        model_request_parameters: ModelRequestParameters,
        model_settings: OpenAIChatModelSettings | None = None,
    ) -> OpenAIStreamedResponse:
        if isinstance(response, AsyncStream):
            received = cast(Any, _PlainEvents(response.response))
            response = AsyncStream(cast_to=ChatCompletionChunk, response=received, client=self.client)
        plain = cast(AsyncStream[ChatCompletionChunk], _Chunks(response))
        return await super()._process_streamed_response(plain, model_request_parameters, model_settings)


def compatible(model: Model) -> Model:
    """Return a model that tolerates such servers in place of pydantic-ai's `OpenAIChatModel`; any other as it is."""
    if type(model) is not OpenAIChatModel:
        return model
    provider = model.provider
    assert provider is not None
    return CompatibleChatModel(model.model_name, provider=provider, profile=model.profile, settings=model.settings)


class _Chunks:
    """The part of `AsyncStream` that pydantic-ai uses."""

    def __init__(self, source: AsyncStream[ChatCompletionChunk]) -> None:
        self._source = source
        self._chunks = ChunkNormalizer()

    def __aiter__(self) -> _Chunks:
        return self

    async def __anext__(self) -> ChatCompletionChunk:
        chunk = await anext(self._source)
        return ChatCompletionChunk.construct(**self._chunks.normalize(chunk.to_dict(warnings=False)))

    async def close(self) -> None:
        await self._source.close()

    async def aclose(self) -> None:
        await self.close()


class _PlainEvents:
    """The HTTP response as the client reads it, with its events in one form and without those that have no data."""

    def __init__(self, response: Any) -> None:
        self._response = response

    def __getattr__(self, name: str) -> Any:
        return getattr(self._response, name)

    async def aiter_bytes(self) -> AsyncIterator[bytes]:
        events = EventStream()
        async for received in self._response.aiter_bytes():
            try:
                found = events.feed(received)
            except EventTooLong as odd:
                raise APIError("The service does not send events.", self._response.request, body=None) from odd
            for event in found:
                lines = event.decode("utf-8", "replace").split("\n")
                yield "".join(f"data: {line}\n" for line in lines).encode() + b"\n"
