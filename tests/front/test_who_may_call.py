"""Calls and the gate, over real sockets: what lets in, what does not, and what the agent learns of its caller."""

from __future__ import annotations

import asyncio
import errno
import logging
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import httpx2
import jwt
import pytest
from prometheus_client import REGISTRY
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from tests.calls.client import calling
from tests.front.guarded import guarded, refused, token_of
from tests.front.test_authorization import TOML, bearer, key_for
from voice_host.admission import rates
from voice_host.auth import call_tokens, key_ring, private_file
from voice_host.auth.key_file import KeyFile
from voice_host_sdk import Caller, Connection, Denied

SECRET = "a secret that is long enough for HS256"


async def test_a_key_or_token_may_come_in_three_ways_and_is_never_echoed(tmp_path: Path) -> None:
    key = key_for(tmp_path, "calls", "tokens")
    async with guarded(tmp_path) as r:
        url = r.session("nosy")
        for credential in (key, await token_of(r, key)):
            offered = [Subprotocol("voice-host.v1"), Subprotocol(f"voice-host.token.{credential}")]
            async with calling(url, subprotocols=offered) as caller:
                await caller.expect("ready")
                assert caller.ws.subprotocol == "voice-host.v1"
            async with calling(url, additional_headers={"Authorization": f"bearer  {credential} "}) as caller:
                await caller.expect("ready")
            async with calling(f"{url}?token={credential}%0A&name=Ada") as caller:
                greeting = await caller.expect("greeting")
                assert "{'name': 'Ada'}" in greeting["text"]
                assert credential not in str(caller.frames)
        # A browser fails a connection that echoes none of the subprotocols it offered: it would not see the code.
        offered = [Subprotocol("voice-host.v1"), Subprotocol("voice-host.token.wrong")]
        async with calling(url, subprotocols=offered) as caller:
            assert (await caller.ended())[0] == 4401
            assert caller.ws.subprotocol == "voice-host.v1"


async def test_the_agent_learns_who_calls(tmp_path: Path) -> None:
    key = key_for(tmp_path, "calls", "tokens")
    async with guarded(tmp_path) as r:
        async with calling(r.session("nosy"), additional_headers=bearer(key)) as caller:
            greeting = await caller.expect("greeting")
            assert greeting["text"] == f"{key.split('_')[1]} ['kind', 'name', 'scopes'] {{}}"
        token = await token_of(r, key, subject="ada", metadata={"name": "Ada", "vip": True})
        async with calling(r.session("nosy") + "?name=Eve&lang=en", additional_headers=bearer(token)) as caller:
            greeting = await caller.expect("greeting")
            # What was signed wins over what the caller adds.
            assert greeting["text"] == (
                "ada ['id', 'key', 'kind', 'metadata'] {'name': 'Ada', 'lang': 'en', 'vip': True}"
            )


async def test_what_opens_nothing(tmp_path: Path) -> None:
    key = key_for(tmp_path, "calls", "tokens", agents=("nosy",))
    toml = f'{TOML}token_secret = "{SECRET}"\n'
    async with guarded(tmp_path, toml) as r:
        token = await token_of(r, key)
        claims = jwt.decode(token, SECRET, algorithms=["HS256"], audience="voice-host")
        bad = {
            "needed": [None, "", " "],
            "unknown, revoked or expired": [
                key[:-1] + "_",
                key.replace("vh_", "vh_x"),
                "vh_",
                key[:20] + " " + key[20:],
            ],
            "expired": [jwt.encode(claims | {"iat": claims["iat"] - 900, "exp": claims["iat"] - 600}, SECRET)],
            "not a call token of this host": [
                jwt.encode(claims, "some other secret that is long enough"),
                jwt.encode(claims | {"aud": "somebody else"}, SECRET),
                jwt.encode(claims, None, algorithm="none"),
                "hello",
            ],
            "too long": ["x" * 7001],
        }
        for words, credentials in bad.items():
            for credential in credentials:
                assert words in await refused(r.session("nosy"), additional_headers=bearer(credential)), credential
        assert "another agent" in await refused(r.session("deaf"), additional_headers=bearer(token))
        assert "another agent" in await refused(r.session("deaf"), additional_headers=bearer(key))
        # Who may not call does not learn which agents there are either.
        assert "needed" in await refused(r.session("nobody-has-this-id"))
        async with calling(r.session("nosy"), additional_headers=bearer(token)) as caller:
            await caller.expect("ready")


