"""Bad input of each carrier has its answer, is logged and counted: the table "Bad input" of the reference.

What a carrier's protocol makes of each frame is in `tests/clients`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.phone.phone_host import NUMBER, PUBLIC_URL, PhoneHost
from tests.phone.test_telnyx import telnyx_host
from tests.phone.test_twilio import FAILED, UNAVAILABLE, twilio_host
from tests.phone.test_vonage import vonage_host
from tests.watched import Watched
from voice_host.admission import client_guard
from voice_host_sdk import AgentConfig

HOSTS: dict[str, Callable[..., Any]] = {"twilio": twilio_host, "telnyx": telnyx_host, "vonage": vonage_host}
GREETING = AgentConfig(greeting="Hello there.")
NOT_IN_SERVICE = "Sorry, this number is not in service."
UNKNOWN_NUMBER = "+15550177"
OTHER = {"twilio": "CA" + "0" * 32, "telnyx": "v3:other"}
"""The id of another call."""

carriers = pytest.mark.parametrize("carrier", list(HOSTS))


# --- the carriers, alike ----------------------------------------------------------------------------------------------


def words(line: Any) -> list[str]:
    """What the carrier has told the caller."""
    found: list[str] = line.said if hasattr(line, "said") else line.spoken
    return found


async def over(line: Any) -> None:
    """Wait until a call is over, at the carrier."""
    await line.until(lambda line: line.status == "completed" if hasattr(line, "status") else line.over, 60)


@asynccontextmanager
async def calling(carrier: str, simulator: Any, to: str = NUMBER) -> AsyncIterator[Any]:
    async with simulator.call(to.lstrip("+") if carrier == "vonage" else to) as line:
        yield line


async def hears(carrier: str, simulator: Any, to: str = NUMBER) -> list[str]:
    """Call, and return what the caller hears of the carrier until the call is over."""
    async with calling(carrier, simulator, to) as line:
        await over(line)
        return words(line)


async def told(host: PhoneHost, line: Any, carrier: str) -> list[str]:
    """Return what the caller hears of the carrier, once the host knows that the call is over, too."""
    await over(line)
    call = host.phone.calls.find(carrier, line.id)
    assert call is not None
    await call.ended.wait()
    assert host.admission.calls == 0
    return words(line)


async def webhook(
    carrier: str, simulator: Any, *, changes: Mapping[str, str] | None = None, forge: bool = False
) -> httpx2.Response:
    """Send a webhook of a new call, signed.

    Args:
        changes: other values for its fields.
        forge: what is sent is not what was signed.
    """
    path = {"twilio": "/voice", "telnyx": "/webhook", "vonage": "/answer"}[carrier]
    url = f"{PUBLIC_URL}/phone/{carrier}{path}"
    if carrier == "twilio":
        fields = {"CallSid": "CA" + "1" * 32, "AccountSid": simulator.account_sid, "From": "+15550199", "To": NUMBER}
        form = list({**fields, **(changes or {})}.items())
        signed = simulator.signed(url, form)
        body = urlencode([*form, ("more", "1")] if forge else form).encode()
        headers = {"content-type": "application/x-www-form-urlencoded", **signed}
    else:
        payload = {"call_control_id": "v3:x", "from": "+15550199", "to": NUMBER, "direction": "incoming"}
        event = {"data": {"event_type": "call.initiated", "payload": {**payload, **(changes or {})}}}
        ncco = {"uuid": "x", "from": "15550199", "to": NUMBER[1:], **(changes or {})}
        body = json.dumps(event if carrier == "telnyx" else ncco).encode()
        headers = simulator.signed(body)
        body += b" " if forge else b""
    answer: httpx2.Response = await simulator.post_to_host(url, body, headers)
    return answer


async def stream_status(host: PhoneHost, path: str, headers: Mapping[str, str]) -> int:
    """Return the status with which the request for a media stream is refused."""
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"ws://{host.address}{path}", additional_headers=headers, proxy=None)
    return refused.value.response.status_code


# --- webhooks ---------------------------------------------------------------------------------------------------------


@carriers
async def test_a_webhook_without_the_carriers_signature(carrier: str, caplog: pytest.LogCaptureFixture) -> None:
    async with HOSTS[carrier]() as (host, simulator), httpx2.AsyncClient() as client:
        watched = Watched(caplog, "phone_refused", carrier=carrier, reason="signature")
        path = {"twilio": "/voice", "telnyx": "/webhook", "vonage": "/answer"}[carrier]
        url, public = f"http://{host.address}/phone/{carrier}{path}", {"host": "voice.example.com"}
        assert (await client.post(url, content=b"{}", headers=public)).status_code == 403
        assert (await webhook(carrier, simulator, forge=True)).status_code == 403
        assert watched.count == 2
        assert watched.logged("phone_webhook_refused", carrier=carrier, status=403, kind="signature") == 2
        assert host.admission.calls == 0


@pytest.mark.parametrize(
    ("carrier", "changes", "status", "reason"),
    [
        ("twilio", {"AccountSid": "AC" + "0" * 32}, 403, "account"),
        ("twilio", {"CallSid": "../x"}, 400, "body"),
        ("twilio", {"From": "x" * 70_000}, 413, "body"),
        ("telnyx", {"call_control_id": ""}, 200, "body"),  # otherwise it would be repeated
        ("telnyx", {"from": "x" * 70_000}, 413, "body"),
        ("vonage", {"uuid": ""}, 400, "body"),
        ("vonage", {"from": "x" * 300}, 400, "body"),
        ("vonage", {"from": "x" * 70_000}, 413, "body"),
    ],
)
async def test_a_webhook_that_is_signed_and_is_none_of_a_call(
    carrier: str, changes: dict[str, str], status: int, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with HOSTS[carrier]() as (host, simulator):
        watched = Watched(caplog, "phone_refused", carrier=carrier, reason=reason)
        assert (await webhook(carrier, simulator, changes=changes)).status_code == status
        assert watched.count == 1
        assert watched.logged("phone_webhook_refused", carrier=carrier, status=status, kind=reason) == 1
        assert host.admission.calls == 0


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"data": {"payload": {}}}', b'{"data": {"event_type": "call.initiated"}}']
)
async def test_a_webhook_of_telnyx_that_is_none_is_not_asked_for_again(
    body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with telnyx_host() as (_, telnyx):
        watched = Watched(caplog, "phone_refused", carrier="telnyx", reason="body")
        assert (await telnyx.deliver("other", body, telnyx.signed(body))).status_code == 200
        assert watched.count == watched.logged("phone_webhook_refused", carrier="telnyx", kind="body") == 1
        for other in (b'{"data": {"event_type": "message.received", "payload": {}}}', b'{"data": {"event_type": "x"}}'):
            assert (await telnyx.deliver("other", other, telnyx.signed(other))).status_code == 200
        assert watched.count == 1  # carriers send webhooks about many things


@carriers
async def test_a_number_that_no_agent_answers(carrier: str, caplog: pytest.LogCaptureFixture) -> None:
    async with HOSTS[carrier]() as (host, simulator):
        watched = Watched(caplog, "phone_refused", carrier=carrier, reason="unknown_number")
        assert await hears(carrier, simulator, UNKNOWN_NUMBER) == [NOT_IN_SERVICE]
        assert watched.count == watched.logged("phone_call_refused", carrier=carrier, kind="unknown_number") == 1
        assert host.heard.sessions == []


@carriers
@pytest.mark.parametrize("agent", ["nobody", "desk@nowhere"])
async def test_an_agent_that_is_not_there(carrier: str, agent: str, caplog: pytest.LogCaptureFixture) -> None:
    async with HOSTS[carrier](numbers={NUMBER: agent}) as (_, simulator):
        watched = Watched(caplog, "phone_refused", carrier=carrier, reason="unavailable")
        refused = Watched(caplog, "calls_refused", agent="desk" if "@" in agent else "", code="4404")
        assert await hears(carrier, simulator) == [UNAVAILABLE]
        assert watched.count == watched.logged("phone_call_refused", carrier=carrier, kind="unavailable") == 1
        assert refused.count == watched.logged("call_refused", carrier=carrier, code=4404) == 1


@pytest.mark.parametrize("carrier", ["twilio", "vonage"])
async def test_a_webhook_for_a_call_that_has_its_stream(carrier: str, caplog: pytest.LogCaptureFixture) -> None:
    async with HOSTS[carrier](config=GREETING) as (host, simulator), calling(carrier, simulator) as line:
        await line.speaker.hear_for(0.1)
        watched = Watched(caplog, "phone_refused", carrier=carrier, reason="repeated")
        again = await webhook(carrier, simulator, changes={"CallSid" if carrier == "twilio" else "uuid": line.id})
        assert FAILED in again.text
        assert watched.count == watched.logged("phone_call_refused", carrier=carrier, kind="repeated") == 1
        assert len(host.heard.sessions) == 1
        await line.speaker.hear_for(0.1)  # the call goes on


# --- the request for a media stream -----------------------------------------------------------------------------------


@carriers
async def test_a_stream_without_the_carriers_signature(carrier: str, caplog: pytest.LogCaptureFixture) -> None:
    async with HOSTS[carrier]() as (host, simulator):
        if carrier == "twilio":
            simulator.stream_headers = {"x-twilio-signature": "guessed"}
        elif carrier == "telnyx":
            simulator.stream_token = "guessed"
        else:
            simulator.authorization = "Bearer guessed"
        watched = Watched(caplog, "phone_refused", carrier=carrier, reason="signature")
        refused = Watched(caplog, "requests_refused", status="403", reason="phone_stream")
        assert await hears(carrier, simulator) == [FAILED]
        assert watched.count == refused.count == watched.logged("request_refused", status=403) == 1
        assert host.heard.sessions == []
        assert host.admission.calls == 0


@carriers
async def test_a_stream_that_no_call_waits_for(carrier: str, caplog: pytest.LogCaptureFixture) -> None:
    async with HOSTS[carrier]() as (host, simulator):
        path = f"/phone/{carrier}/stream/guessed"
        headers = simulator.signed(f"wss://voice.example.com{path}") if carrier == "twilio" else {}
        reason = "token" if carrier == "twilio" else "signature"  # the others send what the host gave them
        watched = Watched(caplog, "phone_refused", carrier=carrier, reason=reason)
        assert await stream_status(host, path, headers) == 403
        assert watched.count == watched.logged("request_refused", path=path, status=403) == 1


async def test_a_stream_of_a_carrier_that_is_not_set_up(caplog: pytest.LogCaptureFixture) -> None:
    async with twilio_host() as (host, _):
        watched = Watched(caplog, "phone_refused", carrier="", reason="carrier")
        assert await stream_status(host, "/phone/telnyx/stream/guessed", {}) == 403
        assert watched.count == watched.logged("request_refused", status=403) == 1


@carriers
async def test_a_second_stream_for_a_call(carrier: str, caplog: pytest.LogCaptureFixture) -> None:
    async with HOSTS[carrier](config=GREETING) as (host, simulator), calling(carrier, simulator) as line:
        await line.speaker.hear_for(0.1)
        watched = Watched(caplog, "phone_refused", carrier=carrier, reason="token")
        if carrier == "twilio":
            [url] = line.streams
            path = url.removeprefix("wss://voice.example.com")
            assert await stream_status(host, path, simulator.signed(url)) == 403
        else:
            assert await line.open_second_stream() == 403
        assert watched.count == watched.logged("request_refused", status=403) == 1
        await line.speaker.hear_for(0.1)  # the call goes on


# --- the beginning of a stream ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("carrier", "start", "reason"),
    [
        ("twilio", {"callSid": OTHER["twilio"]}, "another call"),
        ("twilio", {"accountSid": "AC" + "0" * 32}, "another call"),
        ("twilio", {"mediaFormat": {"encoding": "audio/x-l16", "sampleRate": 16000, "channels": 1}}, "not mu-law"),
        ("telnyx", {"call_control_id": OTHER["telnyx"]}, "another call"),
        ("telnyx", {"media_format": {"encoding": "G722", "sample_rate": 8000, "channels": 1}}, "PCMU nor PCMA"),
        ("telnyx", {"media_format": {"encoding": "PCMU", "sample_rate": 16000, "channels": 1}}, "PCMU nor PCMA"),
        ("vonage", {"content-type": "audio/l16;rate=8000"}, "not audio/l16;rate=16000"),
    ],
)
async def test_a_stream_that_is_not_what_was_agreed(
    carrier: str, start: dict[str, Any], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with HOSTS[carrier](config=GREETING) as (host, simulator):
        simulator.start = start
        watched = Watched(caplog, "calls_refused", agent="desk", code="4500")
        failed = Watched(caplog, "phone_calls", carrier=carrier, direction="inbound", outcome="failed")
        async with calling(carrier, simulator) as line:
            assert await told(host, line, carrier) == [FAILED]
        assert watched.count == watched.logged("call_refused", agent_id="desk", code=4500) == 1
        assert failed.count == watched.logged("phone_call_over", carrier=carrier, outcome="failed") == 1
        [refused] = watched.lines("call_refused")
        assert reason in refused["reason"]
        assert watched.logged("phone_call_over", session_id=refused["session_id"]) == 1
        assert host.heard.sessions == []


@carriers
async def test_a_stream_that_does_not_start_in_time(carrier: str, caplog: pytest.LogCaptureFixture) -> None:
    async with HOSTS[carrier](config=GREETING) as (host, simulator):
        simulator.begins = False
        watched = Watched(caplog, "calls_refused", agent="desk", code="4500")
        async with calling(carrier, simulator) as line:
            assert await told(host, line, carrier) == [FAILED]
        assert watched.count == watched.logged("call_refused", agent_id="desk", code=4500) == 1


# --- frames -----------------------------------------------------------------------------------------------------------


def mistakes(carrier: str, line: Any) -> list[str | bytes]:
    """Return frames that have no place in a stream that has begun."""
    if carrier == "vonage":
        return [
            "{",
            '{"event": "websocket:sing"}',
            '{"event": "websocket:connected", "content-type": "audio/l16;rate=16000"}',
            '{"event": "websocket:notify", "payload": {"mark": "other"}}',
            '{"event": "websocket:notify", "payload": {"mark": "99:123"}}',
            '{"event": "websocket:dtmf", "digit": "12"}',
            '{"event": "websocket:dtmf", "digit": "A"}',
            bytes(639),  # half a sample
        ]
    key, stream = ("streamSid", line.stream_sid) if carrier == "twilio" else ("stream_id", "S-" + line.id)
    packet = {"track": "inbound", "chunk": "1", "timestamp": "0", "payload": base64.b64encode(b"\xff" * 160).decode()}
    other = "MZ" + "0" * 32 if carrier == "twilio" else "S-other"
    media_format = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    starts = {
        "twilio": {"accountSid": "AC" + "0" * 32, "callSid": line.id, "mediaFormat": media_format},
        "telnyx": {"call_control_id": line.id, "media_format": {"encoding": "PCMU"}},
    }
    errors = [{"event": "error", key: stream, "payload": {"code": 100002, "title": "invalid_media"}}]
    return [
        *(json.dumps(error) for error in errors if carrier == "telnyx"),
        "{",
        bytes(160),
        json.dumps({"event": "sing", key: stream}),
        json.dumps({"event": "media", key: other, "media": packet}),
        json.dumps({"event": "media", key: stream, "media": {**packet, "payload": "%"}}),
        json.dumps({"event": "start", key: stream, "start": starts[carrier]}),
        json.dumps({"event": "mark", key: stream, "mark": {"name": "other"}}),
        json.dumps({"event": "mark", key: stream, "mark": {"name": "99:123"}}),
        json.dumps({"event": "dtmf", key: stream, "dtmf": {"digit": "12"}}),
        json.dumps({"event": "dtmf", key: stream, "dtmf": {"digit": "A"}}),
    ]


@carriers
async def test_frames_that_have_no_place_in_a_stream(carrier: str, caplog: pytest.LogCaptureFixture) -> None:
    async with (
        HOSTS[carrier]("Fine.", config=GREETING) as (host, simulator),
        calling(carrier, simulator) as line,
    ):
        ears = await host.stt.connected()
        await line.speaker.hear_for(0.5)
        watched = Watched(caplog, "errors", agent="desk", code="bad_message")
        wrong = mistakes(carrier, line)
        for number, frame in enumerate(wrong, 1):
            await line.send_raw(frame)
            await line.press("5")
            await host.heard.until(lambda heard, number=number: len(heard.digits) == number)
            assert watched.count == watched.logged("call_error", code="bad_message") == number, frame
        reasons = [logged["reason"] for logged in watched.lines("call_error")]
        assert all(reasons)
        assert carrier != "telnyx" or reasons[0] == "Telnyx reports an error: invalid_media (100002)"
        await ears.final("Are you there")
        await line.speaker.hear_for(0.2)  # the call goes on


@carriers
async def test_an_unknown_event_before_the_start(carrier: str, caplog: pytest.LogCaptureFixture) -> None:
    async with HOSTS[carrier](config=GREETING) as (_, simulator):
        simulator.first = ['{"event": "websocket:sing"}' if carrier == "vonage" else '{"event": "sing"}']
        watched = Watched(caplog, "errors", agent="desk", code="bad_message")
        async with calling(carrier, simulator) as line:
            await line.speaker.hear_for(0.1)
            await line.press("5")
            await line.speaker.hear_for(0.1)
        assert watched.count == watched.logged("call_error", code="bad_message") == 1


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_frames_with_little_audio_and_much_else(
    carrier: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_guard, "AUDIO_BURST_S", 0.5)  # 16,000 bytes, of which each frame takes 3,750
    async with HOSTS[carrier](config=GREETING) as (host, simulator), calling(carrier, simulator) as line:
        await line.speaker.hear_for(0.5)
        watched = Watched(caplog, "limits_exceeded", agent="desk", limit="audio_burst_s")
        key, stream = ("streamSid", line.stream_sid) if carrier == "twilio" else ("stream_id", "S-" + line.id)
        packet = {"track": "inbound", "chunk": "1", "timestamp": "0", "payload": "", "more": "x" * 60_000}
        for _ in range(20):
            await line.send_raw(json.dumps({"event": "media", key: stream, "media": packet}))
        await line.press("5")
        await host.heard.until(lambda heard: heard.digits == ["5"])
        assert watched.count >= 10
        assert watched.logged("call_error", code="over_limit") == 1  # it is told every 10 s


# --- the end ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("carrier", "how"),
    [
        ("twilio", "lost"),
        ("twilio", "closed"),
        ("telnyx", "lost"),
        ("telnyx", "closed"),
        ("vonage", "lost"),  # which has no `stop`: it closes
    ],
)
async def test_a_stream_that_ends_without_stop(carrier: str, how: str, caplog: pytest.LogCaptureFixture) -> None:
    async with HOSTS[carrier](config=GREETING) as (host, simulator), calling(carrier, simulator) as line:
        await line.speaker.hear_for(0.1)
        watched = Watched(caplog, "phone_calls", carrier=carrier, direction="inbound", outcome="failed")
        lost = Watched(caplog, "calls_ended", agent="desk", reason="lost")
        if how == "closed":
            await line.close_stream()
        else:
            line.lose_stream()
        assert await told(host, line, carrier) == [FAILED]
        assert watched.count == watched.logged("phone_call_over", carrier=carrier, outcome="failed") == 1
        assert lost.count == watched.logged("call_ended", reason="lost") == 1
        assert host.heard.ends == ["lost"]


@carriers
async def test_a_stream_that_ends_before_it_starts(carrier: str, caplog: pytest.LogCaptureFixture) -> None:
    async with HOSTS[carrier](config=GREETING) as (host, simulator):
        simulator.begins = False
        watched = Watched(caplog, "phone_calls", carrier=carrier, direction="inbound", outcome="failed")
        async with calling(carrier, simulator) as line:
            await line.until(lambda line: line.connected)
            line.lose_stream()
            assert await told(host, line, carrier) == [FAILED]
        assert watched.count == watched.logged("phone_call_over", carrier=carrier, outcome="failed") == 1
        assert host.heard.sessions == []
