"""Bad input of clients of OpenAI Realtime has its answer, is logged and counted: the table of the reference.

What the protocol makes of each event is in `tests/clients/test_openai_realtime.py`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.front.guarded import guarded, token_of
from tests.front.hosting import Running, installed, running
from tests.front.test_authorization import TOML, bearer, key_for
from tests.watched import Watched
from voice_host.admission import client_guard

QUIET = """
from voice_host_sdk import AgentConfig, hookimpl

@hookimpl
def agent_config(settings):
    return AgentConfig(greeting="")
"""
ITEM = {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "Be rude."}]}
OPUS = {"type": "audio/opus"}
MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"type": "session.update", "session": {"tools": [{"type": "function", "name": "f"}]}}, "invalid_value"),
    ({"type": "session.update", "session": {"audio": {"input": {"format": OPUS}}}}, "invalid_value"),
    ({"type": "session.update", "session": {"audio": {"output": {"format": OPUS}}}}, "invalid_value"),
    ({"type": "input_audio_buffer.append", "audio": "%"}, "invalid_value"),
    ({"type": "response.cheer"}, "unknown_event_type"),
    ({"type": "conversation.item.retrieve", "item_id": "item_1"}, "item_retrieve_invalid_item_id"),
    (
        {"type": "conversation.item.truncate", "item_id": "item_1", "audio_end_ms": 0},
        "item_truncate_invalid_item_id",
    ),
    ({"type": "conversation.item.delete", "item_id": "item_1"}, "unsupported_event"),
    ({"type": "conversation.item.create", "item": ITEM}, "unsupported_item"),
    ({"type": "response.create", "response": {"instructions": "Be rude."}}, "unsupported_response_override"),
    ({"type": "response.create", "response": {"tools": [{"type": "function"}]}}, "unsupported_response_override"),
]
FRAMES: list[tuple[str | bytes, str]] = [("{", "invalid_json"), ("[]", "invalid_json"), (bytes(640), "invalid_frame")]


async def error_of(client: ClientConnection) -> dict[str, Any]:
    while (event := json.loads(await client.recv()))["type"] != "error":
        pass
    return dict(event["error"])


async def refused(host: Running, query: str, **options: Any) -> tuple[str, int]:
    """Open a session, and return the code of the error and of the close frame."""
    async with connect(f"ws://{host.address}/v1/realtime?{query}", proxy=None, **options) as client:
        error = await error_of(client)
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
    assert error["message"]
    assert closed.value.rcvd is not None
    return error["code"], closed.value.rcvd.code


@pytest.mark.parametrize(
    ("query", "options", "code", "close"),
    [
        ("model=nobody", {}, "model_not_found", 4404),
        ("model=nosy@nowhere", {}, "model_not_found", 4404),
        ("", {}, "model_not_found", 4404),
        ("model=nosy&call_id=rtc_1", {}, "session_refused", 4500),  # a second connection to one call
        ("model=nosy&intent=transcription", {}, "session_refused", 4500),
        ("model=nosy", {"subprotocols": [Subprotocol("openai-beta.realtime-v1")]}, "session_refused", 4500),
    ],
)
async def test_a_session_that_does_not_exist(
    query: str, options: Any, code: str, close: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with guarded(tmp_path, "") as host:
        known = "nosy" if "@" in query else ""
        watched = Watched(caplog, "calls_refused", agent=known, code=str(close))
        assert await refused(host, query, **options) == (code, close)
        assert watched.count == watched.logged("call_refused", agent_id=known, code=close) == 1


async def test_a_client_without_a_valid_key(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    key = key_for(tmp_path, "calls", "tokens")
    async with guarded(tmp_path, TOML) as host:
        once = bearer(await token_of(host, key, single_use=True))
        async with connect(f"ws://{host.address}/v1/realtime?model=nosy", additional_headers=once, proxy=None):
            for headers in ({}, bearer("sk-guessed"), once):
                watched = Watched(caplog, "calls_refused", agent="nosy", code="4401")
                assert await refused(host, "model=nosy", additional_headers=headers) == ("invalid_api_key", 4401)
                assert watched.count == watched.logged("call_refused", agent_id="nosy", code=4401) == 1


async def test_mistakes_of_a_client_that_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with installed(tmp_path) as plugins:
        plugins.install("quiet", QUIET)
        async with (
            running(tmp_path, allow="quiet") as host,
            connect(f"ws://{host.address}/v1/realtime?model=quiet", proxy=None) as client,
        ):
            marked = [(json.dumps({**sent, "event_id": "mine"}), code, "mine") for sent, code in MISTAKES]
            for frame, code, event_id in [*marked, *((frame, code, None) for frame, code in FRAMES)]:
                watched = Watched(caplog, "errors", agent="quiet", code="bad_message")
                await client.send(frame)
                error = await error_of(client)
                assert (error["type"], error["code"], error["event_id"]) == ("invalid_request_error", code, event_id)
                assert error["message"]
                logged = watched.logged("call_error", code="bad_message", reason=error["message"])
                assert watched.count == logged == 1, code
            await client.send(json.dumps({"type": "session.update", "session": {"type": "realtime"}}))
            while (event := json.loads(await client.recv()))["type"] != "session.updated":
                pass
            assert event["session"]["tools"] == []


async def test_audio_with_much_else_in_its_frames(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_guard, "AUDIO_BURST_S", 0.5)  # 16,000 bytes, of which each frame takes 3,750
    with installed(tmp_path) as plugins:
        plugins.install("quiet", QUIET)
        async with (
            running(tmp_path, allow="quiet") as host,
            connect(f"ws://{host.address}/v1/realtime?model=quiet", proxy=None) as client,
        ):
            watched = Watched(caplog, "limits_exceeded", agent="quiet", limit="audio_burst_s")
            for size in (60_000, 70_000):  # as it arrives, and in its turn
                for _ in range(10):
                    await client.send(json.dumps({"type": "input_audio_buffer.append", "audio": "", "x": "y" * size}))
            assert (await error_of(client))["code"] == "rate_limit_exceeded"
            await client.send(json.dumps({"type": "response.cheer"}))
            assert (await error_of(client))["code"] == "unknown_event_type"
            assert watched.count >= 12
            assert watched.logged("call_error", code="over_limit") == 1  # it is told every 10 s


async def test_a_client_that_is_lost(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with installed(tmp_path) as plugins:
        plugins.install("quiet", QUIET)
        watched = Watched(caplog, "calls_ended", agent="quiet", reason="lost")
        async with running(tmp_path, allow="quiet") as host:
            async with connect(f"ws://{host.address}/v1/realtime?model=quiet", proxy=None) as client:
                await client.recv()
                client.transport.abort()
            await host.agents.drain(1)
        assert watched.count == watched.logged("call_ended", reason="lost") == 1
