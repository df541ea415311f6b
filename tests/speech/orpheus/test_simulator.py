"""The simulator of the Orpheus service refuses what the service would refuse."""

from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.client import connect

from tests.simulators import OrpheusSimulator

KEY = "tts-secret-key"


@pytest.fixture
async def simulator() -> AsyncIterator[OrpheusSimulator]:
    async with OrpheusSimulator(api_key=KEY) as running:
        yield running
        await running.until(lambda tts: tts.open_connections == 0)


CONFIG = '{"voice":"jess","max_tokens":2000,"buffer_size":3,"repetition_penalty":1.2,"temperature":0.6,"top_p":0.9}'


@pytest.mark.parametrize(
    "messages",
    [
        ["hello"],
        ['{"voice":"jess"}'],
        [CONFIG.replace("jess", "nobody")],
        [CONFIG.replace("2000", '"2000"')],
        [CONFIG, "two words"],
        [CONFIG, "word "],
        [CONFIG, ""],
        [CONFIG, b"word"],
    ],
)
async def test_the_simulator_refuses_what_the_service_cannot_use(
    simulator: OrpheusSimulator, messages: list[str | bytes]
) -> None:
    async with connect(simulator.url, additional_headers={"Authorization": f"Api-Key {KEY}"}) as socket:
        for message in messages:
            await socket.send(message)
        await socket.wait_closed()
        assert socket.close_code == 1011
    assert len(simulator.violations) == 1


async def test_the_simulator_begins_at_buffer_size_and_closes_silently_without_text(
    simulator: OrpheusSimulator,
) -> None:
    async with connect(simulator.url, additional_headers={"Authorization": f"Api-Key {KEY}"}) as socket:
        for message in (CONFIG, "one", "two", "three"):
            await socket.send(message)
        assert isinstance(await socket.recv(), bytes)
    async with connect(simulator.url, additional_headers={"Authorization": f"Api-Key {KEY}"}) as socket:
        await socket.send(CONFIG)
        await socket.send("__END__")
        await socket.wait_closed()
        assert socket.close_code == 1000
    assert not simulator.utterances[1].audio
