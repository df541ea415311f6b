"""A strict simulator of the gateway on a real loopback HTTP server, streaming with server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import urlsplit

import uvicorn

from tests.ports import listener
from tests.simulators.gateway_rules import refusal
from tests.simulators.gateway_script import (
    ALL_QUIRKS,
    Failure,
    JsonObject,
    Quirks,
    RawBytes,
    RawStream,
    Reply,
    Script,
    completion,
    pieces,
    usage_chunk,
)

__all__ = ["ALL_QUIRKS", "Failure", "GatewayRequest", "GatewaySimulator", "Quirks", "RawBytes", "RawStream", "Reply"]

_STOP_TIMEOUT_S = 5.0

Receive = Callable[[], Coroutine[Any, Any, dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass
class GatewayRequest:
    """A request that came in. `disconnected` is set when the client hung up before the answer was complete."""

    headers: dict[str, str]
    body: JsonObject
    disconnected: asyncio.Event = field(default_factory=asyncio.Event)
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def messages(self) -> list[JsonObject]:
        messages: list[JsonObject] = self.body["messages"]
        return messages


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Any:  # signals belong to pytest
        yield


class GatewaySimulator:
    """Answers `POST {base_url}/chat/completions` with what was scripted, in order, one script for each request.

    Usage: `async with GatewaySimulator() as sim: sim.reply("Hello."); ...`. A request without a script is answered
    with 500. Refused requests (key, rules) are recorded in `refused` and use up no script. `connections` holds the
    addresses clients came from, one for each TCP connection. `lenient`: messages are taken that the gateway refuses and
    other services do not, such as empty ones.
    """

    def __init__(
        self,
        api_key: str = "gateway-key",
        quirks: Quirks = Quirks(),  # noqa: B008  frozen
        *,
        lenient: bool = False,
    ) -> None:
        self.api_key = api_key
        self._lenient = lenient
        self.quirks = quirks
        self.requests: list[GatewayRequest] = []
        self.refused: list[str] = []
        self._scripts: deque[Script] = deque()
        self._handler: Callable[[GatewayRequest], Script] | None = None
        self._arrived = asyncio.Condition()
        self._answers: set[asyncio.Task[None]] = set()
        self._numbers = 0
        self.connections: set[tuple[str, int]] = set()

    # --- scripting ------------------------------------------------------------------------------------------------

    def reply(
        self,
        *tokens: str,
        gates: Mapping[int, asyncio.Event] | None = None,
        cut: Literal["clean", "reset", "late"] | None = None,
        finish_reason: str | None = None,
    ) -> None:
        """Answer with text. One string is streamed word by word, several as they are."""
        words = _words(tokens[0]) if len(tokens) == 1 else list(tokens)
        self.script(Reply(words, gates=gates or {}, cut=cut, finish_reason=finish_reason))

    def call_tool(self, name: str, arguments: Mapping[str, Any] | str | None = None, *, text: str = "") -> None:
        """Answer with a tool call, after some text if given."""
        self.script(Reply(_words(text), [(name, arguments or {})]))

    def fail(self, status: int, body: Any = None, headers: Mapping[str, str] | None = None) -> None:
        """Answer with an error status."""
        default = {"message": "scripted failure", "code": status, "metadata": {}}
        self.script(Failure(status, default if body is None else body, headers or {}))

    def script(self, *scripts: Script) -> None:
        self._scripts.extend(scripts)

    def forget_scripts(self) -> None:
        """Leave the scripted answers that were not asked for to `handle`."""
        self._scripts.clear()

    def handle(self, handler: Callable[[GatewayRequest], Script]) -> None:
        """Let a function answer whatever is not scripted."""
        self._handler = handler

    async def request(self, index: int, timeout_s: float = 10.0) -> GatewayRequest:
        """Wait for the n-th accepted request."""
        async with asyncio.timeout(timeout_s), self._arrived:
            await self._arrived.wait_for(lambda: len(self.requests) > index)
            return self.requests[index]

    # --- the server -----------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self._socket = listener()
        config = uvicorn.Config(
            self._app, log_config=None, access_log=False, lifespan="off", ws="none", interface="asgi3"
        )
        self._server = _Server(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for answer in self._answers:
            answer.cancel()
        await asyncio.gather(*self._answers, return_exceptions=True)
        self._server.should_exit = True
        async with asyncio.timeout(_STOP_TIMEOUT_S):
            await self._serving
        self._socket.close()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"

    async def _app(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        self.connections.add(tuple(scope["client"]))
        body = b""
        while True:
            event = await receive()
            body += event.get("body", b"")
            if not event.get("more_body"):
                break
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        path = urlsplit(scope["path"]).path  # it may be asked as a proxy, by the whole address
        if (scope["method"], path) != ("POST", "/v1/chat/completions"):
            await _send_json(send, 404, {"message": "no such route", "code": 404, "metadata": {}})
            return
        if headers.get("authorization", "").removeprefix("Bearer ") != self.api_key:
            self.refused.append("key")
            await _send_json(send, 401, {"error": "Invalid API key", "status": "unauthorized"})
            return
        data = json.loads(body)
        if not self._lenient and (reason := refusal(data)) is not None:
            self.refused.append(reason)
            await _send_json(send, 400, {"message": reason, "code": 400, "metadata": {}})
            return
        await self._accept(GatewayRequest(headers, data), receive, send)

    async def _accept(self, request: GatewayRequest, receive: Receive, send: Send) -> None:
        async with self._arrived:
            self.requests.append(request)
            self._arrived.notify_all()
        # Beside the answer, the connection is watched: a client that hangs up ends it.
        answer = asyncio.create_task(self._answer(request, send))
        self._answers.add(answer)
        hung_up = asyncio.create_task(receive())
        try:
            await asyncio.wait({answer, hung_up}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                request.disconnected.set()
        finally:
            for task in (answer, hung_up):
                task.cancel()
            await asyncio.gather(answer, hung_up, return_exceptions=True)
            self._answers.discard(answer)
        if not answer.cancelled() and (error := answer.exception()) is not None:
            raise error

    async def _answer(self, request: GatewayRequest, send: Send) -> None:
        if self._scripts:
            script = self._scripts.popleft()
        elif self._handler is not None:
            script = self._handler(request)
        else:
            script = Failure(500, {"message": "nothing is scripted", "code": 500, "metadata": {}})
        self._numbers += 1
        match script:
            case Failure():
                await _send_json(send, script.status, script.body, script.headers)
            case RawStream():
                await self._stream_raw(script, send)
            case RawBytes():
                await _start(send, 200, {"content-type": "text/event-stream"})
                for piece in script.pieces:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
            case Reply() if request.body.get("stream"):
                await self._stream(script, request, send)
            case Reply():
                whole = completion(script, self.quirks, request.body["model"], self._numbers)
                await _send_json(send, 200, whole)
        request.answered.set()

    async def _stream(self, reply: Reply, request: GatewayRequest, send: Send) -> None:
        model, number = request.body["model"], self._numbers
        await _start(send, 200, {"content-type": "text/event-stream"})
        if reply.role_first:
            await _name_the_role(send, reply.gates.get(0))
        for index, chunks in enumerate(pieces(reply, self.quirks, model, number)):
            if (gate := reply.gates.get(index)) is not None:
                await gate.wait()
            for chunk in chunks:
                await _send_event(send, chunk)
        if reply.cut in ("reset", "late"):
            return  # without the end of the body: uvicorn breaks the connection
        if reply.cut is None:
            if (request.body.get("stream_options") or {}).get("include_usage"):
                await _send_event(send, usage_chunk(self.quirks, model, number))
            if not self.quirks.no_done:
                await send({"type": "http.response.body", "body": b"data: [DONE]\n\n", "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _stream_raw(self, script: RawStream, send: Send) -> None:
        await _start(send, 200, {"content-type": "text/event-stream"})
        for chunk in script.chunks:
            await _send_event(send, chunk)
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n" if script.done else b""})


async def _name_the_role(send: Send, gate: asyncio.Event | None) -> None:
    opening = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
    while True:
        await _send_event(send, {"choices": [opening]})
        if gate is None or gate.is_set():
            return
        await asyncio.wait([waiting := asyncio.ensure_future(gate.wait())], timeout=0.05)
        waiting.cancel()


def _words(text: str) -> list[str]:
    return [word if index == 0 else f" {word}" for index, word in enumerate(text.split())]


async def _start(send: Send, status: int, headers: Mapping[str, str]) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})


async def _send_event(send: Send, data: JsonObject) -> None:
    line = f"data: {json.dumps(data)}\n\n".encode()
    await send({"type": "http.response.body", "body": line, "more_body": True})


async def _send_json(send: Send, status: int, data: Any, headers: Mapping[str, str] | None = None) -> None:
    await _start(send, status, {"content-type": "application/json", **(headers or {})})
    await send({"type": "http.response.body", "body": json.dumps(data).encode()})
