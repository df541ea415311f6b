"""The speech services keep to `[resilience]`, whichever of them it is."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosedError

from voice_host.settings import ResilienceSettings, load_settings
from voice_host.settings.variables import service_variables
from voice_host.speech import service_socket
from voice_host.speech.builtin import BuiltInProviders
from voice_host.speech.service_socket import ServiceSockets
from voice_host_sdk import ProviderError, STTConfig, TTSConfig


@asynccontextmanager
async def deaf_server() -> AsyncIterator[str]:
    """A server that takes connections and never answers."""
    connected: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: connected.append(writer), "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()
        for writer in connected:
            writer.close()
        await server.wait_closed()


@asynccontextmanager
async def talking_server(talk: Callable[[ServerConnection], Awaitable[None]]) -> AsyncIterator[str]:
    async with serve(talk, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


def built_in(url: str, **resilience: Any) -> BuiltInProviders:
    """The host's own services, all at one address."""
    variables = {name: "key" if name.endswith("_KEY") else url for name in service_variables() if "ASSEMBLYAI" in name}
    options = {f"resilience.{name}": value for name, value in resilience.items()}
    return BuiltInProviders(load_settings(environ=variables, options=options))


@pytest.mark.parametrize(("service", "code"), [("assemblyai", "stt_unreachable")])
async def test_how_long_a_recogniser_may_take_to_connect(service: str, code: str) -> None:
    async with deaf_server() as url:
        stt = built_in(url, speech_connect_timeout_s=0.05).speech_to_text_providers()[service]()
        with pytest.raises(ProviderError) as caught:
            await stt.open(STTConfig())
        assert caught.value.code == code


@pytest.mark.parametrize("service", ["assemblyai", "orpheus"])
async def test_how_long_a_voice_may_take_to_connect(service: str) -> None:
    async with deaf_server() as url:
        tts = built_in(url, speech_connect_timeout_s=0.05).text_to_speech_providers()[service]()
        line = await tts.open(TTSConfig())
        with pytest.raises(ProviderError) as caught:
            await line.utterance()
        assert caught.value.code in ("tts_unreachable", "tts_failed")
        await line.aclose()


async def test_how_large_a_message_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_socket, "MAX_MESSAGE_BYTES", 65536)

    async def talk(socket: ServerConnection) -> None:
        await socket.send(bytes(65536))
        await socket.send(bytes(65537))
        await socket.wait_closed()

    async with talking_server(talk) as url:
        socket = await ServiceSockets("key", ResilienceSettings()).open(url)
        assert len(await socket.recv()) == 65536
        with pytest.raises(ConnectionClosedError) as caught:
            await socket.recv()
        assert caught.value.sent is not None
        assert caught.value.sent.code == 1009
        await socket.close()


async def test_how_many_frames_may_wait() -> None:
    async def talk(socket: ServerConnection) -> None:
        await socket.wait_closed()

    async with talking_server(talk) as url:
        socket = await ServiceSockets("key", ResilienceSettings()).open(url)
        assert socket.recv_messages.high == service_socket.QUEUED_FRAMES
        await socket.close()
