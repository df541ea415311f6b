"""Whole calls over Telnyx, with its strict simulator: what it refuses, it refuses here."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tests.phone.phone_host import NUMBER, PhoneHost, phone_host
from tests.simulators.telnyx import TelnyxLine, TelnyxSimulator
from voice_host.clients.audio import AudioDecoder, SpeechEncoder
from voice_host.clients.protocol import AudioFormat, Encoding
from voice_host.phone.calls import CONNECT_TIMEOUT_S
from voice_host.phone.outbound import DialOrder, DialRefused
from voice_host.phone.telnyx import MAX_TOLD_CALLERS
from voice_host.settings import LimitsSettings
from voice_host_sdk import AgentConfig, Channel

CALLER = "+15550199"
GREETING = AgentConfig(greeting="Hello there.")


@asynccontextmanager
async def telnyx_host(
    *says: str, codec: str = "PCMU", **options: Any
) -> AsyncIterator[tuple[PhoneHost, TelnyxSimulator]]:
    async with TelnyxSimulator() as telnyx:
        account = {
            "api_key": telnyx.api_key,
            "public_key": telnyx.public_key,
            "connection_id": telnyx.connection_id,
            "api_url": telnyx.url,
            "codec": codec,
        }
        async with phone_host({"telnyx": account}, *says, **options) as host:
            telnyx.address = host.address
            yield host, telnyx


async def over(host: PhoneHost, line: TelnyxLine) -> None:
    """Wait until the host knows that a call is over."""
    call = host.phone.calls.find("telnyx", line.id)
    assert call is not None
    async with asyncio.timeout(10):
        await call.ended.wait()


async def test_a_whole_conversation_with_an_interruption() -> None:
    says = ["One two three four five six seven eight nine ten.", "Fine, I stop here.", "Goodbye."]
    async with telnyx_host(*says) as (host, telnyx), telnyx.call(NUMBER, CALLER, codec="PCMA") as line:
        ears = await host.stt.connected()
        await line.say(b"\xd5" * 1600)
        await line.press("5")
        await host.heard.until(lambda heard: heard.digits == ["5"])  # once, though it is told in two ways
        await ears.final("Count to ten")
        await line.speaker.hear_for(1.05)  # three words and a half
        await ears.final("Wait a moment please")
        await line.until(lambda _: len(line.speaker.clears) == 1)
        await line.speaker.hear_for(1.15)
        await host.heard.until(lambda heard: len(heard.replies) == 2)
        await ears.final("Thank you, bye")
        await line.speaker.hear_for(0.2)
        await line.hang_up()
        await host.heard.until(lambda heard: heard.ends == ["goodbye"])
        [session] = host.heard.sessions
        assert session.channel == Channel("telnyx", "phone", "inbound", CALLER, NUMBER, line.id)
        assert session.metadata["from"] == CALLER
        assert [turn.text for turn in host.heard.turns] == ["Count to ten", "Wait a moment please", "Thank you, bye"]
        assert [(reply.heard, reply.interrupted) for reply in host.heard.replies[:2]] == [
            ("One two three", True),
            ("Fine, I stop here.", False),
        ]
        assert line.errors == []
        await over(host, line)
        assert host.admission.calls == 0
    # That the call is over already is no error.
    assert all("90018" in why for _, why in telnyx.refusals)
    assert {status for _, status in telnyx.webhooks} == {200}


@pytest.mark.parametrize(("caller", "agent"), [("PCMA", "PCMU"), ("PCMU", "PCMA")])
async def test_each_direction_has_its_own_codec(caller: str, agent: str) -> None:
    encodings: dict[str, Encoding] = {"PCMU": "mulaw", "PCMA": "alaw"}
    async with (
        telnyx_host(config=GREETING, codec=agent) as (host, telnyx),
        telnyx.call(NUMBER, codec=caller) as line,
    ):
        ears = await host.stt.connected()
        tone = [8000, -8000] * 4000
        pcm = b"".join(sample.to_bytes(2, "little", signed=True) for sample in tone)
        await line.say(SpeechEncoder(8000, AudioFormat(encodings[caller], 8000)).encode(pcm))
        await line.speaker.hear_for(0.4)
        heard = AudioDecoder(AudioFormat(encodings[agent], 8000), 8000).decode(bytes(line.speaker.heard))
        assert loudness(heard) < 20_000  # in the wrong codec, speech is noise as loud as can be
        await ears.final("Enough")
    assert telnyx.lines[0].errors == []


def loudness(pcm: bytes) -> float:
    samples = [int.from_bytes(pcm[at : at + 2], "little", signed=True) for at in range(0, len(pcm), 2)]
    return sorted(abs(sample) for sample in samples)[len(samples) * 9 // 10]


async def test_a_caller_does_not_wait_for_what_the_agent_has_to_finish() -> None:
    async with telnyx_host(config=GREETING) as (host, telnyx), telnyx.call(NUMBER) as line:
        host.heard.free.clear()
        await line.speaker.hear_for(0.5)
        await host.heard.sessions[0].end()
        await line.until(lambda line: line.over)
        assert (host.heard.ends, host.admission.calls) == ([], 1)  # the agent is still at it
        host.heard.free.set()
        await over(host, line)
        assert (host.heard.ends, host.admission.calls) == (["ended"], 0)


async def test_the_agent_hangs_up() -> None:
    async with telnyx_host(config=AgentConfig(greeting="Goodbye.")) as (host, telnyx), telnyx.call(NUMBER) as line:
        await line.speaker.hear_for(0.2)
        await host.heard.sessions[0].end("done")
        await line.until(lambda _: line.over)
        assert host.heard.ends == ["ended"]
    assert telnyx.refusals == []


async def test_a_caller_who_hangs_up_during_speech_is_not_told_that_something_went_wrong() -> None:
    config = AgentConfig(greeting="One two three four five six seven.")
    async with telnyx_host(config=config) as (host, telnyx), telnyx.call(NUMBER) as line:
        await line.speaker.hear_for(0.3)
        await line.send("stop", stop={"call_control_id": line.id})
        line.lose_stream()  # at once
        await over(host, line)
        await line.until(lambda _: line.over)
        assert line.spoken == []
        assert host.heard.ends == ["goodbye"]


async def test_a_stream_that_ends_without_stop_is_a_failed_call_whose_caller_hears_words() -> None:
    async with telnyx_host(config=GREETING) as (host, telnyx), telnyx.call(NUMBER) as line:
        await line.speaker.hear_for(0.2)
        line.lose_stream()
        await line.until(lambda _: line.over)
        assert line.spoken == ["Sorry, something went wrong. Please call again."]
        assert host.heard.ends == ["lost"]  # at once: nobody comes back to a telephone call
        await over(host, line)
        assert host.admission.calls == 0


async def test_a_caller_over_a_limit_hears_words() -> None:
    limits = LimitsSettings(max_calls=1)
    async with telnyx_host(limits=limits) as (host, telnyx), telnyx.call(NUMBER) as first:
        await host.stt.connected()
        async with telnyx.call(NUMBER, "+15550111") as second:
            await second.until(lambda _: second.over)
            assert second.spoken == ["Sorry, all lines are busy. Please call again in a few minutes."]
        assert not second.stream_opened
        assert not first.over


async def test_a_number_that_no_agent_answers() -> None:
    async with telnyx_host() as (host, telnyx), telnyx.call("+15550177") as line:
        await line.until(lambda _: line.over)
        assert line.spoken == ["Sorry, this number is not in service."]
        assert host.heard.sessions == []


async def test_refused_callers_whom_the_carrier_cannot_be_asked_to_tell_are_counted() -> None:
    def not_told() -> float:
        return REGISTRY.get_sample_value("voice_host_phone_not_told_total", {"carrier": "telnyx"}) or 0.0

    before = not_told()
    async with telnyx_host() as (_, telnyx):
        telnyx.reports_ends = False  # so that the sentences take long
        lines = [await telnyx.ring("+15550177") for _ in range(MAX_TOLD_CALLERS)]
        for line in lines:
            await line.until(lambda line: line.spoken != [])
        late = await telnyx.ring("+15550177")
        assert not_told() == before + 1
        assert late.commands == {}  # it rings
        await lines[0].webhook("call.speak.ended")
        await lines[0].until(lambda line: line.over)
        async with telnyx.call("+15550177") as next_one:
            await next_one.until(lambda line: line.spoken != [])
        assert not_told() == before + 1


async def test_a_caller_is_not_kept_on_the_line_when_the_host_stops() -> None:
    async with TelnyxSimulator() as telnyx:
        account = {"api_key": telnyx.api_key, "public_key": telnyx.public_key, "api_url": telnyx.url}
        telnyx.reports_ends = False
        async with phone_host({"telnyx": account}) as host:
            telnyx.address = host.address
            line = await telnyx.ring("+15550177")
            await line.until(lambda _: line.spoken != [])
            assert not line.over
        assert line.over


async def test_a_recording_is_played_instead_of_a_sentence() -> None:
    url = "https://voice.example.com/sorry.wav"
    async with (
        telnyx_host(sentences={"audio_url": url}) as (_, telnyx),
        telnyx.call("+15550177") as line,
    ):
        await line.until(lambda _: line.over)
        assert line.spoken == []
        assert line.done == [("playback_start", url)]


async def test_webhooks_that_are_repeated_do_nothing_twice() -> None:
    async with telnyx_host(config=GREETING) as (host, telnyx):
        telnyx.repeat_webhooks = 3
        async with telnyx.call(NUMBER) as line, telnyx.call("+15550177") as unknown:
            await line.speaker.hear_for(0.2)
            await unknown.until(lambda _: unknown.over)
            await line.webhook("call.initiated", state="parked")
            assert list(line.commands.values()) == ["answer"]
            assert list(unknown.commands.values()) == ["answer", "speak", "hangup"]
            assert len(host.heard.sessions) == 1


async def test_a_webhook_that_telnyx_did_not_sign_is_refused() -> None:
    async with telnyx_host() as (host, telnyx), TelnyxSimulator() as impostor:
        body = json.dumps({"data": {"event_type": "call.initiated", "payload": {"call_control_id": "v3:x"}}}).encode()
        forged = impostor.signed(body)
        old = telnyx.signed(body, at_s=0)
        changed = telnyx.signed(body + b" ")
        for headers in (forged, old, changed, {"content-type": "application/json"}):
            assert (await telnyx.deliver("call.initiated", body, headers)).status_code == 403
        assert (await telnyx.deliver("call.initiated", b" " * 100_000, forged)).status_code == 413
        assert host.admission.calls == 0


async def test_a_signed_webhook_about_something_else_is_accepted() -> None:
    async with telnyx_host() as (_, telnyx):
        for body in (b'{"data": {"event_type": "message.received", "payload": {}}}', b"[]", b"{"):
            assert (await telnyx.deliver("other", body, telnyx.signed(body))).status_code == 200


async def test_a_stream_without_its_token_is_refused_before_it_is_accepted() -> None:
    async with telnyx_host() as (host, telnyx):
        telnyx.stream_token = "guessed"  # what Telnyx would send if somebody else had asked for the stream
        async with telnyx.call(NUMBER) as line:
            await line.until(lambda _: line.stream_refused is not None)
            assert line.stream_refused == 403
            await line.until(lambda _: line.over)
            assert line.spoken == ["Sorry, something went wrong. Please call again."]
        assert host.heard.sessions == []


async def test_a_caller_whose_stream_never_connects_hears_words() -> None:
    async with telnyx_host() as (host, telnyx):
        telnyx.opens_streams = False
        async with telnyx.call(NUMBER) as line:
            await line.until(lambda _: line.over, CONNECT_TIMEOUT_S + 10)
            assert line.spoken == ["Sorry, something went wrong. Please call again."]
            assert host.admission.calls == 0


async def test_a_second_stream_for_a_call_is_refused() -> None:
    async with telnyx_host(config=GREETING) as (_, telnyx), telnyx.call(NUMBER) as line:
        await line.speaker.hear_for(0.1)
        assert await line.open_second_stream() == 403
        await line.speaker.hear_for(0.1)


async def test_audio_in_a_codec_that_was_not_asked_for_fails_with_words() -> None:
    async with telnyx_host() as (host, telnyx), telnyx.call(NUMBER, codec="G722") as line:
        await line.until(lambda _: line.over)
        assert line.spoken == ["Sorry, something went wrong. Please call again."]
        assert host.heard.sessions == []


async def test_bad_frames_do_not_end_the_call() -> None:
    async with telnyx_host("Fine.") as (host, telnyx), telnyx.call(NUMBER) as line:
        ears = await host.stt.connected()
        for raw in ("{", b"\0", '{"event": "sing"}', '{"event": "media", "stream_id": "other", "media": {}}'):
            await line.send_raw(raw)
        await ears.final("Are you there")
        await line.speaker.hear_for(0.2)
        assert line.errors == []


async def test_a_caller_who_hangs_up_before_the_call_is_answered() -> None:
    async with telnyx_host() as (host, telnyx):
        telnyx.hang_up_first = True
        async with telnyx.call(NUMBER) as line:
            await over(host, line)
            assert host.admission.calls == 0
        assert host.heard.sessions == []


@pytest.mark.parametrize("number", ["anonymous", "+anonymous", "sip:anna@example.com", ""])
async def test_a_caller_without_a_number_has_none(number: str) -> None:
    async with telnyx_host(config=GREETING) as (host, telnyx), telnyx.call(NUMBER, number) as line:
        await line.speaker.hear_for(0.1)
        [session] = host.heard.sessions
        assert session.channel is not None
        assert (session.channel.from_number, session.channel.to_number, session.caller) == (None, NUMBER, None)


OUTBOUND = {"allow": [CALLER], "max_attempts_per_hour": 9}


async def test_a_call_that_the_host_makes_and_who_answers() -> None:
    async with telnyx_host(config=GREETING, outbound=OUTBOUND) as (host, telnyx):
        call, _ = await host.phone.outbound.dial(DialOrder("desk", CALLER, detection="message_end", max_call_s=60))
        [line] = telnyx.lines
        assert line.dialled is not None
        assert (line.dialled.to, line.dialled.time_limit_secs) == (CALLER, 60)
        assert line.dialled.answering_machine_detection == "greeting_end"
        await line.answer()
        await line.speaker.hear_for(0.2)
        await line.webhook("call.machine.detection.ended", result="machine")
        await line.webhook("call.machine.greeting.ended", result="beep_detected")
        await host.heard.until(lambda heard: len(heard.answers) == 2)
        assert [answer.by for answer in host.heard.answers] == ["machine", "machine_end"]
        assert host.heard.sessions[0].channel == Channel("telnyx", "phone", "outbound", NUMBER, CALLER, line.id)
        await host.phone.outbound.hang_up(call)
        await line.until(lambda _: line.over)
    assert all("90018" in why for _, why in telnyx.refusals)


async def test_a_call_whose_id_was_never_learned_is_hung_up_when_somebody_answers() -> None:
    async with telnyx_host(outbound=OUTBOUND) as (host, telnyx):
        telnyx.loses_answers = True
        with pytest.raises(DialRefused):
            await host.phone.outbound.dial(DialOrder("desk", CALLER))
        [line] = telnyx.lines
        await line.answer()
        await line.until(lambda line: line.over)
        assert line.stream_refused == 403


@pytest.mark.parametrize(
    ("cause", "outcome"),
    [("user_busy", "busy"), ("timeout", "no-answer"), ("call_rejected", "busy"), ("not_found", "failed")],
)
async def test_a_call_that_nobody_answers(cause: str, outcome: str) -> None:
    async with telnyx_host(outbound=OUTBOUND) as (host, telnyx):
        call, _ = await host.phone.outbound.dial(DialOrder("desk", CALLER))
        await telnyx.lines[0].not_answered(cause)
        assert (call.status, call.outcome) == ("over", outcome)
        assert host.admission.calls == 0


async def test_control_of_a_call() -> None:
    async with telnyx_host(config=GREETING) as (host, telnyx), telnyx.call(NUMBER) as line:
        await line.speaker.hear_for(0.1)
        carrier = host.phone.carriers["telnyx"]
        await carrier.send_digits(line.id, "12#")
        await carrier.transfer(line.id, "+15550155")
        assert line.done == [("send_dtmf", "12#"), ("transfer", "+15550155")]
        await line.hang_up()
        await carrier.hang_up(line.id)  # no error, although it is over
