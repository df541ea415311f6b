"""The floor: a bare relay without any of the host's code, as an afternoon's work would have it.

Final transcript -> streamed model -> word by word to the voice -> client. Words interrupt. It has no history beyond the
conversation's text, no pacing, no clauses, no tools, no error handling.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.benchmarks.child import Parent

FIRST_MESSAGE = json.dumps({"voice": "jess", "max_tokens": 2000, "buffer_size": 105, "temperature": 0.6})
MIN_STT_BYTES = 1920
"""60 ms: the recogniser takes no messages below 50 ms."""


class Model:
    """The model over HTTP/1.1 connections that are kept and used again."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def tokens(self, messages: list[dict[str, str]]) -> AsyncGenerator[str, None]:
        body = json.dumps({"model": "benchmark", "stream": True, "messages": messages}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
        reader, writer = connection = self._idle.pop() if self._idle else await self._connect()
        complete = False
        try:
            writer.write(head.encode() + body)
            while (line := await reader.readline()) != b"0\r\n":
                if line.startswith(b"data: {"):
                    yield json.loads(line[6:])["choices"][0]["delta"].get("content", "")
            await reader.readline()
            complete = True
        finally:
            if complete:
                self._idle.append(connection)
            else:
                writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self._port)


class Call:
    """One caller's call."""

    def __init__(self, client: ServerConnection, model: Model, stt_url: str, tts_url: str) -> None:
        self._client = client
        self._model = model
        self._stt_url, self._tts_url = stt_url, tts_url
        self._history: list[dict[str, str]] = [{"role": "system", "content": "You answer the telephone."}]
        self._reply: asyncio.Task[None] | None = None
        self._warm: asyncio.Task[ClientConnection] | None = None

    async def run(self) -> None:
        await self._client.send('{"type":"ready","sample_rate":16000,"tts_sample_rate":24000}')
        self._prewarm()
        async with connect(self._stt_url, compression=None) as stt, asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(self._listen(stt, tasks))
            held = bytearray()
            with suppress(ConnectionClosed):
                async for frame in self._client:
                    if isinstance(frame, bytes):
                        held += frame
                        if len(held) >= MIN_STT_BYTES:
                            await stt.send(bytes(held))
                            held.clear()
            listening.cancel()
            if self._reply is not None:
                self._reply.cancel()
        assert self._warm is not None
        await (await self._warm).close()

    async def _listen(self, stt: ClientConnection, tasks: asyncio.TaskGroup) -> None:
        with suppress(ConnectionClosed):
            await self._take_turns(stt, tasks)

    async def _take_turns(self, stt: ClientConnection, tasks: asyncio.TaskGroup) -> None:
        async for raw in stt:
            message = json.loads(raw)
            if message["type"] != "Turn":
                continue
            text = message["transcript"]
            if self._reply is not None and not self._reply.done() and len(text.split()) >= 2:
                self._reply.cancel()
                await self._client.send('{"type":"cancelled"}')
            if message["end_of_turn"]:
                await self._client.send(json.dumps({"type": "turn", "text": text}))
                self._reply = tasks.create_task(self._answer(text))

    def _prewarm(self) -> None:
        self._warm = asyncio.create_task(_open(self._tts_url))

    async def _answer(self, text: str) -> None:
        assert self._warm is not None
        voice = await self._warm
        self._prewarm()
        self._history.append({"role": "user", "content": text})
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._write(voice))
                async for audio in voice:
                    await self._client.send(audio)
            await self._client.send('{"type":"tts_done"}')
        except* ConnectionClosed:
            pass  # the caller hung up
        finally:
            voice.transport.abort()

    async def _write(self, voice: ClientConnection) -> None:
        await voice.send(FIRST_MESSAGE)
        reply, held = "", ""
        async with aclosing(self._model.tokens(self._history)) as tokens:
            async for token in tokens:
                reply += token
                if token.startswith(" ") and held:
                    await voice.send(held.strip())
                    held = ""
                held += token
        await voice.send(held.strip())
        await voice.send("__END__")
        self._history.append({"role": "assistant", "content": reply})


async def _open(url: str) -> ClientConnection:
    return await connect(url, compression=None)


async def main(stt_port: int, llm_port: int, tts_port: int) -> None:
    parent = Parent()
    model = Model(llm_port)

    async def handle(client: ServerConnection) -> None:
        await Call(client, model, f"ws://127.0.0.1:{stt_port}/v3/ws", f"ws://127.0.0.1:{tts_port}/websocket").run()

    async with serve(handle, "127.0.0.1", 0, compression=None, backlog=1024) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        parent.tell({"told": "ready", "port": port, "path": "/"})
        await parent.obey()


if __name__ == "__main__":
    uvloop.run(main(*map(int, sys.argv[1:])))