@pytest.mark.parametrize("where", ["header", "query"])
async def test_a_request_that_is_too_long_to_be_read_is_answered(tmp_path: Path, where: str) -> None:
    async with guarded(tmp_path) as r:
        url, headers = r.session("nosy"), bearer("x" * 9000 if where == "header" else None)
        with pytest.raises(InvalidStatus, match="HTTP 400"):
            async with calling(url if headers else f"{url}?token={'x' * 9000}", additional_headers=headers):
                pytest.fail("it was let in")


async def test_a_token_for_one_call_is_for_one_call(tmp_path: Path) -> None:
    key = key_for(tmp_path, "calls", "tokens")
    async with guarded(tmp_path) as r:
        token = await token_of(r, key, single_use=True)
        async with httpx2.AsyncClient(base_url=f"http://{r.address}") as http:
            assert (await http.get("/agents", headers=bearer(token))).status_code == 200  # looking is no call
        async with (
            calling(r.session("nosy"), additional_headers=bearer(token)) as first,
            calling(r.session("nosy"), additional_headers=bearer(token)) as second,
        ):
            codes = []
            async with asyncio.timeout(10):
                while not codes:
                    codes = [caller.closed[0] for caller in (first, second) if caller.closed]
                    await asyncio.sleep(0)
            assert codes == [4401]
        assert "used already" in await refused(r.session("nosy"), additional_headers=bearer(token))


async def test_a_key_that_is_revoked_takes_its_tokens_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_ring, "RECHECK_S", 0.0)
    key = key_for(tmp_path, "calls", "tokens")
    async with guarded(tmp_path) as r:
        token = await token_of(r, key)
        async with calling(r.session("nosy"), additional_headers=bearer(token)) as caller:
            await caller.expect("ready")
            KeyFile(tmp_path / "keys.json").revoke(key.split("_")[1])
            assert "revoked" in await refused(r.session("nosy"), additional_headers=bearer(key))
            assert "revoked" in await refused(r.session("nosy"), additional_headers=bearer(token))
            await caller.send("ping")
            await caller.expect("pong")  # a call that has begun goes on


