"""The platform's gateway, an OpenAI-like service: pydantic-ai's chat model with the gateway's quirks removed."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, ClassVar, cast

from openai import AsyncOpenAI, AsyncStream
from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessageParam
from pydantic_ai import RunContext
from pydantic_ai.exceptions import ModelAPIError, ModelConnectionError, ModelHTTPError
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import ModelRequestParameters, StreamedResponse
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIChatModelSettings, OpenAIStreamedResponse
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider
from pydantic_ai.settings import ModelSettings

from voice_host.models.deferred_prompt import LiveTurn, live_turn
from voice_host.models.errors import ModelKeyRefusedError
from voice_host.models.gateway_quirks import (
    JsonObject,
    StreamedReply,
    plain_completion,
    plain_text,
    says_more_than_text,
    stream_error_status,
    text_chunk,
    without_empty_content,
)
from voice_host.models.gateway_stream import GatewayStream
from voice_host.models.thoughts import SpokenText, ThinkingHabit

_log = logging.getLogger(__name__)


class GatewayModel(OpenAIChatModel):
    """A chat model of the gateway, or of any server that speaks like OpenAI's chat completions.

    How a stream ends decides what it was:

    - After a finish reason the reply is complete, whether or not `[DONE]` follows and even if the connection breaks.
    - Ended without one, but with text: the reply is kept as it is, with the finish reason `length` because it may have
      been cut. Complete tool calls are kept too.
    - Ended within a tool call, or without a word: `ModelAPIError`. A half-sent call is never run.
    - A connection that breaks before a finish reason: `ModelConnectionError`. What was said stays said.

    Raises:
        ModelKeyRefusedError: the key was refused (401, 403); it names `key_setting`.
        ModelAPIError: any other failure, in pydantic-ai's categories.
    """

    supports_deferred_prompt: ClassVar = True
    """Its client asks for them: see `voice_host.models.deferred_prompt`."""

    def __init__(self, model_name: str, client: AsyncOpenAI, *, key_setting: str) -> None:
        provider = OpenAICompatibleProvider("llm-gateway", openai_client=client)
        profile = OpenAIModelProfile(
            openai_chat_supports_max_completion_tokens=False,
            openai_chat_supports_multiple_system_messages=False,
        )
        super().__init__(model_name, provider=provider, profile=profile)
        self._key_setting = key_setting
        self._thinking = ThinkingHabit()

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        with self._naming_the_key():
            return await super().request(messages, model_settings, model_request_parameters)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        with self._naming_the_key():
            stream = super().request_stream(messages, model_settings, model_request_parameters, run_context)
            async with stream as response:
                yield response

    @contextmanager
    def _naming_the_key(self) -> Generator[None]:
        try:
            yield
        except ModelHTTPError as error:
            if error.status_code not in (401, 403):
                raise
            # `from None`: services repeat parts of the refused key in their answer, which tracebacks would show.
            raise ModelKeyRefusedError(self.model_name, self._key_setting) from None

    async def _map_messages(
        self,
        messages: Sequence[ModelMessage],
        model_request_parameters: ModelRequestParameters,
        *,
        model_settings: ModelSettings | None = None,
    ) -> list[ChatCompletionMessageParam]:
        mapped = await super()._map_messages(messages, model_request_parameters, model_settings=model_settings)
        return cast(list[ChatCompletionMessageParam], without_empty_content(mapped))

    def _process_response(self, response: ChatCompletion | str, **options: Any) -> ModelResponse:
        if isinstance(response, ChatCompletion):
            data = plain_completion(response.to_dict(warnings=False))
            if not data["choices"]:
                raise ModelAPIError(self.model_name, "The service answered without a choice.")
            response = ChatCompletion.construct(**data)
        return super()._process_response(response, **options)

    async def _process_streamed_response(
        self,
        response: AsyncStream[ChatCompletionChunk],
        model_request_parameters: ModelRequestParameters,
        model_settings: OpenAIChatModelSettings | None = None,
    ) -> OpenAIStreamedResponse:
        stream = _PlainStream(cast(GatewayStream, response), self.model_name, live_turn.get(), self._thinking)
        plain = cast(AsyncStream[ChatCompletionChunk], stream)
        return await super()._process_streamed_response(plain, model_request_parameters, model_settings)


class _PlainStream:
    """The part of `AsyncStream` that pydantic-ai uses, yielding chunks in OpenAI's shape.

    On behalf of a call, text after the first piece goes to the call at once, and to pydantic-ai as one chunk before
    whatever is not text: what it does for each chunk costs as much as all else that is done for a token. Thoughts that
    the model writes into its text are neither text nor an answer that has begun; calls that it writes there are made.

    An iterator and not a generator: an abandoned stream leaves nothing behind for the event loop to finalise.
    """

    def __init__(self, source: GatewayStream, model_name: str, live: LiveTurn | None, thinking: ThinkingHabit) -> None:
        self._source = source
        self._model_name = model_name
        self._live = live
        self._reply = StreamedReply()
        self._spoken = SpokenText(thinking)
        self._said: list[str] = []
        self._begun = False
        self._next: ChatCompletionChunk | None = None

    def __aiter__(self) -> _PlainStream:
        return self

    async def __anext__(self) -> ChatCompletionChunk:
        if self._next is not None:
            chunk, self._next = self._next, None
            return chunk
        while piece := plain_text(data := await self._receive()):
            if not (text := self._spoken.take(piece)):
                continue
            self._reply.has_text = True
            self._said.append(text)
            if not self._begun or self._live is None:
                # pydantic-ai must know that the answer has begun: no other model takes the word from then on.
                self._begun = bool(text.strip())
                return self._said_so_far()
            await self._live.on_text(text)
        if not self._said:
            return await self._judged(data)
        if data is not None:
            self._next = await self._judged(data)
        return self._said_so_far()

    async def _receive(self) -> JsonObject | None:
        """Return the next object; None at the end of a finished reply, or of one that broke off after it."""
        try:
            return await anext(self._source, None)
        except ModelConnectionError:
            if self._reply.finished:
                return None
            raise

    async def _judged(self, data: JsonObject | None) -> ChatCompletionChunk:
        if data is None:
            if self._reply.finished:
                raise StopAsyncIteration
            return await self._not_only_text(self._judged_end())
        if (status := stream_error_status(data)) is not None:
            raise ModelHTTPError(status, self._model_name)
        return await self._not_only_text(self._reply.plain_chunk(data))

    async def _not_only_text(self, plain: JsonObject) -> ChatCompletionChunk:
        """Return a chunk that holds more than text, or none. The call is to hear its text as it does all other."""
        if plain["choices"]:
            choice = plain["choices"][0]
            delta, content = choice["delta"], choice["delta"].get("content")
            text = self._spoken.take(content if isinstance(content, str) else "")
            if choice["finish_reason"] or says_more_than_text(delta):  # else it came within a word, perhaps
                text += self._spoken.rest()
            if isinstance(content, str) or text:
                delta["content"] = text
            if choice["finish_reason"] and self._spoken.calls:
                delta["tool_calls"] = [*(delta.get("tool_calls") or ()), *self._reply.written_calls(self._spoken.calls)]
            if says_more_than_text(delta):
                self._spoken.pause()
            if text and self._begun and self._live is not None:
                await self._live.on_text(text)
        return self._chunk(plain)

    def _judged_end(self) -> JsonObject:
        """Return the last chunk of a stream that ended without a finish reason, or raise `ModelAPIError`."""
        reply = self._reply
        if not reply.calls_complete:
            raise ModelAPIError(self._model_name, "The stream ended within a tool call.")
        if not reply.has_text and not reply.has_calls:
            raise ModelAPIError(self._model_name, "The stream ended without an answer.")
        _log.warning("the stream of model %s ended without a finish reason", self._model_name)
        reason = "tool_calls" if reply.has_calls else "length"
        return reply.plain_chunk({"choices": [{"delta": {}, "finish_reason": reason}]})

    def _said_so_far(self) -> ChatCompletionChunk:
        said = "".join(self._said)
        self._said.clear()
        return self._chunk(text_chunk(said))

    @staticmethod
    def _chunk(data: JsonObject) -> ChatCompletionChunk:
        return ChatCompletionChunk.construct(**data)

    async def close(self) -> None:
        self._source.close()

    async def aclose(self) -> None:
        await self.close()
