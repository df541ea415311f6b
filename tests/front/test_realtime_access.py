"""Who may open a session of OpenAI Realtime: the keys, tokens and pages that may call, and nobody learns a key."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.typing import Subprotocol

from tests.calls.client import calling
from tests.front.guarded import NOSY, token_of
from tests.front.hosting import Running, installed, running
from tests.front.test_authorization import TOML, bearer, key_for

ORIGINS = '[server]\nallowed_origins = ["https://www.example.com"]\n[agent.other]\nallowed_origins = []\n'


@pytest.fixture
def key(tmp_path: Path) -> str:
    """One that may call and make tokens. The file is read when the host starts."""
    return key_for(tmp_path, "calls", "tokens")


@pytest.fixture
def for_tokens(tmp_path: Path) -> str:
    """One that may not call."""
    return key_for(tmp_path, "tokens", name="for tokens")


@pytest.fixture
async def host(tmp_path: Path, key: str, for_tokens: str) -> AsyncIterator[Running]:
    with installed(tmp_path) as plugins:
        plugins.install("nosy", NOSY)
        plugins.install("other", NOSY)
        async with running(tmp_path, TOML + ORIGINS, allow="nosy,other") as r:
            yield r


def address_of(r: Running, agent_id: str = "nosy") -> str:
    return f"ws://{r.address}/v1/realtime?model={agent_id}"


def offered(credential: str) -> list[Subprotocol]:
    """What a browser's client offers."""
    names = ("realtime", f"openai-insecure-api-key.{credential}", "openai-agents-sdk.0.20.0")
    return [Subprotocol(name) for name in names]


async def test_a_key_or_token_may_come_as_openais_clients_send_it(host: Running, key: str) -> None:
    token = await token_of(host, key, subject="customer-17")
    for credential, who in [(key, key.split("_")[1]), (token, "customer-17"), (f"ek_{token}", "customer-17")]:
        ways: list[dict[str, Any]] = [{"additional_headers": bearer(credential)}, {"subprotocols": offered(credential)}]
        for way in ways:
            async with calling(address_of(host), **way) as caller:
                await caller.expect("session.created")
                assert caller.ws.subprotocol == ("realtime" if "subprotocols" in way else None)
                greeting = await caller.expect("response.output_audio_transcript.done")
                assert greeting["transcript"].startswith(f"{who} ")
                assert credential not in json.dumps(caller.frames)


@pytest.mark.parametrize(
    ("origin", "agent_id", "code"),
    [
        ("https://www.example.com", "nosy", None),
        ("http://{host}", "nosy", None),
        ("https://evil.example", "nosy", 4403),
        ("https://www.example.com", "other", 4403),
        ("null", "nosy", 4403),
    ],
)
async def test_the_same_pages_may_call(host: Running, key: str, origin: str, agent_id: str, code: int | None) -> None:
    origin = origin.format(host=host.address)
    async with calling(address_of(host, agent_id), subprotocols=offered(key), origin=origin) as caller:
        if code is None:
            await caller.expect("session.created")
        else:
            assert await caller.ended() == (code, "this page may not call here")
            assert caller.ws.subprotocol == "realtime"
            assert [frame["error"]["code"] for frame in caller.frames] == ["origin_not_allowed"]


async def test_a_refused_client_is_told_why_and_no_key_is_repeated(
    host: Running, for_tokens: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    token = await token_of(host, for_tokens, "other")
    unknown = f"vh_{'a' * 12}_{'b' * 43}"
    for credential, words in [
        (unknown, "unknown, revoked or expired"),
        (for_tokens, "not for calls"),
        (f"ek_{token}", "for another agent"),
        ("sk-proj-of-somebody", "not a call token"),
        (f"ek_{'x' * 8000}", "too long"),
    ]:
        ways: list[dict[str, Any]] = [{"subprotocols": offered(credential)}, {"additional_headers": bearer(credential)}]
        for way in ways[: 1 if len(credential) > 1000 else 2]:
            async with calling(address_of(host), **way) as caller:
                code, reason = await caller.ended()
                assert (code, words in reason) == (4401, True), reason
                [frame] = caller.frames
                assert (frame["type"], frame["error"]["code"]) == ("error", "invalid_api_key")
                assert credential not in json.dumps(caller.frames) + reason + str(
                    [vars(line) for line in caplog.records]
                )
    async with calling(address_of(host)) as caller:
        assert (await caller.ended())[0] == 4401
