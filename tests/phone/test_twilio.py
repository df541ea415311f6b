"""Whole calls over Twilio, with its strict simulator: what Twilio refuses, it refuses here."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from prometheus_client import REGISTRY
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.phone.phone_host import NUMBER, PUBLIC_URL, PhoneHost, phone_host
from tests.simulators.telephone_keys import keys_heard
from tests.simulators.twilio import Line, TwilioSimulator
from voice_host.clients.call_control import CallControlFailed
from voice_host.phone.calls import CONNECT_TIMEOUT_S
from voice_host.phone.control import PhoneControl
from voice_host.settings import LimitsSettings
from voice_host_sdk import AgentConfig, Channel, ChannelError

CALLER = "+15550199"
GREETING = AgentConfig(greeting="Hello there.")
FAILED = "Sorry, something went wrong. Please call again."
UNAVAILABLE = "Sorry, nobody can take your call at the moment. Please call again later."
BUSY = "Sorry, all lines are busy. Please call again in a few minutes."


@asynccontextmanager
async def twilio_host(
    *says: str, shared_key: str | None = None, **options: Any
) -> AsyncIterator[tuple[PhoneHost, TwilioSimulator]]:
    async with TwilioSimulator(PUBLIC_URL, NUMBER) as twilio:
        account = {"account_sid": twilio.account_sid, "auth_token": twilio.auth_token, "api_url": twilio.url}
        async with phone_host({"twilio": {**account, "shared_key": shared_key}}, *says, **options) as host:
            twilio.address = host.address
            yield host, twilio


async def over(host: PhoneHost, line: Line) -> str:
    """Wait until the host knows that a call is over, and return the outcome."""
    call = host.phone.calls.find("twilio", line.id)
    assert call is not None
    async with asyncio.timeout(30):
        await call.ended.wait()
    assert host.admission.calls == 0
    return call.outcome


def refused(reason: str) -> float:
    return REGISTRY.get_sample_value("voice_host_phone_refused_total", {"carrier": "twilio", "reason": reason}) or 0.0


# --- calls ------------------------------------------------------------------------------------------------------------


async def test_a_whole_conversation_with_an_interruption() -> None:
    says = ["One two three four five six seven eight nine ten.", "Fine, I stop here.", "Goodbye."]
    async with twilio_host(*says) as (host, twilio), twilio.call(NUMBER, CALLER) as line:
        ears = await host.stt.connected()
        await line.say(b"\xff" * 1600)
        await ears.final("Count to ten")
        await line.speaker.hear_for(1.05)  # three words and a half
        await ears.final("Wait a moment please")
        await line.speaker.until(lambda speaker: len(speaker.clears) == 1)
        await line.speaker.hear_for(1.15)
        await host.heard.until(lambda heard: len(heard.replies) == 2)
        await ears.final("Thank you, bye")
        await line.speaker.hear_for(0.3)
        await line.hang_up()
        await host.heard.until(lambda heard: heard.ends == ["goodbye"])
        assert await over(host, line) == "completed"
        [session] = host.heard.sessions
        assert session.channel == Channel("twilio", "phone", "inbound", CALLER, NUMBER, line.id)
        assert session.metadata == {
            "carrier": "twilio",
            "direction": "inbound",
            "from": CALLER,
            "to": NUMBER,
            "call_id": line.id,
        }
        assert [turn.text for turn in host.heard.turns] == ["Count to ten", "Wait a moment please", "Thank you, bye"]
        assert [(reply.heard, reply.interrupted) for reply in host.heard.replies[:2]] == [
            ("One two three", True),
            ("Fine, I stop here.", False),
        ]
        assert line.speaker.clears[0] == pytest.approx(1.05, abs=0.1)
        assert line.said == []
    assert twilio.errors == []
    assert {status for _, status in twilio.webhooks} <= {200, 204}


async def test_a_reply_is_cut_after_all_of_it_was_sent() -> None:
    async with twilio_host("One two.", "Yes.") as (host, twilio), twilio.call(NUMBER) as line:
        ears = await host.stt.connected()
        await ears.final("Count to two")
        await line.speaker.hear_for(0.45)  # what is left is shorter than what is sent ahead
        await ears.final("Wait a moment please")
        await line.speaker.until(lambda speaker: len(speaker.clears) == 1)
        await host.heard.until(lambda heard: len(heard.replies) >= 1)
        assert (host.heard.replies[0].heard, host.heard.replies[0].interrupted) == ("One", True)
    assert twilio.errors == []


async def test_a_caller_does_not_wait_for_what_the_agent_has_to_finish() -> None:
    async with twilio_host(config=GREETING) as (host, twilio), twilio.call(NUMBER) as line:
        host.heard.free.clear()
        await line.speaker.hear_for(0.5)
        await host.heard.sessions[0].end()
        await line.until(lambda line: line.status == "completed")
        assert (host.heard.ends, host.admission.calls) == ([], 1)  # the agent is still at it
        host.heard.free.set()
        await over(host, line)
        assert (host.heard.ends, host.admission.calls) == (["ended"], 0)


async def test_the_agent_hangs_up() -> None:
    async with twilio_host(config=GREETING) as (host, twilio), twilio.call(NUMBER) as line:
        await line.speaker.hear_for(0.5)
        await host.heard.sessions[0].end()
        await line.until(lambda line: line.status == "completed")
        assert line.ended_by in ("host", "twiml")
        assert line.said == []
        assert await over(host, line) == "completed"
    assert line.closed[0][0] == 1000
    assert [why for _, why, _ in twilio.refusals if why != 21220] == []  # that it is over already is no error


async def test_a_caller_who_hangs_up_during_speech_is_not_told_that_something_went_wrong() -> None:
    config = AgentConfig(greeting="One two three four five six seven.")
    async with twilio_host(config=config) as (host, twilio), twilio.call(NUMBER) as line:
        await line.speaker.hear_for(0.3)
        await line.send("stop", stop={"accountSid": twilio.account_sid, "callSid": line.id})
        line.lose_stream()  # at once
        assert await over(host, line) == "completed"
        await line.until(lambda line: line.status == "completed")
        assert line.said == []
        assert host.heard.ends == ["goodbye"]


async def test_a_key_reaches_the_agent() -> None:
    async with twilio_host(config=GREETING) as (host, twilio), twilio.call(NUMBER) as line:
        await line.speaker.hear_for(0.1)
        await line.press("5")
        await line.press("#")
        await host.heard.until(lambda heard: heard.digits == ["5", "#"])


async def test_the_keys_that_an_agent_sends_are_tones_after_its_speech() -> None:
    async with twilio_host("Fine.", config=GREETING) as (host, twilio), twilio.call(NUMBER) as line:
        ears = await host.stt.connected()
        await line.speaker.hear_for(0.1)
        await host.heard.sessions[0].send_digits("159w*0#")
        assert keys_heard(bytes(line.speaker.heard)) == "159*0#"
        await ears.final("Thank you")
        await host.heard.until(lambda heard: len(heard.replies) == 2)
        assert [(reply.heard, reply.interrupted) for reply in host.heard.replies] == [
            ("Hello there.", False),
            ("Fine.", False),
        ]
    assert twilio.errors == []


async def test_a_caller_is_transferred() -> None:
    async with (
        twilio_host(config=GREETING, transfer={"allow": ["+15550111"]}) as (host, twilio),
        twilio.call(NUMBER) as line,
    ):
        await line.speaker.hear_for(0.5)
        await host.heard.sessions[0].transfer("+15550111")
        await line.until(lambda line: line.dialled == ["+15550111"])
        assert await over(host, line) == "transferred"
        assert line.status == "in-progress"
        assert line.said == []
        assert len(line.updates) == 1  # it was not hung up


async def test_a_transfer_that_twilio_refuses_is_an_error_for_the_agent() -> None:
    allowed = {"allow": ["+15550111"]}
    async with twilio_host(config=GREETING, transfer=allowed) as (host, twilio), twilio.call(NUMBER) as line:
        await line.speaker.hear_for(0.1)
        line.status = "completed"
        with pytest.raises(ChannelError, match="the call is over"):
            await host.heard.sessions[0].transfer("+15550111")
        call = host.phone.calls.find("twilio", line.id)
        assert call is not None
        control = PhoneControl(host.phone.carriers["twilio"], host.phone.calls, call)
        with pytest.raises(CallControlFailed, match="neither a telephone number"):
            await control.transfer("112<Hangup/>")  # a worker process is not trusted to check it
        line.status = "in-progress"


@pytest.mark.parametrize(
    ("allow", "to", "why"),
    [
        ([], "+15550111", "this host transfers no calls: phone.transfer.allow must be set"),
        (["+1*", "sip:*@pbx.example.com"], "+19005551234", "a premium-rate number"),
        (["+1*", "sip:*@pbx.example.com"], "sip:desk@elsewhere.example.com", "not among the addresses"),
    ],
)
async def test_a_caller_is_transferred_to_nobody_whom_the_settings_do_not_allow(
    allow: list[str], to: str, why: str
) -> None:
    allowed = {"allow": allow}
    async with twilio_host(config=GREETING, transfer=allowed) as (host, twilio), twilio.call(NUMBER) as line:
        await line.speaker.hear_for(0.1)
        with pytest.raises(ChannelError, match=why):
            await host.heard.sessions[0].transfer(to)
        assert (line.dialled, line.updates) == ([], [])
        await line.hang_up()
        assert await over(host, line) == "completed"  # the call went on


async def test_signatures_with_a_shared_key() -> None:
    async with twilio_host(config=GREETING, shared_key="a-shared-key") as (host, twilio):
        twilio.shared_key = "a-shared-key"
        async with twilio.call(NUMBER) as line:
            await line.speaker.hear_for(0.1)
            await line.hang_up()
            assert await over(host, line) == "completed"


@pytest.mark.parametrize("number", ["anonymous", "+266696687", "client:alice"])
async def test_a_withheld_number_is_none(number: str) -> None:
    async with twilio_host(config=GREETING) as (host, twilio), twilio.call(NUMBER, number) as line:
        await line.speaker.hear_for(0.1)
        channel = host.heard.sessions[0].channel
        assert (channel.from_number, channel.to_number) == (None, NUMBER)
        assert host.heard.sessions[0].caller is None


# --- callers who reach no agent hear why ------------------------------------------------------------------------------


async def hears(twilio: TwilioSimulator, to: str = NUMBER, caller: str = CALLER, **more: Any) -> list[str]:
    """Call, and return what the caller hears."""
    line = twilio.ring(to, caller, **more)
    await line.until(lambda line: line.status == "completed", 60)
    return line.said


async def test_a_number_that_no_agent_answers() -> None:
    async with twilio_host(numbers={NUMBER: "desk"}) as (_, twilio):
        before = refused("unknown_number")
        assert await hears(twilio, "+15550777") == ["Sorry, this number is not in service."]
        assert refused("unknown_number") == before + 1


@pytest.mark.parametrize("agent", ["nobody", "desk@nowhere"])
async def test_an_agent_that_is_not_there(agent: str) -> None:
    async with twilio_host(numbers={NUMBER: agent}) as (_, twilio):
        before = refused("unavailable")
        assert await hears(twilio) == [UNAVAILABLE]
        assert refused("unavailable") == before + 1


async def test_a_host_that_shuts_down() -> None:
    async with twilio_host(config=GREETING) as (host, twilio):
        async with twilio.call(NUMBER) as line:
            await line.speaker.hear_for(0.1)
            await host.agents.drain(0)
            await line.until(lambda line: line.status == "completed")
            assert line.said == [UNAVAILABLE]
        assert await hears(twilio) == [UNAVAILABLE]


async def test_limits_count_callers_by_their_numbers() -> None:
    limits = LimitsSettings(max_calls_per_caller=1)
    async with twilio_host(config=GREETING, limits=limits) as (_, twilio), twilio.call(NUMBER, CALLER) as line:
        await line.speaker.hear_for(0.1)
        assert await hears(twilio, caller=CALLER) == [BUSY]
        async with twilio.call(NUMBER, "+15550123") as other:
            await other.speaker.hear_for(0.1)


async def test_the_sentences_are_the_platforms() -> None:
    sentences = {"language": "de-DE", "unknown_number": "Kein Anschluß <unter> dieser Nummer."}
    async with twilio_host(sentences=sentences) as (_, twilio):
        assert await hears(twilio, "+15550777") == ["Kein Anschluß <unter> dieser Nummer."]
    recording = "https://voice.example.com/sorry.mp3?a=1&b=2"
    async with twilio_host(sentences={"audio_url": recording}) as (_, twilio):
        assert await hears(twilio, "+15550777") == [recording]


async def test_a_stream_that_is_lost_ends_the_session_and_is_told() -> None:
    async with twilio_host(config=GREETING) as (host, twilio), twilio.call(NUMBER) as line:
        await line.speaker.hear_for(0.1)
        line.lose_stream()
        await line.until(lambda line: line.status == "completed")
        assert line.said == [FAILED]
        assert await over(host, line) == "failed"
        await host.heard.until(lambda heard: heard.ends == ["lost"], 2)  # it is not kept for a caller who comes back


@pytest.mark.parametrize(
    "start",
    [
        {"callSid": "CA" + "0" * 32},
        {"accountSid": "AC" + "0" * 32},
        {"mediaFormat": {"encoding": "audio/x-l16", "sampleRate": 16000, "channels": 1}},
    ],
)
async def test_a_stream_that_is_not_what_was_agreed(start: dict[str, Any]) -> None:
    async with twilio_host(config=GREETING) as (host, twilio):
        twilio.start = start
        assert await hears(twilio) == [FAILED]
        assert host.heard.sessions == []
        assert twilio.lines[0].closed[0][0] == 4500
        assert await over(host, twilio.lines[0]) == "failed"


async def test_a_stream_that_does_not_connect_gives_its_place_back() -> None:
    async with twilio_host() as (host, twilio):
        before = refused("not_connected")
        line = Line(twilio, NUMBER, CALLER, "inbound", {})
        await twilio.post(f"{PUBLIC_URL}/phone/twilio/voice", line.fields)
        assert host.admission.calls == 1
        await asyncio.sleep(CONNECT_TIMEOUT_S + 1)
        assert host.admission.calls == 0
        assert refused("not_connected") == before + 1
        after = await twilio.post(f"{PUBLIC_URL}/phone/twilio/after", line.fields)
        assert FAILED in after.text


async def test_a_call_whose_stream_is_refused_is_told() -> None:
    async with twilio_host() as (host, twilio):
        twilio.stream_headers = {"x-twilio-signature": "wrong"}
        assert await hears(twilio) == [FAILED]
        assert host.admission.calls == 0
        assert twilio.errors[0].startswith("31920")
        assert ("/phone/twilio/streams", 204) in twilio.webhooks


# --- requests that are not Twilio's, and mistakes ---------------------------------------------------------------------


async def test_a_webhook_with_a_wrong_signature_is_refused() -> None:
    async with twilio_host() as (host, twilio):
        before = refused("signature")
        twilio.sign_with = "another-token"
        assert await hears(twilio) == ["An application error has occurred"]
        assert twilio.webhooks == [("/phone/twilio/voice", 403)]
        assert host.admission.calls == 0
        assert refused("signature") == before + 1


async def test_webhooks_that_are_none() -> None:
    async with twilio_host() as (_, twilio), httpx2.AsyncClient() as client:
        line, url = Line(twilio, NUMBER, CALLER, "inbound", {}), f"{PUBLIC_URL}/phone/twilio/voice"
        others = [(name, "AC" + "0" * 32 if name == "AccountSid" else value) for name, value in line.fields]
        assert (await twilio.post(url, others)).status_code == 403
        nameless = [(name, "../x" if name == "CallSid" else value) for name, value in line.fields]
        assert (await twilio.post(url, nameless)).status_code == 400
        assert (await twilio.post(url, [*line.fields, ("x", "y" * 70_000)])).status_code == 413
        plain = await client.post(f"http://{twilio.address}/phone/twilio/voice", headers={"host": "voice.example.com"})
        assert plain.status_code == 403


async def test_a_call_has_one_stream() -> None:
    async with twilio_host(config=GREETING) as (host, twilio), twilio.call(NUMBER) as line:
        await line.speaker.hear_for(0.1)
        before = refused("token")
        url = line.streams[0]
        local = url.replace("wss://voice.example.com", f"ws://{twilio.address}")
        with pytest.raises(InvalidStatus, match="403"):
            await connect(local, additional_headers=twilio.signed(url), proxy=None)
        assert refused("token") == before + 1
        again = await twilio.post(f"{PUBLIC_URL}/phone/twilio/voice", line.fields)
        assert FAILED in again.text
        assert len(host.heard.sessions) == 1
        await line.speaker.hear_for(0.1)  # the call goes on


async def test_a_repeated_webhook_gets_the_same_stream() -> None:
    async with twilio_host() as (host, twilio):
        line = Line(twilio, NUMBER, CALLER, "inbound", {})
        first, second = [await twilio.post(f"{PUBLIC_URL}/phone/twilio/voice", line.fields) for _ in range(2)]
        assert first.text == second.text
        assert host.admission.calls == 1


async def test_the_token_of_a_stream_belongs_to_it_alone() -> None:
    async with twilio_host() as (_, twilio):
        url = "wss://voice.example.com/phone/twilio/stream/guessed"
        local = f"ws://{twilio.address}/phone/twilio/stream/guessed"
        for headers in (twilio.signed(url), twilio.signed(url.replace("wss:", "https:")), {}):
            with pytest.raises(InvalidStatus, match="403"):
                await connect(local, additional_headers=headers, proxy=None)


async def test_mistakes_in_a_stream_are_counted_and_the_call_goes_on() -> None:
    async with twilio_host("It is nine.", config=GREETING) as (host, twilio), twilio.call(NUMBER) as line:
        ears = await host.stt.connected()
        await line.speaker.hear_for(0.5)

        def count() -> float:
            labels = {"agent": "desk", "code": "bad_message"}
            return REGISTRY.get_sample_value("voice_host_errors_total", labels) or 0.0

        before = count()
        payload = {"track": "inbound", "timestamp": "5", "payload": "////"}
        mistakes = [
            json.dumps({"event": "media", "streamSid": "MZ" + "0" * 32, "media": payload}),
            json.dumps({"event": "media", "streamSid": line.stream_sid, "media": {**payload, "payload": "%"}}),
            json.dumps({"event": "media", "streamSid": line.stream_sid, "media": {**payload, "track": "outbound"}}),
            json.dumps({"event": "cheer", "streamSid": line.stream_sid}),
            "{",
            b"\x00" * 160,
        ]
        for mistake in mistakes:
            await line.send_raw(mistake)
        details = {"accountSid": twilio.account_sid, "callSid": line.id, "customParameters": {}}
        media_format = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
        await line.send("start", start={**details, "mediaFormat": media_format})
        await ears.final("What time is it")
        await line.speaker.hear_for(0.5)
        assert count() == before + len(mistakes) + 1
    assert twilio.errors == []
