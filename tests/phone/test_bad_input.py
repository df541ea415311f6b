"""Bad input of each carrier is answered, counted and logged. Its exact answers are in the tests of the carrier."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from prometheus_client import REGISTRY
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.phone.test_telnyx import telnyx_host
from tests.phone.test_twilio import twilio_host
from tests.phone.test_vonage import vonage_host
from voice_host_sdk import AgentConfig

HOSTS: dict[str, Callable[..., Any]] = {"twilio": twilio_host, "telnyx": telnyx_host, "vonage": vonage_host}
GREETING = AgentConfig(greeting="Hello there.")
NUMBERS = {"twilio": "+15550100", "telnyx": "+15550100", "vonage": "15550100"}
WEBHOOKS = {"twilio": "voice", "telnyx": "webhook", "vonage": "answer"}

carriers = pytest.mark.parametrize("carrier", list(HOSTS))


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


@contextmanager
def noticed(caplog: pytest.LogCaptureFixture, carrier: str, reason: str, *events: str) -> Iterator[None]:
    """Hold that something is counted as a refusal for a reason, and logged as one of `events`."""
    caplog.set_level(logging.INFO)
    before = value("voice_host_phone_refused_total", carrier=carrier, reason=reason)
    yield
    assert value("voice_host_phone_refused_total", carrier=carrier, reason=reason) > before
    assert any(record.message in events for record in caplog.records), [record.message for record in caplog.records]


@carriers
async def test_a_webhook_without_the_carriers_signature(carrier: str, caplog: pytest.LogCaptureFixture) -> None:
    async with HOSTS[carrier]() as (host, _), httpx2.AsyncClient() as client:
        with noticed(caplog, carrier, "signature", "phone_webhook_refused"):
            url = f"http://{host.address}/phone/{carrier}/{WEBHOOKS[carrier]}"
            answer = await client.post(url, content=json.dumps({}), headers={"host": "voice.example.com"})
        assert answer.status_code == 403


@carriers
async def test_a_number_that_no_agent_answers(carrier: str, caplog: pytest.LogCaptureFixture) -> None:
    with noticed(caplog, carrier, "unknown_number", "phone_call_refused"):
        async with (
            HOSTS[carrier]() as (host, simulator),
            simulator.call(NUMBERS[carrier].replace("100", "177")) as line,
        ):
            await line.until(lambda line: line.ended_by if carrier == "twilio" else line.over)
            assert host.heard.sessions == []


@carriers
async def test_a_stream_that_no_call_waits_for(carrier: str, caplog: pytest.LogCaptureFixture) -> None:
    async with HOSTS[carrier]() as (host, simulator):
        url = f"wss://voice.example.com/phone/{carrier}/stream/guessed"
        headers = simulator.signed(url) if carrier == "twilio" else {}
        reason = "token" if carrier == "twilio" else "signature"  # the others send what the host gave them
        with noticed(caplog, carrier, reason, "request_refused"), pytest.raises(InvalidStatus, match="403"):
            await connect(f"ws://{host.address}/phone/{carrier}/stream/guessed", additional_headers=headers, proxy=None)


@carriers
async def test_a_second_stream_for_a_call(carrier: str, caplog: pytest.LogCaptureFixture) -> None:
    async with HOSTS[carrier](config=GREETING) as (host, simulator), simulator.call(NUMBERS[carrier]) as line:
        await line.speaker.hear_for(0.1)
        with noticed(caplog, carrier, "token", "request_refused"):
            if carrier == "twilio":
                [url] = line.streams
                local = url.replace("wss://voice.example.com", f"ws://{host.address}")
                with pytest.raises(InvalidStatus, match="403"):
                    await connect(local, additional_headers=simulator.signed(url), proxy=None)
            else:
                assert await line.open_second_stream() == 403
        await line.speaker.hear_for(0.1)  # the call goes on


@carriers
async def test_frames_in_the_wrong_format(carrier: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    wrong = '{"event": "websocket:sing"}' if carrier == "vonage" else bytes(160)  # Vonage alone has binary audio
    async with HOSTS[carrier]("Fine.", config=GREETING) as (host, simulator), simulator.call(NUMBERS[carrier]) as line:
        ears = await host.stt.connected()
        await line.speaker.hear_for(0.5)
        before = value("voice_host_errors_total", agent="desk", code="bad_message")
        await line.send_raw("{")
        await line.send_raw(wrong)
        await ears.final("Are you there")
        await line.speaker.hear_for(0.2)
        assert value("voice_host_errors_total", agent="desk", code="bad_message") == before + 2
    assert any(vars(record).get("code") == "bad_message" for record in caplog.records)


@carriers
async def test_a_stream_that_ends_without_stop(carrier: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    names = {"carrier": carrier, "direction": "inbound", "outcome": "failed"}
    before = value("voice_host_phone_calls_total", **names)
    async with HOSTS[carrier](config=GREETING) as (host, simulator), simulator.call(NUMBERS[carrier]) as line:
        await line.speaker.hear_for(0.1)
        call = host.phone.calls.find(carrier, line.id)
        assert call is not None
        if carrier == "twilio":
            line.lose_stream()
        else:
            await line.lose()
        async with asyncio.timeout(120):
            await call.ended.wait()
        assert host.admission.calls == 0
    assert value("voice_host_phone_calls_total", **names) == before + 1
    [ended] = [vars(record) for record in caplog.records if record.message == "call_ended"]
    assert ended["reason"] == "lost"
