"""`GatewayResponse`: converts a streamed response to pydantic-ai's events, and passes its text to the call directly."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Literal

import aiohttp
from pydantic_ai.exceptions import ModelAPIError, ModelConnectionError, ModelHTTPError
from pydantic_ai.messages import FinishReason, ModelResponseStreamEvent
from pydantic_ai.models import ModelRequestParameters, StreamedResponse
from pydantic_ai.usage import RequestUsage

from voice_host.models.deferred_prompt import LiveTurn
from voice_host.models.gateway.chunks import (
    ChunkNormalizer,
    JsonObject,
    has_more_than_text,
    stream_error_status,
    text_only,
)
from voice_host.models.gateway.client import GatewayStream
from voice_host.models.gateway.request import PROVIDER_NAME, REASONING_FIELDS
from voice_host.models.thoughts import SpokenTextFilter, ThinkingHabit

_log = logging.getLogger(__name__)

_FINISH_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_call",
    "function_call": "tool_call",
    "content_filter": "content_filter",
}

Events = list[ModelResponseStreamEvent]
_PartKind = Literal["text", "thought", "tool call"]


class GatewayResponse(StreamedResponse):
    """Reads one stream. In a call, text after the first piece goes to the turn as soon as it arrives.

    pydantic-ai gets that text later in one piece, before anything that is not text, since passing each token through
    its layers costs as much as all other work for a token. Thoughts in the text are removed, and tool calls in it are
    made.

    Args:
        stream: closed by the caller.
        turn: the turn of the call; None outside of a call.
        thinking: how the model marks its thoughts, as far as known.
    """

    def __init__(
        self,
        parameters: ModelRequestParameters,
        stream: GatewayStream,
        *,
        model_name: str,
        base_url: str,
        turn: LiveTurn | None,
        thinking: ThinkingHabit,
    ) -> None:
        super().__init__(model_request_parameters=parameters)
        self._usage_received = False  # without it, pydantic-ai counts the usage as unknown
        self._stream = stream
        self._requested_model = self._model_name = model_name
        self._base_url = base_url
        self._turn = turn
        self._timestamp = datetime.now(UTC)
        self._chunks = ChunkNormalizer()
        self._spoken = SpokenTextFilter(thinking)
        self._unread: deque[JsonObject] = deque()
        self._begun = False
        self._passed_on: list[str] = []
        """Text that was passed to the turn, but not to pydantic-ai yet."""
        self._next_events: Events | None = None
        self._part: tuple[_PartKind, int] = ("text", 0)

    async def begin(self) -> None:
        """Wait for the first piece. Call it once, before reading events.

        Raises:
            ModelAPIError: there is none. A fallback may still be used.
        """
        self._next_events = await self._read()

    async def _get_event_iterator(self) -> AsyncIterator[ModelResponseStreamEvent]:
        while self._next_events is not None:
            for event in self._next_events:
                yield event
            self._next_events = await self._read()

    async def close_stream(self) -> None:
        self._stream.close()

    def get_stream_cancel_errors(self) -> tuple[type[BaseException], ...]:
        return (aiohttp.ClientError,)

    @property
    def model_name(self) -> str:
        return self._model_name

    @property
    def provider_name(self) -> str:
        return PROVIDER_NAME

    @property
    def provider_url(self) -> str:
        return self._base_url

    @property
    def timestamp(self) -> datetime:
        return self._timestamp

    # --- chunks -----------------------------------------------------------------------------------------------------

    async def _read(self) -> Events | None:
        """Read until there are events, and return them; None at the end of the response."""
        while True:
            if not self._unread:
                if (received := await self._receive()) is None:
                    return await self._end()
                self._unread.extend(received)
                continue
            data = self._unread.popleft()
            if (piece := text_only(data)) is None:
                if events := self._flush() + await self._chunk_events(data):
                    return events
            elif text := self._spoken.feed(piece):
                self._chunks.has_text = True
                if not self._begun or self._turn is None:
                    # pydantic-ai gets the first piece at once; after that, no fallback is used.
                    self._begun = bool(text.strip())
                    return self._text_events(text)
                self._passed_on.append(text)
                await self._turn.on_text(text)

    async def _receive(self) -> list[JsonObject] | None:
        """Return the next chunks; None at the end, or if the connection breaks after the finish reason."""
        try:
            return await self._stream.read()
        except ModelConnectionError:
            if self._chunks.finished:
                return None
            raise

    async def _end(self) -> Events | None:
        """Return the remaining events at the end of the stream; None: there are none.

        Raises:
            ModelAPIError: the stream ended within a tool call, or without an answer.
        """
        chunks = self._chunks
        events = self._flush()
        if chunks.finished:
            return events or None
        if not chunks.calls_complete:
            raise ModelAPIError(self._requested_model, "The stream ended within a tool call.")
        if not chunks.has_text and not chunks.has_calls:
            raise ModelAPIError(self._requested_model, "The stream ended without an answer.")
        _log.warning("the stream of model %s ended without a finish reason", self._requested_model)
        reason = "tool_calls" if chunks.has_calls else "length"
        return events + await self._chunk_events({"choices": [{"delta": {}, "finish_reason": reason}]})

    async def _chunk_events(self, data: JsonObject) -> Events:
        """Return the events of a chunk that contains more than text. Its text is passed to the turn, too.

        Raises:
            ModelHTTPError: the chunk is an error.
        """
        if (status := stream_error_status(data)) is not None:
            raise ModelHTTPError(status, self._requested_model)
        chunk = self._chunks.normalize(data)
        self._note_envelope(chunk)
        if not chunk["choices"]:
            return []
        choice = chunk["choices"][0]
        delta, content, reason = choice["delta"], choice["delta"].get("content"), choice["finish_reason"]
        calls = delta["tool_calls"] or []
        text = self._spoken.feed(content if isinstance(content, str) else "")
        if reason or has_more_than_text(delta):  # other chunks may be within a word
            text += self._spoken.flush()
        if reason:
            self.finish_reason = _FINISH_REASONS.get(reason)
            self.provider_details = {**(self.provider_details or {}), "finish_reason": reason}
            calls = calls + self._chunks.written_calls(self._spoken.calls)
        if calls or has_more_than_text(delta):
            self._spoken.mark_gap()
        if text and self._begun and self._turn is not None:
            await self._turn.on_text(text)
        return self._thought_events(delta) + self._text_events(text) + self._call_events(calls)

    def _note_envelope(self, chunk: JsonObject) -> None:
        if chunk["id"]:
            self.provider_response_id = chunk["id"]
        if chunk["model"]:
            self._model_name = chunk["model"]
        if isinstance(usage := chunk.get("usage"), dict):
            self._add_usage(_usage(usage), reported=True)

    # --- events -----------------------------------------------------------------------------------------------------

    def _flush(self) -> Events:
        """Return the events of the text that was passed on to the turn."""
        text = "".join(self._passed_on)
        self._passed_on.clear()
        return self._text_events(text)

    def _text_events(self, text: str) -> Events:
        if not text:
            return []
        return list(self._parts_manager.handle_text_delta(vendor_part_id=self._part_id("text"), content=text))

    def _thought_events(self, delta: JsonObject) -> Events:
        for field in REASONING_FIELDS:
            if isinstance(thought := delta.get(field), str) and thought:
                return list(
                    self._parts_manager.handle_thinking_delta(
                        vendor_part_id=self._part_id("thought"),
                        id=field,
                        content=thought,
                        provider_name=PROVIDER_NAME,
                    )
                )
        return []

    def _call_events(self, calls: list[JsonObject]) -> Events:
        events: Events = []
        for call in calls:
            self._part_id("tool call")
            events += self._parts_manager.handle_tool_call_delta_events(
                vendor_part_id=call["index"],
                tool_name=call["function"]["name"],
                args=call["function"]["arguments"],
                tool_call_id=call["id"],
            )
        return events

    def _part_id(self, kind: _PartKind) -> tuple[_PartKind, int]:
        """Return the id of the current part for pydantic-ai, which changes with the kind of part."""
        if self._part[0] != kind:
            self._part = (kind, self._part[1] + 1)
        return self._part


def _usage(usage: JsonObject) -> RequestUsage:
    def counts(data: object) -> dict[str, int]:
        return {name: count for name, count in data.items() if type(count) is int} if isinstance(data, dict) else {}

    total = counts(usage)
    return RequestUsage(
        input_tokens=total.get("prompt_tokens", 0),
        output_tokens=total.get("completion_tokens", 0),
        cache_read_tokens=counts(usage.get("prompt_tokens_details")).get("cached_tokens", 0),
        details=counts(usage.get("completion_tokens_details")),
    )
