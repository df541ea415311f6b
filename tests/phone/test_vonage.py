"""Whole calls over Vonage, with its strict simulator: what it refuses, it refuses here."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.phone.phone_host import NUMBER, PhoneHost, phone_host
from tests.simulators.vonage import VonageLine, VonageSimulator
from voice_host.phone.carrier import CarrierError
from voice_host.phone.outbound import DialOrder
from voice_host.phone.vonage import VonageCarrier
from voice_host.phone.vonage_tokens import why_not_signed
from voice_host.settings import LimitsSettings
from voice_host.settings.phone import VonageSettings
from voice_host_sdk import AgentConfig, Channel

TO = NUMBER.lstrip("+")
GREETING = AgentConfig(greeting="Hello there.")
KEY = rsa.generate_private_key(65537, 2048)


@asynccontextmanager
async def vonage_host(*says: str, **options: Any) -> AsyncIterator[tuple[PhoneHost, VonageSimulator]]:
    async with VonageSimulator(KEY) as vonage:
        account = {
            "application_id": vonage.application_id,
            "private_key": vonage.private_key,
            "signature_secret": vonage.signature_secret,
            "api_url": vonage.url,
        }
        async with phone_host({"vonage": account}, *says, **options) as host:
            vonage.address = host.address
            yield host, vonage


async def over(host: PhoneHost, line: VonageLine) -> None:
    """Wait until the host knows that a call is over."""
    call = host.phone.calls.find("vonage", line.id)
    assert call is not None
    async with asyncio.timeout(10):
        await call.ended.wait()


async def test_a_whole_conversation_with_an_interruption() -> None:
    says = ["One two three four five six seven eight nine ten.", "Fine, I stop here.", "Goodbye."]
    async with vonage_host(*says) as (host, vonage), vonage.call(TO, "15550199") as line:
        ears = await host.stt.connected()
        await line.say(bytes(6400))
        await line.press("5")
        await host.heard.until(lambda heard: heard.digits == ["5"])
        await ears.final("Count to ten")
        await line.speaker.hear_for(1.05)  # three words and a half
        await ears.final("Wait a moment please")
        await line.speaker.until(lambda speaker: len(speaker.clears) == 1)
        await line.speaker.hear_for(1.15)
        await host.heard.until(lambda heard: len(heard.replies) == 2)
        await ears.final("Thank you, bye")
        await line.speaker.hear_for(0.2)
        await line.hang_up()
        await host.heard.until(lambda heard: heard.ends == ["goodbye"])
        [session] = host.heard.sessions
        assert session.channel == Channel("vonage", "phone", "inbound", "+15550199", NUMBER, line.id)
        assert [turn.text for turn in host.heard.turns] == ["Count to ten", "Wait a moment please", "Thank you, bye"]
        assert [(reply.heard, reply.interrupted) for reply in host.heard.replies[:2]] == [
            ("One two three", True),
            ("Fine, I stop here.", False),
        ]
        assert line.errors == []
        await over(host, line)
        assert host.admission.calls == 0


async def test_the_agent_hangs_up() -> None:
    async with vonage_host(config=GREETING) as (host, vonage), vonage.call(TO) as line:
        await line.speaker.hear_for(0.3)
        await host.heard.sessions[0].end("done")
        await line.until(lambda _: line.over)
        await host.heard.until(lambda heard: heard.ends == ["ended"])
        assert line.spoken == []


async def test_a_caller_who_hangs_up_during_speech_is_not_told_that_something_went_wrong() -> None:
    config = AgentConfig(greeting="One two three four five six seven.")
    async with vonage_host(config=config) as (host, vonage), vonage.call(TO) as line:
        await line.speaker.hear_for(0.3)
        await line.hang_up()
        await over(host, line)
        call = host.phone.calls.find("vonage", line.id)
        assert call is not None
        assert (call.outcome, call.farewell, line.spoken) == ("completed", None, [])
        assert host.heard.ends == ["goodbye"]


@pytest.mark.parametrize("asks", [True, False])
async def test_a_lost_websocket_is_a_failed_call_whose_caller_hears_words(asks: bool) -> None:
    async with vonage_host(config=GREETING) as (host, vonage), vonage.call(TO) as line:
        vonage.asks = asks
        await line.speaker.hear_for(0.2)
        line.lose_stream()
        await line.until(lambda _: line.over)
        assert line.spoken == ["Sorry, something went wrong. Please call again."]
        await over(host, line)
        assert host.admission.calls == 0


async def test_a_caller_over_a_limit_hears_words() -> None:
    async with vonage_host(limits=LimitsSettings(max_calls=1)) as (host, vonage), vonage.call(TO) as first:
        await host.stt.connected()
        async with vonage.call(TO, "15550111") as second:
            assert second.spoken == ["Sorry, all lines are busy. Please call again in a few minutes."]
            assert second.over
        assert not first.over


async def test_a_recording_is_played_to_who_calls_a_number_that_no_agent_answers() -> None:
    url = "https://voice.example.com/sorry.wav"
    async with vonage_host(sentences={"audio_url": url}) as (host, vonage), vonage.call("15550177") as line:
        assert line.spoken == [url]
        assert host.heard.sessions == []


@pytest.mark.parametrize(
    "claims",
    [
        {"secret": "the-secret-of-somebody-else-altogether"},
        {"payload_hash": "0" * 64},
        {"iat": int(time.time()) - 4000},
        {"iat": int(time.time()) + 4000},
        {"exp": int(time.time()) - 4000},
        {"application_id": "another"},
    ],
)
async def test_a_webhook_that_vonage_did_not_sign_is_refused(claims: dict[str, Any]) -> None:
    async with vonage_host() as (host, vonage):
        body = json.dumps({"uuid": "x", "from": "15550199", "to": TO}).encode()
        for path in ("answer", "events", "after/x", "calls/x"):
            answer = await vonage.deliver(f"/phone/vonage/{path}", body, vonage.signed(body, **claims))
            assert answer.status_code == 403
        assert (await vonage.deliver("/phone/vonage/answer", body, {})).status_code == 403
        assert host.admission.calls == 0


def test_nobody_signs_with_an_empty_secret() -> None:
    parts = [{"alg": "HS256", "typ": "JWT"}, {"iat": int(time.time()), "payload_hash": sha256(b"{}").hexdigest()}]
    signed = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    signature = base64.urlsafe_b64encode(hmac.digest(b"", signed, "sha256")).rstrip(b"=")
    authorization = f"Bearer {(signed + b'.' + signature).decode()}"
    assert why_not_signed("", "an-application", authorization, b"{}") is not None


@pytest.mark.parametrize("ahead_s", [-200, 200])
async def test_clocks_may_differ_a_little(ahead_s: int) -> None:
    async with vonage_host() as (_, vonage):
        headers = vonage.signed(b"{}", iat=int(time.time()) + ahead_s)
        assert (await vonage.deliver("/phone/vonage/events", b"{}", headers)).status_code == 204


async def test_a_signed_webhook_that_is_not_what_vonage_sends() -> None:
    async with vonage_host() as (_, vonage):
        for body in (b"[]", b"{", b"{}"):
            answer = await vonage.deliver("/phone/vonage/answer", body, vonage.signed(body))
            assert answer.status_code == 400


async def test_a_websocket_without_its_authorization_is_refused_before_it_is_accepted() -> None:
    async with vonage_host() as (host, vonage):
        vonage.authorization = "Bearer guessed"
        async with vonage.call(TO) as line:
            await line.until(lambda _: line.over)
            assert line.stream_refused == 403
            assert line.spoken == ["Sorry, something went wrong. Please call again."]
        assert host.heard.sessions == []


async def test_a_second_websocket_for_a_call_is_refused() -> None:
    async with vonage_host(config=GREETING) as (_, vonage), vonage.call(TO) as line:
        await line.speaker.hear_for(0.1)
        assert await line.open_second_stream() == 403
        await line.speaker.hear_for(0.1)


async def test_bad_messages_do_not_end_the_call() -> None:
    async with vonage_host("Fine.") as (host, vonage), vonage.call(TO) as line:
        ears = await host.stt.connected()
        for raw in ("{", "[]", '{"event": "websocket:sing"}', '{"event": "websocket:dtmf", "digit": "12"}', b"\0"):
            await line.send_raw(raw)
        await ears.final("Are you there")
        await line.speaker.hear_for(0.2)
        assert line.errors == []


OUTBOUND = {"allow": ["+15550199"], "max_attempts_per_hour": 9}


async def test_a_call_that_the_host_makes_and_who_answers() -> None:
    async with vonage_host(config=GREETING, outbound=OUTBOUND) as (host, vonage):
        order = DialOrder("desk", "+15550199", detection="message_end", max_call_s=60)
        call, _ = await host.phone.outbound.dial(order)
        [line] = vonage.lines
        assert line.dialled is not None
        assert (line.dialled.to[0].number, line.dialled.length_timer) == ("15550199", 60)
        await line.pick_up()
        await line.speaker.hear_for(0.2)
        await line.progress("machine")
        await line.progress("machine", sub_state="beep_start")
        await host.heard.until(lambda heard: len(heard.answers) == 2)
        assert [answer.by for answer in host.heard.answers] == ["machine", "machine_end"]
        assert host.heard.sessions[0].channel == Channel("vonage", "phone", "outbound", NUMBER, "+15550199", line.id)
        await host.phone.outbound.hang_up(call)
        await line.until(lambda _: line.over)
    assert set(vonage.refusals) <= {"404 Not Found"}  # it is over already


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("busy", "busy"),
        ("timeout", "no-answer"),
        ("rejected", "busy"),
        ("failed", "failed"),
        ("cancelled", "cancelled"),
    ],
)
async def test_a_call_that_nobody_answers(status: str, outcome: str) -> None:
    async with vonage_host(outbound=OUTBOUND) as (host, vonage):
        call, _ = await host.phone.outbound.dial(DialOrder("desk", "+15550199"))
        await vonage.lines[0].progress(status)
        assert (call.status, call.outcome) == ("over", outcome)
        assert host.admission.calls == 0


async def test_control_of_a_call() -> None:
    async with vonage_host(config=GREETING) as (host, vonage), vonage.call(TO) as line:
        await line.speaker.hear_for(0.1)
        carrier = host.phone.carriers["vonage"]
        await carrier.send_digits(line.id, "12#")
        await carrier.transfer(line.id, "+15550155")
        assert [action for action, _ in line.done] == ["dtmf", "transfer"]
        assert "15550155" in line.done[1][1]
        await line.hang_up()
        await carrier.hang_up(line.id)  # no error, although it is over
        with pytest.raises(CarrierError, match="Not Found"):
            await carrier.send_digits(line.id, "1")


async def test_a_private_key_that_is_none_is_named() -> None:
    settings = VonageSettings(application_id="A", private_key="secret", signature_secret="secret")
    async with phone_host({}) as host:
        carrier = VonageCarrier(settings, host.phone.calls)
        with pytest.raises(CarrierError, match=r"phone\.vonage\.private_key is not an RSA key"):
            await carrier.hang_up("x")
        await carrier.aclose()