def of_bodies_refused(status: int) -> float:
    labels = {"status": str(status), "reason": "body"}
    return REGISTRY.get_sample_value("voice_host_requests_refused_total", labels) or 0.0


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 201, ""),
        (b'{"ttl_s": 3600}', 201, ""),
        (b'{"ttl_s": 3601}', 422, "ttl_s: must be from 1 to 3600"),
        (b'{"ttl_s": 0}', 422, "ttl_s: must be"),
        (b'{"ttl": 5}', 422, "did you mean 'ttl_s'?"),
        (b'{"subject": ""}', 422, "subject: must be"),
        (b'{"subject": "a\\nb"}', 422, "printable"),
        (b'{"metadata": []}', 422, "metadata: must be"),
        (b'{"metadata": {"a": "' + b"x" * 2048 + b'"}}', 422, "2048 bytes"),
        (b'{"single_use": "perhaps"}', 422, "single_use: must be"),
        (b'{"ttl_s": true}', 422, "ttl_s: must be"),
        (b'{"ttl_s": "60"}', 422, "ttl_s: must be"),
        (b'{"ttl_s": 60.0}', 422, "ttl_s: must be"),
        (b'{"single_use": 1}', 422, "single_use: must be"),
        (b'{"subject": 7}', 422, "subject: must be"),
        (b'{"metadata": {"a": NaN}}', 422, "not JSON compliant"),
        (b"\x0c", 422, "JSON object"),
        (b"{", 422, "JSON object"),
        (b"[]", 422, "JSON object"),
        (b"[" * 5000, 422, "JSON object"),
        (b'{"a": "' + b"x" * 20000 + b'"}', 413, "16384 bytes"),
    ],
)
async def test_the_body_of_a_token_request_is_checked(tmp_path: Path, body: bytes, status: int, words: str) -> None:
    key = key_for(tmp_path, "tokens")
    async with guarded(tmp_path) as r, httpx2.AsyncClient(base_url=f"http://{r.address}") as http:
        before = of_bodies_refused(status)
        answer = await http.post("/agents/nosy/tokens", headers=bearer(key), content=body)
        assert of_bodies_refused(status) - before == (status != 201)
        assert (answer.status_code, answer.headers["cache-control"]) == (status, "no-store")
        assert words in str(answer.json().get("detail", ""))
        if status == 201:
            assert answer.json().keys() == {"token", "agent", "subject", "single_use", "expires_at", "expires_in_s"}
        if not body:
            assert (await http.post("/agents/none/tokens", headers=bearer(key))).status_code == 404


async def test_a_key_that_uses_up_tokens_leaves_room_for_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_tokens, "MAX_REMEMBERED", 4)
    greedy, other = (key_for(tmp_path, "calls", "tokens") for _ in range(2))

    async with guarded(tmp_path) as r:
        tokens = [await token_of(r, greedy, single_use=True) for _ in range(3)]
        for token in tokens[:2]:
            async with calling(r.session("nosy"), additional_headers=bearer(token)) as caller:
                await caller.expect("ready")
        assert "too many single-use" in await refused(r.session("nosy"), additional_headers=bearer(tokens[2]))
        token = await token_of(r, other, single_use=True)
        async with calling(r.session("nosy"), additional_headers=bearer(token)) as caller:
            await caller.expect("ready")


async def test_a_key_file_that_can_be_read_again_lets_in_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_ring, "RECHECK_S", 0.0)
    key = key_for(tmp_path, "calls", "metrics")
    async with guarded(tmp_path) as r, httpx2.AsyncClient(base_url=f"http://{r.address}", headers=bearer(key)) as http:
        assert (await http.get("/metrics")).status_code == 200
        key_for(tmp_path, "calls")
        with monkeypatch.context() as broken:
            broken.setattr(private_file.os, "open", Mock(side_effect=OSError(errno.EMFILE, "Too many open files")))
            assert (await http.get("/metrics")).status_code == 401
        assert (await http.get("/metrics")).status_code == 200
        async with calling(r.session("nosy"), additional_headers=bearer(key)) as caller:
            await caller.expect("ready")


async def test_two_keys_or_tokens_in_one_place_are_refused(tmp_path: Path) -> None:
    key = key_for(tmp_path, "calls", "metrics")
    async with guarded(tmp_path) as r:
        twice = [("Authorization", f"Bearer {key}"), ("authorization", "Bearer other")]
        offered = [Subprotocol(f"voice-host.token.{token}") for token in (key, "other")]
        as_openai = [offered[0], Subprotocol("openai-insecure-api-key.other")]
        async with httpx2.AsyncClient(base_url=f"http://{r.address}") as http:
            answer = await http.get("/metrics", headers=twice)
            assert (answer.status_code, answer.json()["detail"]) == (400, "more than one Authorization header was sent")
            assert (await http.get("/metrics", headers=twice[:1])).status_code == 200
            answer = await http.get("/metrics", params=[("token", key), ("token", "other")])
            assert (answer.status_code, answer.json()["detail"]) == (400, "more than one token parameter was sent")
        url = r.session("nosy")
        attempts: list[tuple[str, dict[str, Any]]] = [
            (url, {"additional_headers": twice}),
            (f"{url}?token={key}&token=other", {}),
            (url, {"subprotocols": offered}),
            (url, {"subprotocols": as_openai}),
        ]
        for address, options in attempts:
            with pytest.raises(InvalidStatus) as refusal:
                await connect(address, **options)
            assert refusal.value.response.status_code == 403


