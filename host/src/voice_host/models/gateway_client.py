"""The HTTP client of the gateway."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from openai import AsyncOpenAI, Omit, Timeout, omit
from openai.resources.chat import AsyncChat, AsyncCompletions

CONNECT_TIMEOUT_S = 5.0
SILENCE_TIMEOUT_S = 20.0
"""How long the service may stay silent, before its first byte and between two: nobody waits longer on a telephone."""

MAX_RETRIES = 1
"""Of a request that was refused with 408, 409, 429 or 5xx, or not connected. Nothing has been said by then."""


def gateway_client(base_url: str, api_key: str) -> AsyncOpenAI:
    """Return a client with a connection pool of its own: one for each address and key. Whoever asks closes it."""
    timeout = Timeout(SILENCE_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
    return _Client(base_url=base_url, api_key=api_key, timeout=timeout, max_retries=MAX_RETRIES)


class _Completions(AsyncCompletions):
    """Sends messages and tools as they are.

    They have the shape of the wire already. The client's own way would walk the whole conversation through its type
    definitions before each request: 1 ms after one turn, 10 ms after 20, 49 ms after 100 (measured, 2.5 GHz).
    """

    async def create(self, *, messages: Any, tools: Any | Omit = omit, extra_body: Any = None, **options: Any) -> Any:
        body = {"messages": messages} if isinstance(tools, Omit) else {"messages": messages, "tools": tools}
        return await super().create(messages=[], extra_body={**body, **(extra_body or {})}, **options)


class _Chat(AsyncChat):
    @cached_property
    def completions(self) -> AsyncCompletions:
        return _Completions(self._client)


class _Client(AsyncOpenAI):
    @cached_property
    def chat(self) -> AsyncChat:
        return _Chat(self)
