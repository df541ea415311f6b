"""Streamed chat completions over HTTP: the request with its retries, and the answer as JSON objects.

The openai client does this too, and makes typed objects of every token, each of which passes through a dozen
generators. A reply's first word would wait for that, and a core hold half the calls.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from typing import Any

import aiohttp
from pydantic_ai.exceptions import ModelAPIError, ModelConnectionError, ModelHTTPError, ModelTimeoutError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_random

from voice_host.clock import now_s
from voice_host.models.event_stream import EventStream, EventTooLong
from voice_host.models.gateway_quirks import says_nothing
from voice_host.settings import ResilienceSettings

END_TIMEOUT_S = 0.05
"""How long the last bytes of an answer may take after `[DONE]`. They come with it, or in the next packet."""

RETRIED = frozenset({408, 409, 429, 500, 502, 503, 504, 529})

JsonObject = dict[str, Any]
_backoff = wait_random(0.25, 0.5)


class GatewayStreams:
    """The connections to one address with one key. Whoever made it closes it.

    Args:
        base_url: `/chat/completions` is appended.
        api_key: sent as `Authorization: Bearer <key>`.
        resilience: how long the service may stay silent, before its first piece, retries and the waits that it asks for
            included, and between two: nobody waits longer on a telephone.
        proxy: the address of an HTTP proxy; None: there is none.
    """

    def __init__(
        self, base_url: str, api_key: str, resilience: ResilienceSettings, *, proxy: str | None = None
    ) -> None:
        self._resilience = resilience
        self._url = base_url.rstrip("/") + "/chat/completions"
        self._headers = {
            "Authorization": f"Bearer {api_key}",
            "Accept": "text/event-stream",
            "Content-Type": "application/json",
        }
        self._proxy = proxy
        self._session: aiohttp.ClientSession | None = None

    async def open(
        self, model: str, body: JsonObject, *, retries: int, headers: Mapping[str, str] | None = None
    ) -> GatewayStream:
        """Ask, and return the answer's stream once the service has accepted the request. `headers` are additional.

        Raises:
            ModelHTTPError: the service refused; the last try counts. What it said is left out: it may repeat the key.
            ModelConnectionError, ModelTimeoutError: it cannot be reached, or does not answer.
        """
        data = json.dumps(body, separators=(",", ":")).encode()
        deadline_s = now_s() + self._resilience.model_silent_after_s
        try:
            async with asyncio.timeout_at(deadline_s):
                trying = AsyncRetrying(
                    stop=stop_after_attempt(1 + retries),
                    retry=retry_if_exception(self._may_pass),
                    wait=_wait_s,
                    reraise=True,
                )
                response: aiohttp.ClientResponse = await trying(self._ask, model, data, headers)
        except TimeoutError as slow:
            raise ModelTimeoutError(model, "The service did not answer in time.") from slow
        return GatewayStream(model, response, deadline_s)

    async def _ask(self, model: str, data: bytes, headers: Mapping[str, str] | None) -> aiohttp.ClientResponse:
        if self._session is None:
            waits = self._resilience
            # No limit to how many there are: calls are limited, not these.
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=waits.model_keep_alive_s)
            timeout = aiohttp.ClientTimeout(
                total=None, connect=waits.model_connect_timeout_s, sock_read=waits.model_silent_after_s
            )
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), headers=self._headers
            )
        try:
            response = await self._session.post(
                self._url, data=data, headers=headers, proxy=self._proxy, allow_redirects=False
            )
        except TimeoutError as slow:
            raise ModelTimeoutError(model, "The service did not answer in time.") from slow
        except aiohttp.ClientError as broken:  # also a kept connection that the service has closed meanwhile
            raise ModelConnectionError(model, "The service cannot be reached.") from broken
        if response.status >= 300:
            response.close()
            raise ModelHTTPError(response.status, model, headers=response.headers)
        return response

    def _may_pass(self, error: BaseException) -> bool:
        """Whether the same request may be answered in a moment. Nothing has been said by then."""
        if isinstance(error, ModelHTTPError):
            longest_s = self._resilience.model_retry_after_max_s
            return error.status_code in RETRIED and (error.retry_after or 0) <= longest_s
        return isinstance(error, ModelConnectionError)

    async def aclose(self) -> None:
        """Close every connection. Idempotent."""
        if self._session is not None:
            await self._session.close()


def _wait_s(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, ModelHTTPError) else None
    return asked if asked is not None else _backoff(state)


class GatewayStream:
    """The JSON objects of one answer, as they arrive. It ends at `[DONE]`, or when the service closes.

    As a context, it is closed when left.

    Args:
        deadline_s: when the first of them that says something must be here, by the loop's clock.
    """

    def __init__(self, model: str, response: aiohttp.ClientResponse, deadline_s: float) -> None:
        self._model = model
        self._response = response
        self._deadline_s: float | None = deadline_s
        self._events = EventStream()
        self._ready: deque[JsonObject] = deque()
        self._ended = False

    async def __aenter__(self) -> GatewayStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        # What follows `[DONE]` is the end of the HTTP message. With it read, the connection serves the next turn, too.
        content = self._response.content
        try:
            async with asyncio.timeout(END_TIMEOUT_S if self._ended else 0):
                while not content.at_eof():
                    await content.readany()
        except (TimeoutError, aiohttp.ClientError):
            pass  # then the next turn connects anew
        finally:
            self.close()

    def __aiter__(self) -> GatewayStream:
        return self

    async def __anext__(self) -> JsonObject:
        """Return the next object.

        Raises:
            ModelConnectionError, ModelTimeoutError: the connection broke, or fell silent.
            ModelAPIError: what arrives is no stream of JSON objects.
        """
        while not self._ready:
            if self._ended:
                raise StopAsyncIteration
            await self._receive()
        return self._ready.popleft()

    async def _receive(self) -> None:
        try:
            if self._deadline_s is None:
                received = await self._response.content.readany()
            else:
                async with asyncio.timeout_at(self._deadline_s):
                    received = await self._response.content.readany()
            events = self._events.feed(received)
        except TimeoutError as silent:
            raise ModelTimeoutError(self._model, "The service fell silent.") from silent
        except aiohttp.ClientError as broken:
            raise ModelConnectionError(self._model, "The connection broke.") from broken
        except EventTooLong as odd:
            raise ModelAPIError(self._model, "The service does not send events.") from odd
        self._ended = not received
        for event in events:
            if event.strip() == b"[DONE]":
                self._ended = True
                break
            data = self._object(event)
            if self._deadline_s is not None and says_nothing(data):
                continue  # the answer has not begun: the wait for it goes on, and another model may yet give it
            self._deadline_s = None
            self._ready.append(data)

    def _object(self, event: bytes) -> JsonObject:
        try:
            data = json.loads(event.decode("utf-8", "replace"))
        except ValueError as odd:
            raise ModelAPIError(self._model, "The service sent an event that is no JSON.") from odd
        if not isinstance(data, dict):
            raise ModelAPIError(self._model, "The service sent an event that is no JSON object.")
        return data

    def close(self) -> None:
        """Drop what has not arrived. A connection that is read to its end has been given back already. Idempotent."""
        self._response.close()
