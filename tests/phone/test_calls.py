"""`PhoneCalls`: tokens, look-up, the end of calls, and how many of them are remembered."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from prometheus_client import REGISTRY

from voice_host.admission import Admission
from voice_host.clients.call_control import CallControlFailed
from voice_host.fleet.report import AgentReport
from voice_host.fleet.service import FleetReport
from voice_host.phone import calls as phone_calls
from voice_host.phone.calls import PhoneCalls, Refused
from voice_host.phone.carrier import CarrierError, PhoneCall
from voice_host.phone.control import PhoneControl
from voice_host.settings import LimitsSettings, PhoneSettings
from voice_host.settings.phone import TransferSettings
from voice_host_sdk import Channel

NUMBER = "+15550100"


class Agents:
    report = FleetReport("ready", {"desk": AgentReport(id="desk", status="ready", version="1.0")})


class Table(PhoneCalls):
    def __init__(self, **limits: Any) -> None:
        self.admission = Admission(LimitsSettings(**limits))
        settings = PhoneSettings(
            public_url="https://voice.example.com/",
            numbers={NUMBER: "desk"},  # type: ignore[dict-item]
            transfer=TransferSettings(allow=("+15550142",)),
        )
        super().__init__(Agents(), self.admission, lambda: settings)  # type: ignore[arg-type]

    def ring(self, call_id: str, to: str = NUMBER, carrier: str = "twilio") -> PhoneCall | Refused:
        return self.incoming(Channel(carrier, "phone", "inbound", "+15550199", to, call_id))

    def rung(self, call_id: str) -> PhoneCall:
        call = self.ring(call_id)
        assert isinstance(call, PhoneCall)
        return call


async def test_a_token_is_good_for_one_stream_of_its_carrier() -> None:
    table = Table()
    call = table.rung("CA1")
    assert len(call.stream_token) >= 32
    assert call.stream_token not in repr(call)
    url = table.stream_url("twilio", call.stream_token)
    assert url == f"wss://voice.example.com/phone/twilio/stream/{call.stream_token}"
    assert table.connect("telnyx", call.stream_token) is None
    assert table.connect("twilio", call.stream_token) is call
    assert table.connect("twilio", call.stream_token) is None
    assert table.streaming == [call]
    assert table.find("twilio", "CA1") is call
    assert table.find("telnyx", "CA1") is None
    assert table.of_session(call.lease.session_id) is call


async def test_the_end_gives_the_lease_back_once() -> None:
    table = Table()
    call = table.rung("CA1")
    assert table.admission.calls == 1
    table.end(call, "completed")
    table.end(call, "failed")
    assert (call.outcome, call.ended.is_set(), table.admission.calls) == ("completed", True, 0)
    assert table.connect("twilio", call.stream_token) is None
    again = table.ring("CA1")
    assert isinstance(again, Refused)
    assert table.find("twilio", "CA1") is call


async def test_the_carriers_address_has_no_limit_and_callers_have() -> None:
    table = Table(max_calls_per_address=1, max_calls_per_caller=2)
    assert isinstance(table.ring("CA1"), PhoneCall)
    assert isinstance(table.ring("CA2"), PhoneCall)
    refused = table.ring("CA3")
    assert isinstance(refused, Refused)
    assert refused.occasion == "busy"


async def test_calls_that_are_over_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phone_calls, "MAX_OVER", 3)
    table = Table()
    for number in range(10):
        table.end(table.rung(f"CA{number}"), "completed")
    assert [bool(table.find("twilio", f"CA{number}")) for number in range(10)] == [False] * 7 + [True] * 3


@pytest.mark.parametrize(
    ("outcome", "told"),
    [("completed", False), ("transferred", False), ("cancelled", False), ("failed", True), ("unanswered", True)],
)
async def test_a_caller_is_told_when_a_call_ends_otherwise_than_it_should(outcome: str, told: bool) -> None:
    """`unanswered` too: the caller was answered, and waits for a stream that came too late."""
    table = Table()
    call = table.rung("CA1")
    table.end(call, outcome)
    assert await table.farewell(call, within_s=1) == (table.sentence("failed") if told else None)
    assert call.told.is_set() == told


async def test_a_call_whose_stream_could_not_be_opened_is_over_at_once() -> None:
    table = Table()
    call = table.rung("CA1")
    assert await table.farewell(call, within_s=1) == table.sentence("failed")
    assert (call.outcome, table.admission.calls) == ("failed", 0)


async def test_how_a_call_ends_is_not_guessed() -> None:
    table = Table()
    call = table.rung("CA1")
    table.connect("twilio", call.stream_token)
    with pytest.raises(TimeoutError):
        await table.farewell(call, within_s=1)
    assert not call.told.is_set()


async def test_a_transfer_that_was_given_up_is_none() -> None:
    """Otherwise, the caller would be left alone on the line when the stream ends."""
    table = Table()
    call = table.rung("CA1")
    asked = asyncio.Event()

    class Slow:
        async def transfer(self, call_id: str, to: str) -> None:
            asked.set()
            await asyncio.Event().wait()

    control = PhoneControl(Slow(), table, call)  # type: ignore[arg-type]
    transfer = asyncio.create_task(control.transfer("+15550142"))
    await asked.wait()
    assert call.transferred
    transfer.cancel()
    await asyncio.wait((transfer,))
    assert not call.transferred


@pytest.mark.parametrize(
    ("to", "reason"),
    [("112<Hangup/>", "invalid"), ("Dr. Miller", "invalid"), ("+15550143", "not_allowed"), ("+15550142", "carrier")],
)
async def test_a_transfer_that_is_refused_is_logged_and_counted(
    to: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    table = Table()
    call = table.rung("CA1")

    class Refusing:
        name = "twilio"

        async def transfer(self, call_id: str, to: str) -> None:
            raise CarrierError(f"Twilio refused: {to} is not valid (21211)")

    def refused() -> float:
        labels = {"carrier": "twilio", "reason": reason}
        return REGISTRY.get_sample_value("voice_host_phone_transfers_refused_total", labels) or 0.0

    before = refused()
    with pytest.raises(CallControlFailed):
        await PhoneControl(Refusing(), table, call).transfer(to)  # type: ignore[arg-type]
    assert refused() == before + 1
    assert not call.transferred
    [record] = [record for record in caplog.records if record.message == "phone_transfer_refused"]
    assert "+1555" not in vars(record)["reason"]
    assert "Miller" not in vars(record)["reason"]  # it may be any words of the model


async def test_the_log_has_the_number_that_was_called_and_not_the_callers(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        table = Table()
        table.rung("CA1")
        table.ring("CA2", "+15550177")
    numbers = {record.message: vars(record)["number"] for record in caplog.records if "number" in vars(record)}
    assert numbers == {"phone_call": NUMBER, "phone_call_refused": "+15550177"}
    assert "+15550199" not in str([vars(record) for record in caplog.records])


@pytest.mark.parametrize(
    ("message", "logged"),
    [
        (
            "Twilio refused: The number +4930 123 4567 is unverified (21219)",
            "The number <number> is unverified (21219)",
        ),
        ("Twilio refused: 15550199 is not valid (21211)", "<number> is not valid (21211)"),
        ("Telnyx refused: Invalid destination (10016)", "Invalid destination (10016)"),
    ],
)
def test_what_a_carrier_says_is_logged_without_numbers(message: str, logged: str) -> None:
    assert CarrierError(message).logged.partition(": ")[2] == logged
