"""The official clients of OpenAI, unchanged but for the address, hold conversations with an agent of a whole host."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI

from tests.front.hosting import Running, installed, running

DESK = """
from voice_host_sdk import AgentConfig, hookimpl

@hookimpl
def agent_config(settings):
    return AgentConfig(title="Desk", greeting="Hello there.")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with installed(tmp_path) as plugins:
        plugins.install("desk", DESK)
        yield tmp_path


@pytest.fixture
async def host(folder: Path) -> AsyncIterator[Running]:
    async with running(folder, allow="desk") as host:
        yield host


async def until(connection: Any, kind: str, seen: list[Any] | None = None) -> Any:
    """Return the next event of a kind."""
    while True:
        event = await connection.recv()
        if seen is not None:
            seen.append(event)
        if event.type == kind:
            return event


async def test_a_spoken_turn_over_a_whole_host(host: Running) -> None:
    client = AsyncOpenAI(api_key="any", base_url=f"http://{host.address}/v1", max_retries=0)
    seen: list[Any] = []
    async with client.realtime.connect(model="desk") as connection:
        created = await until(connection, "session.created", seen)
        assert created.session.model == "desk"
        await connection.session.update(session={"type": "realtime", "instructions": "Be rude."})
        updated = await until(connection, "session.updated", seen)
        assert updated.session.instructions == ""
        greeted = await until(connection, "response.done", seen)
        assert greeted.response.output[0].content[0].transcript == "Hello there."
        ears = await host.stt.connected()
        await ears.final("What time is it?")
        done = await until(connection, "response.done", seen)
        assert done.response.status == "completed"
    turn = [event.type for event in seen]
    turn = turn[turn.index("input_audio_buffer.committed") :]
    assert turn[:4] == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.input_audio_transcription.delta",
    ]
