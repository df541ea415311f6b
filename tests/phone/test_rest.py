"""The REST API of a carrier."""

from __future__ import annotations

import asyncio
import subprocess
import sys

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
