"""Servers that deviate from OpenAI's chat completions, reached through pydantic-ai's own model.

Their event streams are normalized as they are received, so that neither the `openai` client nor pydantic-ai sees a
deviation. The client's own parser of events, for one, fails at an event without data, and loses the first one after a
byte order mark.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from functools import cached_property

import httpx2
from openai import AsyncOpenAI
from pydantic_ai.models import Model, create_async_httpx2_client
from pydantic_ai.models.openai import OpenAIChatModel

from voice_host.models.event_stream import EventStream, EventTooLong
from voice_host.models.gateway.chunks import ChunkNormalizer


class CompatibleChatModel(OpenAIChatModel):
    """pydantic-ai's model with an HTTP client that normalizes responses, and is closed by its creator."""

    def __init__(self, model: OpenAIChatModel, http_client: httpx2.AsyncClient) -> None:
        self._http_client = http_client
        assert model.provider is not None
        super().__init__(model.model_name, provider=model.provider, profile=model.profile, settings=model.settings)

    @cached_property
    def client(self) -> AsyncOpenAI:
        return super().client.with_options(http_client=self._http_client)


def compatible(model: Model, http_client: httpx2.AsyncClient) -> Model:
    """Return a model that tolerates such servers for an `OpenAIChatModel`; any other model is returned unchanged."""
    return CompatibleChatModel(model, http_client) if type(model) is OpenAIChatModel else model


def normalizing_client() -> httpx2.AsyncClient:
    """Return an HTTP client with pydantic-ai's defaults that normalizes streamed chat completions."""
    client = create_async_httpx2_client()
    client.event_hooks["request"].append(_refuse_compression)
    client.event_hooks["response"].append(_normalize)
    return client


async def _refuse_compression(request: httpx2.Request) -> None:
    request.headers["Accept-Encoding"] = "identity"  # the stream of a response is read before it is decompressed


async def _normalize(response: httpx2.Response) -> None:
    is_stream = response.headers.get("content-type", "").startswith("text/event-stream")
    if is_stream and isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = _NormalizedEvents(response.stream, response.request)


class _NormalizedEvents(httpx2.AsyncByteStream):
    def __init__(self, received: httpx2.AsyncByteStream, request: httpx2.Request) -> None:
        self._received = received
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        events, chunks = EventStream(), ChunkNormalizer()
        async for received in self._received:
            try:
                complete = events.feed(received)
            except EventTooLong as error:
                raise httpx2.RemoteProtocolError("The service does not send events.", request=self._request) from error
            for event in complete:
                yield b"data: " + _normalized(event, chunks) + b"\n\n"

    async def aclose(self) -> None:
        await self._received.aclose()


def _normalized(event: bytes, chunks: ChunkNormalizer) -> bytes:
    try:
        data = json.loads(event.decode("utf-8", "replace"))
    except ValueError:  # `[DONE]`, or what the client reports as an error
        return event.replace(b"\n", b" ")
    return json.dumps(chunks.normalize(data)).encode() if isinstance(data, dict) else event.replace(b"\n", b" ")
