"""A language model behind HTTP: a stream of tokens at a steady pace, in the shapes of OpenAI's chat completions."""

from __future__ import annotations

import asyncio
import json
import time
from functools import lru_cache
from typing import Any, cast

from tests.benchmarks import workload
from tests.benchmarks.events import Events

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_END = b"0\r\n\r\n"


@lru_cache(maxsize=256)
def _event(token: str | None) -> bytes:
    """Return a token, or, with None, the last event."""
    delta = {} if token is None else {"role": "assistant", "content": token}
    finish_reason = "stop" if token is None else None
    chunk = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1790000000,
        "model": "benchmark",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
    }
    return _chunk(f"data: {json.dumps(chunk)}\n\n".encode())


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


_LAST = _event(None) + _chunk(b"data: [DONE]\n\n") + _END


class Model(asyncio.Protocol):
    """One HTTP/1.1 connection, kept alive between requests.

    Args:
        events: gets `request` with the time a request was complete, and `token` with the time the token was sent at
            which the voice can begin.
    """

    def __init__(self, events: Events) -> None:
        self._events = events
        self._buffer = b""
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        lines = head.lower().split(b"\r\n")
        length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
        if len(rest) < length:
            return
        self._buffer = rest[length:]
        self._answer(json.loads(rest[:length]), time.monotonic())

    def _answer(self, request: dict[str, Any], now_s: float) -> None:
        tag = workload.tag_in(json.dumps(request["messages"][-1]["content"]))
        if tag is None:
            self._transport.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            return
        self._events.note(tag, "request", now_s)
        self._transport.write(_HEAD)
        self._begin = now_s + workload.FIRST_TOKEN_S
        self._tag, self._trigger = tag, workload.trigger_index(tag)
        self._tokens = workload.reply_tokens(tag)
        self._schedule(0)

    def _schedule(self, index: int) -> None:
        due_s = self._begin + index / workload.TOKENS_PER_S
        self._timer = asyncio.get_running_loop().call_at(due_s, self._send, index)

    def _send(self, index: int) -> None:
        if index == len(self._tokens):
            self._transport.write(_LAST)
            return
        self._transport.write(_event(self._tokens[index]))
        if index == self._trigger:
            self._events.note(self._tag, "token")
        self._schedule(index + 1)
