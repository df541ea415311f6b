"""Streamed chat completions over HTTP: the request with its retries, and the response as JSON objects."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Mapping

import aiohttp
from pydantic_ai.exceptions import ModelAPIError, ModelConnectionError, ModelHTTPError, ModelTimeoutError
from pydantic_core import from_json

from voice_host.backoff import backoff_s
from voice_host.clock import now_s
from voice_host.models.event_stream import EventStream, EventTooLong
from voice_host.models.gateway.chunks import JsonObject, is_empty
from voice_host.models.gateway.proxy import proxy_for
from voice_host.settings import ResilienceSettings

KEEP_ALIVE_S = 60.0
"""How long an idle connection is kept for the next turn, since connecting takes three round trips."""

END_TIMEOUT_S = 0.05
"""How long the end of the HTTP message may take after `[DONE]`. It is in the same packet or the next one."""

RETRIED_STATUSES = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
RETRY_FIRST_S = 0.25
RETRY_MAX_S = 2.0


class GatewayClient:
    """The connections to one address with one key. Close it with `aclose()`, or use it as a context manager.

    Args:
        base_url: `/chat/completions` is appended.
        api_key: sent as `Authorization: Bearer <key>`.
        resilience: timeouts and retries. `model_silent_after_s` limits the time to the first piece, including retries
            and waits that the service asks for, and the time between two pieces.

    Raises:
        ModelConfigError: the environment names a proxy that is not supported.
    """

    def __init__(self, base_url: str, api_key: str, resilience: ResilienceSettings | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        self.api_key = api_key
        self._resilience = resilience or ResilienceSettings()
        self._headers = {
            "Authorization": f"Bearer {api_key}",
            "Accept": "text/event-stream",
            "Content-Type": "application/json",
            "User-Agent": "voice-host",
        }
        self._proxy = proxy_for(base_url)
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def __aenter__(self) -> GatewayClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def stream(self, body: JsonObject, *, headers: Mapping[str, str] | None = None) -> GatewayStream:
        """Send a request, and return the stream of the response once the service has accepted it.

        Args:
            body: its `model` appears in errors.
            headers: additional headers.

        Raises:
            ModelHTTPError: the service refused the last attempt. Its message is left out, since it may quote the key.
            ModelConnectionError, ModelTimeoutError: the service cannot be reached, or does not answer.
        """
        model = str(body["model"])
        data = json.dumps(body, separators=(",", ":")).encode()
        deadline_s = now_s() + self._resilience.model_silent_after_s
        try:
            async with asyncio.timeout_at(deadline_s):
                for failures in itertools.count(1):
                    try:
                        return GatewayStream(model, await self._post(model, data, headers), deadline_s)
                    except ModelAPIError as error:
                        if failures > self._resilience.model_retries or not self._may_retry(error):
                            raise
                        wait_s = error.retry_after
                    if wait_s is None:
                        wait_s = backoff_s(failures, first_s=RETRY_FIRST_S, max_s=RETRY_MAX_S)
                    await asyncio.sleep(wait_s)
        except TimeoutError as error:
            raise ModelTimeoutError(model, "The service did not answer in time.") from error
        raise AssertionError("unreachable")

    async def _post(self, model: str, data: bytes, headers: Mapping[str, str] | None) -> aiohttp.ClientResponse:
        if self._session is None:
            self._session = self._connect()
        try:
            response = await self._session.post(
                f"{self.base_url}/chat/completions",
                data=data,
                headers=headers,
                proxy=self._proxy,
                allow_redirects=False,
            )
        except TimeoutError as error:
            raise ModelTimeoutError(model, "The service did not answer in time.") from error
        except aiohttp.ClientError as error:  # also if the service has closed a kept connection
            raise ModelConnectionError(model, "The service cannot be reached.") from error
        if response.status >= 300:
            response.close()
            raise ModelHTTPError(response.status, model, headers=response.headers)
        return response

    def _connect(self) -> aiohttp.ClientSession:
        resilience = self._resilience
        # The number of connections is not limited, since the number of calls is.
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S)
        timeout = aiohttp.ClientTimeout(
            total=None, connect=resilience.model_connect_timeout_s, sock_read=resilience.model_silent_after_s
        )
        return aiohttp.ClientSession(
            connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), headers=self._headers
        )

    def _may_retry(self, error: ModelAPIError) -> bool:
        """Whether to retry a request after an error. No part of a response has arrived yet."""
        if isinstance(error, ModelHTTPError):
            longest_s = self._resilience.model_retry_after_max_s
            return error.status_code in RETRIED_STATUSES and (error.retry_after or 0) <= longest_s
        return isinstance(error, ModelConnectionError)

    @property
    def closed(self) -> bool:
        return self._closed

    async def aclose(self) -> None:
        """Close every connection. Idempotent."""
        self._closed = True
        if self._session is not None:
            await self._session.close()


class GatewayStream:
    """The JSON objects of one response, as they arrive. It ends at `[DONE]`, or when the service closes.

    A context manager, which closes it.

    Args:
        deadline_s: when the first object that is not empty must have arrived, by the loop's clock.
    """

    def __init__(self, model: str, response: aiohttp.ClientResponse, deadline_s: float) -> None:
        self._model = model
        self._response = response
        self._deadline_s: float | None = deadline_s
        self._events = EventStream()
        self._ended = False
        self._is_whole = response.content_type == "application/json"
        """Whether the server does not stream, but sends a whole completion, which is read as one event."""
        if self._is_whole:
            self._events.feed(b"data: ")

    async def __aenter__(self) -> GatewayStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        # The end of the HTTP message follows `[DONE]`. Once it is read, the connection serves the next turn.
        content = self._response.content
        try:
            async with asyncio.timeout(END_TIMEOUT_S if self._ended else 0):
                while not content.at_eof():
                    await content.readany()
        except (TimeoutError, aiohttp.ClientError):
            pass  # the next turn opens a new connection
        finally:
            self.close()

    async def read(self) -> list[JsonObject] | None:
        """Wait for data, and return the objects that are complete now, often one and sometimes none; None at the end.

        Raises:
            ModelConnectionError, ModelTimeoutError: the connection broke, or nothing arrived in time.
            ModelAPIError: the response is not a stream of JSON objects.
        """
        if self._ended:
            return None
        try:
            if self._deadline_s is None:
                received = await self._response.content.readany()
            else:
                async with asyncio.timeout_at(self._deadline_s):
                    received = await self._response.content.readany()
            events = self._events.feed(self._as_event(received) if self._is_whole else received)
        except TimeoutError as error:
            raise ModelTimeoutError(self._model, "The service stopped sending.") from error
        except aiohttp.ClientError as error:
            raise ModelConnectionError(self._model, "The connection broke.") from error
        except EventTooLong as error:
            raise ModelAPIError(self._model, "The service does not send events.") from error
        self._ended = not received
        return self._objects(events)

    def _objects(self, events: list[bytes]) -> list[JsonObject]:
        objects: list[JsonObject] = []
        for event in events:
            if event.strip() == b"[DONE]":
                self._ended = True
                break
            data = self._object(event)
            if self._deadline_s is not None:
                if is_empty(data):
                    continue  # the answer has not begun: its deadline still applies, and a fallback may be used
                self._deadline_s = None
            objects.append(data)
        return objects

    def _object(self, event: bytes) -> JsonObject:
        try:
            data = from_json(event)
        except (
            ValueError
        ):  # also for half of a surrogate pair and for bytes that are not UTF-8, which are no error here
            try:
                data = json.loads(event.decode("utf-8", "replace"))
            except ValueError as error:
                raise ModelAPIError(self._model, "The service sent an event that is not JSON.") from error
        if not isinstance(data, dict):
            raise ModelAPIError(self._model, "The service sent an event that is not a JSON object.")
        return data

    @staticmethod
    def _as_event(received: bytes) -> bytes:
        return received.replace(b"\r", b" ").replace(b"\n", b" ") if received else b"\n\n"

    def close(self) -> None:
        """Stop reading, and close the connection unless the response was read to its end. Idempotent."""
        self._response.close()