class Panic(BaseException):
    """As Rust extensions raise it."""


class Speaks:
    """An authenticator that answers what it was given, or raises it."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[Connection] = []

    async def authenticate(self, connection: Connection) -> Any:
        self.asked.append(connection)
        if self.answer == "forever":
            await asyncio.Event().wait()
        if isinstance(self.answer, type):
            raise self.answer(f"cannot look {connection.headers} up")
        return self.answer


async def test_extensions_are_asked_first_and_the_first_answer_holds(tmp_path: Path) -> None:
    key = key_for(tmp_path, "calls")
    abstains, lets_in, never = Speaks(None), Speaks(Caller("ada", {"plan": "gold"})), Speaks(Denied("never"))
    async with guarded(tmp_path, authenticators={"a": abstains, "b": lets_in, "c": never}) as r:
        async with calling(r.session("nosy") + "?name=Ada", subprotocols=[Subprotocol("x")]) as caller:
            assert (await caller.expect("greeting"))["text"] == "ada ['plan'] {'name': 'Ada'}"
        (seen,) = abstains.asked
        assert (seen.agent_id, seen.path, seen.query["name"]) == ("nosy", "/agents/nosy/session", "Ada")
        assert (seen.client_host, seen.subprotocols, seen.headers["host"]) == ("127.0.0.1", ("x",), r.address)
        assert never.asked == []
        async with httpx2.AsyncClient(base_url=f"http://{r.address}") as http:
            assert (await http.get("/agents")).status_code == 200
            assert (await http.get("/metrics")).status_code == 403
            lets_in.answer = Caller("ops", {"scopes": ["metrics"]})
            assert (await http.get("/metrics")).status_code == 200
            assert (await http.get("/ready")).json() == {"status": "ready"}  # nobody is asked without a key
            lets_in.answer = None
            assert (await http.get("/metrics")).status_code == 401
        never.answer = None
        async with calling(r.session("nosy"), additional_headers=bearer(key)) as caller:
            await caller.expect("ready")  # all have abstained: keys are looked at


@pytest.mark.parametrize(
    "answer", [Denied("not this one"), ValueError, Panic, KeyboardInterrupt, SystemExit, "nonsense", "forever", None]
)
async def test_an_extension_that_does_not_say_yes_has_said_no(
    tmp_path: Path, answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="voice_host")
    async with guarded(tmp_path, "auth.authenticator_timeout_s = 0.05", {"door": Speaks(answer)}) as r:
        reason = await refused(r.session("nosy"), additional_headers=bearer("hunter-2"))
        assert "not this one" not in reason  # it is for the log
        assert "hunter-2" not in reason
    logged = "\n".join(str(record.__dict__) for record in caplog.records)
    assert "hunter-2" not in logged
    if answer is ValueError:
        assert "cannot look" in logged
    if answer is not None:
        assert "'extension': 'door'" in logged


@pytest.mark.fault("caller: guesses keys")
async def test_whoever_keeps_guessing_is_told_to_wait_and_a_good_key_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "FIRST_BLOCK_S", 60.0)
    key = key_for(tmp_path, "calls")
    guesser = {"X-Forwarded-For": "198.51.100.7"}
    async with guarded(tmp_path, f"{TOML}\n[limits]\nmax_auth_failures_per_minute = 3\n") as r:
        for guess in ("vh_a_b", "vh_c_d"):
            assert "unknown" in await refused(r.session("nosy"), additional_headers={**bearer(guess), **guesser})
        async with httpx2.AsyncClient(base_url=f"http://{r.address}", headers=guesser) as http:
            assert (await http.get("/metrics", headers=bearer("vh_e_f"))).status_code == 401
            blocked = await http.get("/metrics", headers=bearer("vh_g_h"))
            assert (blocked.status_code, blocked.headers["retry-after"]) == (429, "60")
        async with calling(r.session("nosy"), additional_headers={**bearer("vh_i_j"), **guesser}) as caller:
            assert await caller.ended() == (4429, "too many failed attempts: try again in 60 s")
        for address in (guesser, {"X-Forwarded-For": "198.51.100.8"}):
            async with calling(r.session("nosy"), additional_headers={**bearer(key), **address}) as caller:
                await caller.expect("ready")


async def test_an_extension_is_not_asked_about_an_address_that_keeps_guessing(tmp_path: Path) -> None:
    asked: list[str] = []

    class Strict:
        async def authenticate(self, connection: Connection) -> Caller | Denied | None:
            asked.append(connection.query["who"])
            return Denied("no") if connection.query["who"] == "eve" else Caller(connection.query["who"])

    address = {"X-Forwarded-For": "198.51.100.7"}
    toml = "[limits]\nmax_auth_failures_per_minute = 1\n"
    async with guarded(tmp_path, toml, {"strict": Strict()}) as r:
        for _ in range(3):
            async with calling(f"{r.session('nosy')}?who=eve", additional_headers=address) as caller:
                assert (await caller.ended())[0] in (4401, 4429)
        async with calling(f"{r.session('nosy')}?who=ada", additional_headers={}) as caller:
            await caller.expect("ready")
    assert asked == ["eve", "ada"]


async def test_a_missing_key_is_no_guess(tmp_path: Path) -> None:
    key = key_for(tmp_path, "calls")
    address = {"X-Forwarded-For": "198.51.100.7"}
    async with guarded(tmp_path, f"{TOML}\n[limits]\nmax_auth_failures_per_minute = 1\n") as r:
        for _ in range(3):
            assert "needed" in await refused(r.session("nosy"), additional_headers=address)
        async with calling(r.session("nosy"), additional_headers={**bearer(key), **address}) as caller:
            await caller.expect("ready")


async def test_refusals_and_minted_tokens_are_logged_with_address_and_key(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="voice_host")
    key, other = key_for(tmp_path, "tokens", "calls", agents=("deaf",)), key_for(tmp_path, "calls")
    key_id, other_id = key.split("_")[1], other.split("_")[1]
    unknown = f"vh_{'a' * 12}_{'b' * 43}"
    address = {"X-Forwarded-For": "198.51.100.7"}
    async with guarded(tmp_path) as r:
        token = await token_of(r, key, "deaf", single_use=True)
        async with calling(f"{r.session('deaf')}?token={token}", additional_headers=address) as caller:
            await caller.expect("ready")
        for agent, credential in (("nosy", unknown), ("nosy", key), ("deaf", token)):
            await refused(r.session(agent), additional_headers={**bearer(credential), **address})
        await refused(r.session("nosy"), additional_headers=address)
        async with httpx2.AsyncClient(base_url=f"http://{r.address}", headers=address) as http:
            assert (await http.get("/metrics", headers=bearer(other))).status_code == 403
    lines = [record.__dict__ for record in caplog.records]
    calls = [(line["client"], line.get("key_id")) for line in lines if line["msg"] == "call_refused"]
    assert calls == [("198.51.100.7", who) for who in ("a" * 12, key_id, None, None)]
    [request] = [line for line in lines if line["msg"] == "request_refused"]
    assert (request["client"], request["key_id"]) == ("198.51.100.7", other_id)
    [minted] = [line for line in lines if line["msg"] == "token_minted"]
    assert (minted["agent_id"], minted["key_id"], minted["client"]) == ("deaf", key_id, "127.0.0.1")
    assert token not in caplog.text
