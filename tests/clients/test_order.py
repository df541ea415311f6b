"""The order of a caller's messages, of which audio takes a shorter way than the others."""

from __future__ import annotations

import asyncio
import base64
import random

import pytest
from fastapi import FastAPI, WebSocket

from tests.calls.studio import serving
from tests.fuzz.raw import TEXT, RawClient, frame, upgrade
from voice_host.clients.protocol import Audio, Dtmf, Goodbye, Opening
from voice_host.clients.transport import Disconnected
from voice_host.clients.transport.asgi import AsgiWebSocket
from voice_host.clients.transport.connection import ClientConnection
from voice_host.clients.transport.web_socket import CallProtocol
from voice_host.clients.twilio import TwilioProtocol

STREAM = "MZ" + "0" * 32
KEYS = "0123456789*#"


def _start() -> str:
    audio = '{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}'
    details = f'{{"accountSid":"AC","callSid":"CA","mediaFormat":{audio}}}'
    return f'{{"event":"start","streamSid":"{STREAM}","start":{details}}}'


def _media(number: int) -> str:
    payload = base64.b64encode(number.to_bytes(160)).decode()
    return f'{{"event":"media","streamSid":"{STREAM}","media":{{"timestamp":"{number * 20}","payload":"{payload}"}}}}'


def _key(key: str) -> str:
    return f'{{"event":"dtmf","streamSid":"{STREAM}","dtmf":{{"digit":"{key}"}}}}'


def _told(frames: list[str]) -> bytes:
    return b"".join(frame(TEXT, text.encode()) for text in frames)


@pytest.mark.parametrize("seed", range(5))
async def test_audio_and_keys_come_in_the_order_in_which_they_were_sent(seed: int) -> None:
    chance = random.Random(seed)
    came: list[str] = []
    over = asyncio.Event()
    app = FastAPI()

    def take(data: bytes, _: int = 0) -> None:
        came.append(str(int.from_bytes(data)))

    @app.websocket("/")
    async def session(ws: WebSocket) -> None:
        connection = ClientConnection(AsgiWebSocket(ws), TwilioProtocol("AC", "CA"), send_timeout_s=5)
        await connection.accept()
        assert isinstance(await connection.opening(4096), Opening)
        connection.divert(take)
        while not isinstance(received := await connection.receive(), Disconnected):
            for event in connection.read(received):
                match event:
                    case Audio(data):
                        take(data)
                    case Dtmf(key):
                        for _ in range(chance.randrange(4)):
                            await asyncio.sleep(0)  # as an agent's callback may
                        came.append(f"key {key}")
                    case Goodbye():
                        over.set()
                        return

    sent: list[int | str] = []
    for number in range(500):
        sent += [number, *chance.choices(KEYS, k=chance.choice([0, 0, 0, 0, 1, 2]))]
    frames = [_media(each) if isinstance(each, int) else _key(each) for each in sent]
    async with asyncio.timeout(20), serving(app, ws=CallProtocol) as address:
        client = await RawClient.connect(address)
        await client.write(upgrade("/"))
        assert (await client.answer()).status == 101
        await client.write(_told([_start()]))
        while frames:
            together = _told([frames.pop(0) for _ in range(min(len(frames), chance.randrange(1, 9)))])
            cut = chance.randrange(len(together)) if chance.random() < 0.5 else len(together)
            await client.write(together[:cut])
            await asyncio.sleep(chance.choice([0, 0, 0.001]))
            await client.write(together[cut:])
        await client.write(_told([f'{{"event":"stop","streamSid":"{STREAM}"}}']))
        await over.wait()
        await client.close()
    assert came == [str(each) if isinstance(each, int) else f"key {each}" for each in sent]
