"""Calls that a host makes: who may be called, how often, and what becomes of them. The carrier is a scripted one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.front.test_authorization import bearer, key_for
from tests.phone.dialling import ANNA, BERND, CALLS, TOML, Host, dialling
from voice_host.phone.carrier import Dial
from voice_host.phone.outbound import MAX_KEPT, SHUTTING_DOWN, TIME_LIMIT
from voice_host_sdk import CallAnswer


@pytest.fixture
async def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Host]:
    async with dialling(tmp_path, monkeypatch) as found:
        yield found


# --- a call -------------------------------------------------------------------------------------------------------


async def test_the_carrier_is_asked_to_ring(host: Host) -> None:
    answer = await host.dial(metadata={"order": 1042}, ring_s=20, max_call_s=60, machine_detection="person")
    assert answer.status_code == 201
    shown = answer.json()
    assert shown | {"id": None, "created": None} == {
        "id": None,
        "agent": "front-desk",
        "target": None,
        "carrier": "twilio",
        "to": ANNA,
        "from": "+15550100",
        "status": "ringing",
        "outcome": None,
        "reason": None,
        "answered_by": None,
        "created": None,
        "answered": None,
        "ended": None,
        "duration_s": None,
    }
    [dial] = host.carrier.dialled
    call = host.phone.outbound.find("front-desk", shown["id"])
    assert call is not None
    assert dial == Dial(
        to_number=ANNA,
        from_number="+15550100",
        stream_url=f"wss://voice.example.com/phone/twilio/stream/{call.stream_token}",
        status_url=f"https://voice.example.com/phone/twilio/calls/{shown['id']}",
        ring_s=20,
        max_call_s=60,
        detection="person",
    )
    assert call.metadata["order"] == 1042
    assert call.metadata["direction"] == "outbound"
    assert call.channel.call_id == "CA1"
    assert call.lease.caller is not None
    assert (call.lease.caller.identity, call.lease.caller.issuer) == (ANNA, "phone")
    assert host.admission.calls == 1


async def test_what_becomes_of_a_call(host: Host) -> None:
    call = await host.call()
    calls = host.phone.calls
    await asyncio.sleep(5)
    calls.answered(call)
    assert (await host.shown(call))["status"] == "answered"
    calls.judged(call, CallAnswer("human", "human"))
    assert calls.connect("twilio", call.stream_token) is call
    shown = await host.shown(call)
    assert (shown["status"], shown["answered_by"]) == ("streaming", "human")
    await asyncio.sleep(42)
    calls.end(call, "completed")
    shown = await host.shown(call)
    assert (shown["status"], shown["outcome"]) == ("over", "completed")
    assert shown["duration_s"] == pytest.approx(42, abs=1)
    assert host.admission.calls == 0
    await asyncio.sleep(1000)
    assert host.carrier.hung_up == []


async def test_the_list_has_the_newest_first(host: Host) -> None:
    first, second = await host.call(), await host.call(BERND)
    host.phone.calls.end(first, "busy")
    listed = (await host.http.get(CALLS)).json()
    assert [(each["id"], each["outcome"]) for each in listed] == [
        (second.lease.session_id, None),
        (first.lease.session_id, "busy"),
    ]
    assert (await host.http.get("/agents/night-desk/calls")).json() == []
    answer = await host.http.get(f"/agents/night-desk/calls/{first.lease.session_id}")
    assert answer.status_code == 404


async def test_calls_that_are_over_are_forgotten_in_the_end(host: Host) -> None:
    first = await host.call()
    call: Any = None
    for _ in range(MAX_KEPT + 5):
        call = host.phone.calls.reserve("front-desk", first.channel)
        host.phone.calls.end(call, "busy")
        host.phone.outbound.remember(call)
    listed = (await host.http.get(CALLS)).json()
    assert len(listed) == MAX_KEPT
    assert listed[-1]["id"] == first.lease.session_id  # which rings


# --- who may call whom --------------------------------------------------------------------------------------------


async def test_a_key_with_the_scope_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = {
        None: 401,
        key_for(tmp_path, "calls", "tokens", "deploy"): 403,
        key_for(tmp_path, "dial", agents=("night-desk",)): 403,
        key_for(tmp_path, "dial", agents=("front-desk",)): 201,
    }
    async with dialling(tmp_path, monkeypatch) as host:
        for key, status in expected.items():
            host.http.headers = httpx2.Headers(bearer(key))
            assert (await host.dial()).status_code == status
            assert (await host.http.get(CALLS)).status_code == (200 if status == 201 else status)
            assert (await host.http.delete(f"{CALLS}/x")).status_code == (404 if status == 201 else status)
        assert len(host.carrier.dialled) == 1


async def test_without_authentication_nobody_dials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with dialling(tmp_path, monkeypatch, TOML.replace("[auth]\nkeys_file", "[data]\n# keys_file")) as host:
        answer = await host.dial()
        assert answer.status_code == 401
        assert "an API key with the scope dial" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ("allow = ", "phone.outbound.allow must be set"),
        ("max_attempts_per_hour = ", "phone.outbound.max_attempts_per_hour must be set"),
    ],
)
async def test_it_is_off_unless_both_are_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str, named: str
) -> None:
    async with dialling(tmp_path, monkeypatch, TOML.replace(missing, "# ")) as host:
        await host.becomes(409, await host.dial(), named)


@pytest.mark.parametrize(
    ("body", "status", "words", "hint"),
    [
        ({"to": "+33123456789"}, 422, "not among the numbers that this host may call", ""),
        ({"to": "+491801234567"}, 422, "is a shared-cost number", ""),
        ({"to": ANNA, "from_": "+15550101"}, 422, "is not one of the numbers of front-desk", "it has +15550100"),
        ({"to": ANNA, "machine_detection": "message_end"}, 422, "has no answering-machine detection", ""),
        ({"to": ANNA, "path": "/agents/nobody/calls"}, 404, "there is no agent 'nobody'", ""),
        ({"to": ANNA, "path": "/agents/front-desk@beta/calls"}, 409, "no release or alias 'beta'", ""),
        ({"to": ANNA, "path": "/agents/night-desk/calls"}, 422, "has several numbers", "+15550101, +15550102"),
        ({"to": ANNA, "path": "/agents/night-desk/calls", "from_": "+15550102"}, 409, "'telnyx', which is not set", ""),
    ],
)
async def test_what_is_refused(host: Host, body: dict[str, Any], status: int, words: str, hint: str) -> None:
    if from_number := body.pop("from_", None):
        body["from"] = from_number
    await host.becomes(status, await host.dial(**body), words, hint)
    assert host.carrier.dialled == []
    assert host.admission.calls == 0


@pytest.mark.parametrize(
    "body", [{"to": "030 1234"}, {"to": ANNA, "ring_s": 1}, {"to": ANNA, "max_call_s": 99999}, {"to": ANNA, "x": 1}]
)
async def test_a_request_that_is_not_valid(host: Host, body: dict[str, Any]) -> None:
    assert (await host.http.post(CALLS, json=body)).status_code == 422
    assert host.carrier.dialled == []


async def test_an_agent_without_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with dialling(tmp_path, monkeypatch, TOML.replace('"front-desk"', '"other-desk"')) as host:
        await host.becomes(409, await host.dial(), "front-desk has no telephone number", "[phone.numbers]")


async def test_a_broken_agent_calls_nobody(host: Host) -> None:
    host.agents.status = "broken"
    await host.becomes(409, await host.dial(), "the agent is broken")
    host.agents.status, host.agents.state = "ready", "draining"
    await host.becomes(409, await host.dial(), "shutting down")
    assert host.carrier.dialled == []


# --- limits -------------------------------------------------------------------------------------------------------


async def test_attempts_are_limited_by_number_and_in_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limited = TOML.replace("max_attempts_per_hour = 20", "max_attempts_per_hour = 3\nmax_attempts_per_number = 2")
    async with dialling(tmp_path, monkeypatch, limited) as host:
        host.carrier.fails = ["it is not a working number"]
        assert (await host.dial()).status_code == 502  # an attempt like others
        await host.call()
        over = await host.dial()
        await host.becomes(429, over, "(phone.outbound.max_attempts_per_number)")
        assert 3500 < int(over.headers["retry-after"]) <= 3600
        await host.call(BERND)
        await host.becomes(429, await host.dial("+15550199"), "(phone.outbound.max_attempts_per_hour)")
        assert len(host.carrier.dialled) == 3


async def test_calls_are_limited_as_others_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with dialling(tmp_path, monkeypatch, TOML + "[limits]\nmax_calls = 1\n") as host:
        call = await host.call()
        await host.becomes(429, await host.dial(BERND), "takes no more calls at the moment")
        host.phone.calls.end(call, "busy")
        await host.call(BERND)


async def test_no_call_exceeds_the_limit_of_the_settings(host: Host) -> None:
    await host.call(max_call_s=7200)
    await host.call(BERND)
    assert [dial.max_call_s for dial in host.carrier.dialled] == [600, 600]


async def test_a_call_that_lasts_too_long_is_hung_up(host: Host) -> None:
    call = await host.call(max_call_s=30)
    await asyncio.sleep(20)
    host.phone.calls.connect("twilio", call.stream_token)
    host.carrier.fails = ["busy", "busy"]  # it is tried again
    await asyncio.sleep(29)
    assert call.status == "streaming"
    await asyncio.sleep(10)
    assert (call.status, call.outcome, call.reason) == ("over", "completed", TIME_LIMIT)
    assert host.carrier.hung_up == ["CA1"]
    assert host.admission.calls == 0


async def test_a_call_of_which_nothing_is_heard_is_hung_up(host: Host) -> None:
    call = await host.call(ring_s=10)
    await asyncio.sleep(44)
    assert call.status == "ringing"
    await asyncio.sleep(2)
    assert (call.status, call.outcome) == ("over", "failed")
    assert "can it reach phone.public_url?" in call.reason
    assert host.carrier.hung_up == ["CA1"]


# --- hanging up ---------------------------------------------------------------------------------------------------


async def test_hanging_up(host: Host) -> None:
    call = await host.call()
    for _ in range(2):
        assert (await host.http.delete(f"{CALLS}/{call.lease.session_id}")).status_code == 204
    assert host.carrier.hung_up == ["CA1"]
    shown = await host.shown(call)
    assert (shown["status"], shown["outcome"]) == ("over", "cancelled")
    assert host.phone.calls.connect("twilio", call.stream_token) is None
    assert (await host.http.delete(f"{CALLS}/nothing")).status_code == 404


async def test_a_carrier_that_does_not_hang_up(host: Host) -> None:
    call = await host.call()
    host.carrier.fails = ["twilio cannot be reached"]
    answer = await host.http.delete(f"{CALLS}/{call.lease.session_id}")
    await host.becomes(502, answer, "twilio cannot be reached")
    assert call.status == "ringing"


async def test_a_call_that_is_hung_up_before_the_carrier_has_answered(host: Host) -> None:
    host.carrier.holds = asyncio.Event()
    dialled = asyncio.create_task(host.dial())
    await host.carrier.asked.wait()
    [listed] = (await host.http.get(CALLS)).json()
    assert (await host.http.delete(f"{CALLS}/{listed['id']}")).status_code == 204
    host.carrier.holds.set()
    assert (await dialled).json()["outcome"] == "cancelled"
    assert host.carrier.hung_up == ["CA1"]


async def test_what_rings_is_hung_up_when_the_host_shuts_down(host: Host) -> None:
    ringing, talking = await host.call(), await host.call(BERND)
    host.phone.calls.connect("twilio", talking.stream_token)
    host.agents.state = "draining"
    await asyncio.sleep(2)
    assert (ringing.status, ringing.outcome, ringing.reason) == ("over", "cancelled", SHUTTING_DOWN)
    assert (await host.shown(talking))["status"] == "streaming"
    assert host.carrier.hung_up == ["CA1"]
    await host.phone.aclose()
    assert (await host.shown(talking))["status"] == "over"
    assert host.carrier.hung_up == ["CA1", "CA2"]
    assert host.carrier.closed


async def test_a_host_that_stops_finishes_what_it_hangs_up_and_waits_for_no_carrier_that_is_gone(host: Host) -> None:
    ringing = await host.call()
    host.carrier.fails = ["twilio cannot be reached"]
    host.agents.state = "draining"
    await asyncio.sleep(1.5)  # it is about to try again
    assert (ringing.status, host.carrier.hung_up) == ("over", [])
    await host.phone.aclose()
    assert host.carrier.hung_up == ["CA1"]
    host.agents.state = "ready"
    await host.call(BERND)
    host.carrier.fails = ["twilio cannot be reached"] * 9
    async with asyncio.timeout(10):
        await host.phone.aclose()


# --- repeated requests --------------------------------------------------------------------------------------------


async def test_a_repeated_request_rings_once(host: Host) -> None:
    host.carrier.holds = asyncio.Event()
    first = asyncio.create_task(host.dial(key="order-1042"))
    await host.carrier.asked.wait()
    meanwhile = await host.dial(key="order-1042")
    host.carrier.holds.set()
    made, again = await first, await host.dial(key="order-1042")
    assert [each.status_code for each in (made, meanwhile, again)] == [201, 200, 200]
    assert len({each.json()["id"] for each in (made, meanwhile, again)}) == 1
    assert len(host.carrier.dialled) == 1
    await host.becomes(422, await host.dial(BERND, key="order-1042"), "was used for another call")
    assert (await host.dial(key="order-1043")).status_code == 201


async def test_a_failed_request_is_not_repeated_either(host: Host) -> None:
    host.carrier.fails = ["twilio cannot be reached"]
    await host.becomes(502, await host.dial(key="a"), "twilio cannot be reached")
    again = await host.dial(key="a")
    assert (again.status_code, again.json()["outcome"]) == (200, "failed")
    assert again.json()["reason"] == "twilio cannot be reached"
    assert len(host.carrier.dialled) == 1


async def test_names_of_requests_belong_to_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = key_for(tmp_path, "dial")
    async with dialling(tmp_path, monkeypatch) as host:
        assert (await host.dial(key="a")).status_code == 201
        host.http.headers = httpx2.Headers(bearer(other))
        assert (await host.dial(key="a")).status_code == 201
