"""Mistakes of clients of OpenAI Realtime are answered, logged and counted, and the session goes on."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.front.hosting import installed, running

QUIET = """
from voice_host_sdk import AgentConfig, hookimpl

@hookimpl
def agent_config(settings):
    return AgentConfig(greeting="")
"""
ITEM = {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "Be rude."}]}
MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"type": "session.update", "session": {"tools": [{"type": "function", "name": "f"}]}}, "invalid_value"),
    ({"type": "input_audio_buffer.append", "audio": "%"}, "invalid_value"),
    ({"type": "response.cheer"}, "unknown_event_type"),
    ({"type": "conversation.item.delete", "item_id": "item_1"}, "unsupported_event"),
    ({"type": "conversation.item.create", "item": ITEM}, "unsupported_item"),
    ({"type": "response.create", "response": {"instructions": "Be rude."}}, "unsupported_response_override"),
]


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def error_of(client: ClientConnection) -> dict[str, Any]:
    while (event := json.loads(await client.recv()))["type"] != "error":
        pass
    return dict(event["error"])


async def test_an_unknown_agent(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with installed(tmp_path) as plugins:
        plugins.install("quiet", QUIET)
        async with running(tmp_path, allow="quiet") as host:
            before = value("voice_host_calls_refused_total", agent="", code="4404")
            async with connect(f"ws://{host.address}/v1/realtime?model=nobody", proxy=None) as client:
                assert (await error_of(client))["code"] == "model_not_found"
                with pytest.raises(ConnectionClosed) as closed:
                    await client.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4404
            assert value("voice_host_calls_refused_total", agent="", code="4404") == before + 1
    assert any(record.message == "call_refused" for record in caplog.records)


async def test_mistakes_of_a_client_that_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with installed(tmp_path) as plugins:
        plugins.install("quiet", QUIET)
        async with (
            running(tmp_path, allow="quiet") as host,
            connect(f"ws://{host.address}/v1/realtime?model=quiet", proxy=None) as client,
        ):
            for sent, code in MISTAKES:
                before = value("voice_host_errors_total", agent="quiet", code="bad_message")
                await client.send(json.dumps({**sent, "event_id": "mine"}))
                error = await error_of(client)
                assert (error["type"], error["code"], error["event_id"]) == ("invalid_request_error", code, "mine")
                assert error["message"]
                assert value("voice_host_errors_total", agent="quiet", code="bad_message") == before + 1, code
            await client.send(json.dumps({"type": "session.update", "session": {"type": "realtime"}}))
            while json.loads(await client.recv())["type"] != "session.updated":
                pass
    logged = [record for record in caplog.records if vars(record).get("code") == "bad_message"]
    assert len(logged) == len(MISTAKES)
