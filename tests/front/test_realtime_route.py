"""`WS /v1/realtime`: who may open a session, and what everybody else is told."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from tests.clients.realtime_reader import Reader
from tests.front.guarded import guarded, token_of
from tests.front.hosting import Running, running
from tests.front.test_authorization import bearer, key_for


def session(r: Running, query: str = "model=nosy", offered: Sequence[str] = (), **options: Any) -> connect:
    subprotocols = [Subprotocol(name) for name in offered] or None
    return connect(f"ws://{r.address}/v1/realtime?{query}", subprotocols=subprotocols, proxy=None, **options)


async def first(ws: ClientConnection) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(await ws.recv())
    Reader().take(event)
    return event


async def refused(opening: connect) -> tuple[int | None, str, str]:
    """Open a session, and return the close code, the code of the error, and its words."""
    async with opening as ws:
        error = (await first(ws))["error"]
        with pytest.raises(ConnectionClosed):
            await ws.recv()
        return ws.close_code, error["code"], error["message"]


async def test_a_key_in_the_header_or_among_the_subprotocols(tmp_path: Path) -> None:
    key = key_for(tmp_path, "calls", "tokens")
    async with guarded(tmp_path) as r:
        token = await token_of(r, key)
        for credential in (key, token, f"ek_{token}"):
            async with session(r, additional_headers=bearer(credential)) as ws:
                assert (await first(ws))["type"] == "session.created"
                assert ws.subprotocol is None
            offered = ["realtime", f"openai-insecure-api-key.{credential}", "openai-agents-sdk.0.20.0"]
            async with session(r, offered=offered) as ws:
                assert (await first(ws))["session"]["model"] == "nosy"
                assert ws.subprotocol == "realtime"


async def test_who_is_refused_is_told_why_before_the_close(tmp_path: Path) -> None:
    key = key_for(tmp_path, "calls", "tokens")
    async with guarded(tmp_path) as r:
        nobody = await refused(session(r))
        offered = ["realtime", "openai-insecure-api-key.vh_wrong"]
        wrong = await refused(session(r, offered=offered))
        unknown = await refused(session(r, "model=gpt-realtime", additional_headers=bearer(key)))
        once = await token_of(r, key, single_use=True)
        async with session(r, additional_headers=bearer(once)) as ws:
            await first(ws)
        twice = await refused(session(r, additional_headers=bearer(once)))
        other = await refused(session(r, "model=deaf", additional_headers=bearer(await token_of(r, key))))
    assert nobody == (4401, "invalid_api_key", "a key or a call token is needed")
    assert wrong[:2] == (4401, "invalid_api_key")
    assert unknown == (4404, "model_not_found", "there is no agent 'gpt-realtime'")
    assert twice == (4401, "invalid_api_key", "the call token was used already")
    assert other[:2] == (4401, "invalid_api_key")


@pytest.mark.parametrize(
    ("query", "options", "code", "words"),
    [
        ("", {}, 4404, "name the agent in the parameter model"),
        ("model=nosy&call_id=rtc_1", {}, 4500, "leave out call_id"),
        ("model=nosy&intent=transcription", {}, 4500, "leave out intent"),
        ("model=nosy", {"additional_headers": {"OpenAI-Beta": "realtime=v1"}}, 4500, "leave out OpenAI-Beta"),
        ("model=nosy", {"offered": ["realtime", "openai-beta.realtime-v1"]}, 4500, "leave out OpenAI-Beta"),
    ],
)
async def test_what_is_not_served(tmp_path: Path, query: str, options: Any, code: int, words: str) -> None:
    labels = {"agent": "", "code": str(code)}
    before = REGISTRY.get_sample_value("voice_host_calls_refused_total", labels) or 0
    async with running(tmp_path) as r:
        told = await refused(session(r, query, **options))
    assert told[0] == code
    assert told[2].endswith(words)
    assert REGISTRY.get_sample_value("voice_host_calls_refused_total", labels) == before + 1


async def test_a_host_without_keys_asks_for_none(tmp_path: Path) -> None:
    async with guarded(tmp_path, "") as r, session(r, additional_headers=bearer("sk-any")) as ws:
        assert (await first(ws))["type"] == "session.created"


async def test_the_same_pages_may_call(tmp_path: Path) -> None:
    toml = '[server]\nallowed_origins = ["https://www.example.com"]\n[agent.deaf]\nallowed_origins = []\n'
    async with guarded(tmp_path, toml) as r:
        for origin in ("https://www.example.com", f"http://{r.address}"):
            async with session(r, offered=["realtime"], origin=origin) as ws:  # type: ignore[arg-type]
                assert (await first(ws))["type"] == "session.created"
        for query, origin in (("model=deaf", "https://www.example.com"), ("model=nosy", "null")):
            told = await refused(session(r, query, offered=["realtime"], origin=origin))  # type: ignore[arg-type]
            assert told == (4403, "origin_not_allowed", "this page may not call here")


async def test_no_key_is_repeated(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for_tokens = key_for(tmp_path, "tokens")
    async with guarded(tmp_path) as r:
        token = await token_of(r, for_tokens, "deaf")
        for credential, words in [
            (f"vh_{'a' * 12}_{'b' * 43}", "the key is unknown, revoked or expired"),
            (for_tokens, "this key or token is not for calls"),
            (f"ek_{token}", "this key or token is for another agent"),
            ("sk-proj-of-somebody", "this is not a call token of this host"),
            (f"ek_{'x' * 7100}", "this is not a call token: it is too long"),
        ]:
            offered = ["realtime", f"openai-insecure-api-key.{credential}"]
            for opening in (session(r, offered=offered), session(r, additional_headers=bearer(credential))):
                assert await refused(opening) == (4401, "invalid_api_key", words)
            assert credential not in str([vars(line) for line in caplog.records])


async def test_pages_of_other_sites_and_two_keys_are_refused(tmp_path: Path) -> None:
    async with guarded(tmp_path, "") as r:
        told = await refused(session(r, origin="https://evil.example"))  # type: ignore[arg-type]
        assert told[:2] == (4403, "origin_not_allowed")
        offered = ["realtime", "openai-insecure-api-key.a", "voice-host.token.b"]
        with pytest.raises(InvalidStatus):
            await refused(session(r, offered=offered))
