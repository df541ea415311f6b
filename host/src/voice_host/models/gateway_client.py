"""The clients of the gateway: openai's for whole answers, our own for streamed ones."""

from __future__ import annotations

import ssl
from functools import cached_property
from typing import Any, Self

from openai import AsyncOpenAI, DefaultAsyncHttpxClient, NotGiven, Omit, Timeout, omit
from openai.resources.chat import AsyncChat, AsyncCompletions

from voice_host.models.deferred_prompt import PROMPT_PLACEHOLDER, live_turn
from voice_host.models.gateway_stream import GatewayStreams
from voice_host.models.proxy import proxy_for
from voice_host.settings import ResilienceSettings

_NOT_SENT = frozenset({"extra_headers", "extra_query", "timeout"})


def gateway_client(base_url: str, api_key: str, resilience: ResilienceSettings | None = None) -> AsyncOpenAI:
    """Return a client with connections of its own: one for each address and key. Whoever asks closes it.

    Raises:
        ModelConfigError: the environment names a proxy that cannot be used.
    """
    waits = resilience or ResilienceSettings()
    proxy = proxy_for(base_url)
    timeout = Timeout(waits.model_silent_after_s, connect=waits.model_connect_timeout_s)
    # It is told the proxy: by itself it fails at SOCKS proxies, needed or not. It trusts whom our own client trusts.
    http = DefaultAsyncHttpxClient(proxy=proxy, trust_env=False, verify=ssl.create_default_context(), timeout=timeout)
    client = _Client(
        base_url=base_url, api_key=api_key, timeout=timeout, max_retries=waits.model_retries, http_client=http
    )
    client.streams = GatewayStreams(base_url, api_key, waits, proxy=proxy)
    return client


class _Completions(AsyncCompletions):
    """Sends messages and tools as they are: they have the shape of the wire already.

    The client's own way walks the whole conversation through its type definitions before each request: 1 ms after one
    turn, 10 ms after 20, 49 ms after 100 (measured, 2.5 GHz).
    """

    _client: _Client

    async def create(
        self, *, messages: Any, tools: Any | Omit = omit, stream: Any = False, extra_body: Any = None, **options: Any
    ) -> Any:
        body = {"messages": messages} if isinstance(tools, Omit) else {"messages": messages, "tools": tools}
        body |= extra_body or {}
        if not stream:
            return await super().create(messages=[], extra_body=body, **options)
        for name, value in options.items():
            if name not in _NOT_SENT and not isinstance(value, (Omit, NotGiven)):
                body.setdefault(name, value)
        await _fill_prompt(messages)
        return await self._client.streams.open(
            options["model"],
            {**body, "stream": True},
            retries=self._client.max_retries,
            headers=options.get("extra_headers") or None,
        )


async def _fill_prompt(messages: list[dict[str, Any]]) -> None:
    """Wait for what the caller says, if that is still to come. Everything else of the request is ready by then."""
    if (live := live_turn.get()) is None:
        return
    prompt = await live.deferred_prompt()
    for message in reversed(messages):
        if message["role"] == "user" and message["content"] == PROMPT_PLACEHOLDER:
            message["content"] = prompt
            return


class _Chat(AsyncChat):
    @cached_property
    def completions(self) -> AsyncCompletions:
        return _Completions(self._client)


class _Client(AsyncOpenAI):
    streams: GatewayStreams

    @cached_property
    def chat(self) -> AsyncChat:
        return _Chat(self)

    def copy(self, **options: Any) -> Self:
        made = super().copy(**options)
        made.streams = self.streams
        return made

    with_options = copy

    async def close(self) -> None:
        await self.streams.aclose()
        await super().close()
