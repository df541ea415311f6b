"""Sockets to speech services: through the proxy that the environment names."""

from __future__ import annotations

import asyncio
import sys

import pytest

from voice_host.providers.service_socket import ConnectFailed, ServiceSockets
from voice_host.settings import ResilienceSettings


async def test_a_socket_is_opened_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(proxy, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("ws_proxy", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        sockets = ServiceSockets("key", ResilienceSettings())
        for _ in range(2):
            with pytest.raises(ConnectFailed):
                await sockets.open("ws://speech.test/v3")
        with pytest.raises(ConnectFailed):
            await sockets.open("ws://127.0.0.1:1/v3")
    assert asked == [b"CONNECT speech.test:80 HTTP/1.1\r\n"] * 2


async def test_an_address_that_is_none_is_not_tried_again() -> None:
    with pytest.raises(ConnectFailed) as refused:
        await ServiceSockets("key", ResilienceSettings()).open("https://speech.test")
    assert not refused.value.retryable


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "ftp://proxy.test", "http://"])
async def test_a_proxy_that_cannot_be_used_is_a_failure_like_others_and_named(
    proxy: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "python_socks", None)
    monkeypatch.setitem(sys.modules, "python_socks.async_.asyncio", None)
    for name in ("socks_proxy", "ws_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", proxy)
    with pytest.raises(ConnectFailed) as failed:
        await ServiceSockets("key", ResilienceSettings()).open("ws://speech.test/v3")
    assert not failed.value.retryable
    assert "name speech.test in NO_PROXY" in caplog.text
