"""Client secrets for OpenAI Realtime: made with OpenAI's own client, refused in its shape, and good for calls."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from websockets.typing import Subprotocol

from tests.calls.client import calling
from tests.front.guarded import NOSY
from tests.front.hosting import Running, installed, running
from tests.front.test_authorization import TOML, bearer, key_for
from voice_host.front.client_secrets import DEFAULT_TTL_S, PATH

SESSION = {"type": "realtime", "model": "nosy"}


@asynccontextmanager
async def guarded(folder: Path, toml: str = TOML) -> AsyncIterator[Running]:
    with installed(folder) as plugins:
        plugins.install("nosy", NOSY)
        plugins.install("other", NOSY)
        async with running(folder, toml, allow="nosy,other") as r:
            yield r


def client_of(r: Running, key: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key=key, base_url=f"http://{r.address}/v1", max_retries=0)


async def test_the_official_client_makes_one_that_is_good_for_calls(tmp_path: Path) -> None:
    key = key_for(tmp_path, "tokens")
    async with guarded(tmp_path) as r, client_of(r, key) as client:
        made = await client.realtime.client_secrets.create(
            session={
                "type": "realtime",
                "model": "nosy",
                "instructions": "Sing.",
                "audio": {"output": {"voice": "ash"}},
            },
            expires_after={"anchor": "created_at", "seconds": 60},
            extra_headers={"OpenAI-Safety-Identifier": "customer-17"},
        )
        assert made.value.startswith("ek_")
        assert 0 < made.expires_at - time.time() <= 60
        session = made.session.model_dump()
        assert (session["type"], session["model"], session["instructions"]) == ("realtime", "nosy", "")
        assert session["audio"]["output"]["voice"] == "nosy"  # the agent's, and not the one that was asked for
        in_subprotocols = [Subprotocol("voice-host.v1"), Subprotocol(f"openai-insecure-api-key.{made.value}")]
        ways: list[dict[str, Any]] = [{"additional_headers": bearer(made.value)}, {"subprotocols": in_subprotocols}]
        for way in ways:
            async with calling(r.session("nosy"), **way) as caller:
                await caller.expect("ready")
                assert caller.ws.subprotocol != in_subprotocols[1]
                assert (await caller.expect("greeting"))["text"].startswith("customer-17 ")
        async with calling(r.session("other"), additional_headers=bearer(made.value)) as caller:
            assert (await caller.ended())[0] == 4401
        without = await client.realtime.client_secrets.create(session={"type": "realtime", "model": "nosy"})
        assert DEFAULT_TTL_S - 5 < without.expires_at - time.time() <= DEFAULT_TTL_S


@pytest.mark.parametrize(
    ("body", "status", "code", "param", "words"),
    [
        ({}, 400, "missing_required_parameter", "session", "session"),
        ({"session": {"type": "realtime"}}, 400, "missing_required_parameter", "session.model", "session.model"),
        ({"session": {"type": "transcription"}}, 400, "invalid_value", "session.type", "must be 'realtime'"),
        ({"session": SESSION, "expires_after": {"seconds": 9}}, 400, "invalid_value", "expires_after.seconds", "10"),
        (
            {"session": SESSION, "expires_after": {"seconds": 91}},
            400,
            "invalid_value",
            "expires_after.seconds",
            "most 90",
        ),
        ({"session": SESSION, "expires_after": {"seconds": True}}, 400, "invalid_value", "expires_after.seconds", ""),
        ({"session": SESSION, "extra": 1}, 400, "unknown_parameter", "extra", "extra"),
        ([], 400, "invalid_json", None, "JSON object"),
        ({"session": {**SESSION, "model": "nobody"}}, 404, "model_not_found", None, "there is no agent 'nobody'"),
        ({"session": {**SESSION, "model": "nosy@x"}}, 404, "model_not_found", None, "no release or alias 'x'"),
        ({"session": {**SESSION, "instructions": "x" * 132000}}, 413, None, None, "longer than 131072 bytes"),
    ],
)
async def test_what_is_refused_is_refused_in_openais_shape(
    tmp_path: Path, body: Any, status: int, code: str | None, param: str | None, words: str
) -> None:
    key = key_for(tmp_path, "tokens")
    async with guarded(tmp_path, f"{TOML}token_max_ttl_s = 90") as r, httpx2.AsyncClient() as http:
        answer = await http.post(f"http://{r.address}{PATH}", json=body, headers=bearer(key))
        assert answer.status_code == status
        error = answer.json()["error"]
        assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", code, param)
        assert words in error["message"]
        made = await http.post(f"http://{r.address}{PATH}", json={"session": SESSION}, headers=bearer(key))
        assert made.json()["expires_at"] - time.time() <= 90


async def test_who_may_make_them(tmp_path: Path) -> None:
    for_other = key_for(tmp_path, "tokens", agents=("other",), name="other")
    for_calls = key_for(tmp_path, "calls", name="calls")
    async with guarded(tmp_path) as r:
        for key, error, words in [
            ("guessed", openai.AuthenticationError, "not a call token of this host"),
            (for_calls, openai.PermissionDeniedError, "not for tokens"),
            (for_other, openai.PermissionDeniedError, "for another agent"),
        ]:
            async with client_of(r, key) as client:
                with pytest.raises(error, match=words):
                    await client.realtime.client_secrets.create(session={"type": "realtime", "model": "nosy"})


async def test_a_host_without_keys_says_that_none_is_needed(tmp_path: Path) -> None:
    async with guarded(tmp_path, "") as r, client_of(r, "any") as client:
        with pytest.raises(openai.NotFoundError, match=r"no \[auth\] keys_file\. Calls need no key here") as refused:
            await client.realtime.client_secrets.create(session={"type": "realtime", "model": "nosy"})
        assert refused.value.code == "client_secrets_unavailable"
        async with calling(r.session("nosy"), additional_headers=bearer("ek_none")) as caller:
            await caller.expect("ready")
