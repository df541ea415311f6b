"""Calls that a host makes over Telnyx, with its strict simulator."""

from __future__ import annotations

import pytest

from tests.phone.phone_host import NUMBER, PhoneHost
from tests.phone.test_telnyx import over, telnyx_host
from tests.simulators.telnyx import TelnyxLine, TelnyxSimulator
from voice_host.phone.carrier import Detection, PhoneCall
from voice_host.phone.outbound import DialOrder, DialRefused
from voice_host_sdk import AgentConfig, Channel

ANNA = "+493012345678"
OUTBOUND = {"allow": ["+4930*"], "max_attempts_per_hour": 20}
GREETING = AgentConfig(greeting="Hello, this is the desk.")


async def ringing(
    host: PhoneHost, telnyx: TelnyxSimulator, detection: Detection = "off", max_call_s: int = 600
) -> tuple[TelnyxLine, PhoneCall]:
    order = DialOrder("desk", ANNA, max_call_s=max_call_s, detection=detection)
    call, _ = await host.phone.outbound.dial(order)
    return telnyx.lines[-1], call


async def test_a_whole_call() -> None:
    async with telnyx_host("Yes.", config=GREETING, outbound=OUTBOUND) as (host, telnyx):
        line, call = await ringing(host, telnyx, "message_end")
        assert line.dialled is not None
        assert (line.dialled.from_, line.dialled.to, line.dialled.time_limit_secs) == (NUMBER, ANNA, 600)
        await line.answer()
        await host.heard.until(lambda heard: len(heard.replies) == 1)
        await line.judge("call.machine.detection.ended", "machine")
        await line.judge("call.machine.greeting.ended", "beep_detected")
        await host.heard.until(lambda heard: len(heard.answers) == 2)
        assert [answer.by for answer in host.heard.answers] == ["machine", "machine_end"]
        [session] = host.heard.sessions
        assert session.channel == Channel("telnyx", "phone", "outbound", NUMBER, ANNA, line.id)
        await line.hang_up()
        await over(host, line)
        assert (call.status, call.outcome) == ("over", "completed")
        await host.heard.until(lambda heard: len(heard.ends) == 1)
    assert [code for _, code in telnyx.refusals if code != "90018"] == []  # hanging up what is over already


@pytest.mark.parametrize(
    ("cause", "outcome", "reason"),
    [
        ("user_busy", "busy", ""),
        ("timeout", "no-answer", ""),
        ("unallocated_number", "failed", "the carrier could not connect the call (unallocated number)"),
    ],
)
async def test_a_call_that_nobody_answers(cause: str, outcome: str, reason: str) -> None:
    async with telnyx_host(outbound=OUTBOUND) as (host, telnyx):
        line, call = await ringing(host, telnyx)
        await line.ends_as(cause)
        assert (call.status, call.outcome, call.reason) == ("over", outcome, reason)
        assert host.admission.calls == 0


async def test_the_time_limit_and_hanging_up() -> None:
    async with telnyx_host(config=GREETING, outbound=OUTBOUND) as (host, telnyx):
        line, call = await ringing(host, telnyx, max_call_s=10)
        assert line.dialled is not None
        assert line.dialled.time_limit_secs == 30  # the least that Telnyx accepts; the host ends it before
        await line.answer()
        await line.until(lambda line: line.over, 30)
        assert (call.outcome, call.reason) == ("completed", "the time limit of the call")
        line, call = await ringing(host, telnyx)
        await host.phone.outbound.hang_up(call)
        assert (line.over, call.outcome) == (True, "cancelled")


async def test_without_an_application_no_call_is_made() -> None:
    async with telnyx_host(outbound=OUTBOUND) as (host, telnyx):
        telnyx.connection_id = "another"
        with pytest.raises(DialRefused, match="Telnyx refused: Invalid value for connection_id"):
            await ringing(host, telnyx)
        assert host.admission.calls == 0
