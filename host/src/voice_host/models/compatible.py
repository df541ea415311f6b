"""Servers that only nearly speak like OpenAI's chat completions, reached through pydantic-ai's own model."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

from openai import AsyncStream
from openai._streaming import ServerSentEvent
from openai.types.chat import ChatCompletionChunk
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIChatModelSettings, OpenAIStreamedResponse

from voice_host.models.event_stream import EventStream
from voice_host.models.gateway_quirks import StreamedReply


class CompatibleChatModel(OpenAIChatModel):
    """Puts the streamed chunks into OpenAI's shape before pydantic-ai reads them.

    The client's own reader of events fails at an event without data, and loses the first one after a byte order mark.
    """

    async def _process_streamed_response(
        self,
        response: AsyncStream[ChatCompletionChunk],
        model_request_parameters: ModelRequestParameters,
        model_settings: OpenAIChatModelSettings | None = None,
    ) -> OpenAIStreamedResponse:
        if isinstance(response, AsyncStream):
            response._decoder = _Decoder()
        plain = cast(AsyncStream[ChatCompletionChunk], _Chunks(response))
        return await super()._process_streamed_response(plain, model_request_parameters, model_settings)


def compatible(model: Model) -> Model:
    """Return a model that tolerates servers that differ from OpenAI, if it is pydantic-ai's for those."""
    if type(model) is not OpenAIChatModel:
        return model
    provider = model.provider
    assert provider is not None
    return CompatibleChatModel(model.model_name, provider=provider, profile=model.profile, settings=model.settings)


class _Chunks:
    """The part of `AsyncStream` that pydantic-ai uses."""

    def __init__(self, source: AsyncStream[ChatCompletionChunk]) -> None:
        self._source = source
        self._reply = StreamedReply()

    def __aiter__(self) -> _Chunks:
        return self

    async def __anext__(self) -> ChatCompletionChunk:
        chunk = await anext(self._source)
        return ChatCompletionChunk.construct(**self._reply.plain_chunk(chunk.to_dict(warnings=False)))

    async def close(self) -> None:
        await self._source.close()

    async def aclose(self) -> None:
        await self.close()


class _Decoder:
    """Reads events for the client (`SSEBytesDecoder`)."""

    async def aiter_bytes(self, iterator: AsyncIterator[bytes]) -> AsyncIterator[ServerSentEvent]:
        events = EventStream()
        async for received in iterator:
            for event in events.feed(received):
                yield ServerSentEvent(data=event.decode("utf-8", "replace"))

    def iter_bytes(self, iterator: Any) -> Any:
        raise NotImplementedError("the host's client is asynchronous")
