"""The REST API of a carrier."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from voice_host.phone import rest
from voice_host.phone.carrier import CarrierError
from voice_host.phone.rest import RestApi

CODE = """
import sys
import voice_host.phone.service
assert "aiohttp" not in sys.modules, "a host without telephone numbers pays for it"
voice_host.phone.rest.RestApi("Carrier", "https://example.com", str)
assert "aiohttp" in sys.modules, "importing it with the first request blocks the event loop for half a second"
"""


def test_the_http_client_is_imported_at_the_start_of_hosts_that_need_it() -> None:
    subprocess.run([sys.executable, "-c", CODE], check=True)


async def test_an_answer_may_come_in_parts() -> None:
    """Otherwise a call would ring of which the host knows no id."""
    begun, read = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n8\r\n{"sid": \r\n')
        await writer.drain()
        begun.set()
        await read.wait()
        writer.write(b'5\r\n"CA"}\r\n0\r\n\r\n')
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    api = RestApi("Carrier", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", str)
    try:
        sending = asyncio.create_task(api.send("POST", "/calls"))
        await begun.wait()
        done, _ = await asyncio.wait((sending,), timeout=0.1)
        assert not done
        read.set()
        assert await sending == {"sid": "CA"}
    finally:
        await api.aclose()
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def answering(answer: bytes | None) -> AsyncIterator[int]:
    """Serve `answer` to each request, and close; None: never answer. Yields the port."""
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        if answer is None:
            await done.wait()
        else:
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        done.set()
        server.close()
        await server.wait_closed()


async def why(url: str) -> str:
    api = RestApi("Twilio", url, str)
    try:
        with pytest.raises(CarrierError) as caught:
            await api.send("POST", "/calls", form=[("To", "+15550100")])
    finally:
        await api.aclose()
    return str(caught.value)


async def test_an_api_that_cannot_be_used_is_described_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    async with answering(b"") as port:
        assert await why(f"http://127.0.0.1:{port}") == "Twilio closed the connection before it had answered"
    assert await why(f"http://127.0.0.1:{port}") == "Twilio cannot be reached: connection refused"
    assert await why("http://carrier.invalid") == "Twilio cannot be reached: its name cannot be resolved"
    async with answering(b"HTTP/9\r\n\r\n") as port:
        assert await why(f"http://127.0.0.1:{port}") == "Twilio sent an answer that cannot be read"
        tls = "Twilio cannot be reached: the TLS connection failed, or its certificate is not valid"
        assert await why(f"https://127.0.0.1:{port}") == tls
    monkeypatch.setattr(rest, "REQUEST_TIMEOUT_S", 0.2)
    async with answering(None) as port:
        assert await why(f"http://127.0.0.1:{port}") == "Twilio did not answer in time"
