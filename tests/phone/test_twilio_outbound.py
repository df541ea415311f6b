"""Whole calls that a host makes over Twilio, with its strict simulator: over HTTP, and from the command line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from typer.testing import CliRunner

from tests.front.test_authorization import bearer, key_for
from tests.phone.phone_host import NUMBER, PUBLIC_URL, PhoneHost, phone_host
from tests.ports import free_port
from tests.simulators.twilio import Line, TwilioSimulator
from voice_host.cli.commands import app as cli
from voice_host.settings import AuthSettings
from voice_host_sdk import AgentConfig, Channel

CALLS = "/agents/desk/calls"
ANNA = "+493012345678"
GREETING = AgentConfig(greeting="Hello, this is the desk.")
OUTBOUND = {"allow": ["+4930*"], "max_attempts_per_hour": 20}
ONE_REQUEST = httpx2.Limits(max_keepalive_connections=0)


@dataclass
class Dialling:
    """A host that may call, and Twilio."""

    host: PhoneHost
    twilio: TwilioSimulator
    http: httpx2.AsyncClient
    key: str

    async def dial(self, **body: Any) -> httpx2.Response:
        return await self.http.post(CALLS, json={"to": ANNA, **body})

    async def ringing(self, **body: Any) -> tuple[Line, str]:
        """Dial. Returns the line that rings, and the address of the call."""
        answer = await self.dial(**body)
        assert answer.status_code == 201, answer.text
        line = self.twilio.lines[-1]
        await line.rings()
        return line, f"{CALLS}/{answer.json()['id']}"

    async def shown(self, call: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.http.get(call)).json()
        return found

    async def over(self, call: str) -> dict[str, Any]:
        """Return the last state of a call that ends now."""
        found = self.host.phone.outbound.find("desk", call.rpartition("/")[2])
        assert found is not None
        async with asyncio.timeout(10):
            await found.ended.wait()
        return await self.shown(call)


@asynccontextmanager
async def dialling(
    folder: Path, *says: str, account: Mapping[str, str] | None = None, **options: Any
) -> AsyncIterator[Dialling]:
    """Run a host with the settings of `[phone.twilio]` in `account`, if they are other than right."""
    key = key_for(folder, "dial")
    auth = AuthSettings(keys_file=folder / "keys.json")
    async with TwilioSimulator(PUBLIC_URL, (NUMBER,)) as twilio:
        right = {"account_sid": twilio.account_sid, "auth_token": twilio.auth_token, "api_url": twilio.url}
        options = {"config": GREETING, "outbound": OUTBOUND, **options}
        async with (
            phone_host({"twilio": {**right, **(account or {})}}, *says, auth=auth, **options) as host,
            httpx2.AsyncClient(base_url=f"http://{host.address}", headers=bearer(key), limits=ONE_REQUEST) as http,
        ):
            twilio.address = host.address
            yield Dialling(host, twilio, http, key)
        assert [status for _, status in twilio.webhooks if status not in (200, 204)] == []


async def test_a_whole_call(tmp_path: Path) -> None:
    async with dialling(tmp_path, "It is ready.") as d:
        line, call = await d.ringing(metadata={"order": 1042}, max_call_s=120, ring_s=25)
        assert dict(line.asked) | {"Twiml": ""} == {
            "To": ANNA,
            "From": NUMBER,
            "Twiml": "",
            "Timeout": "25",
            "TimeLimit": "120",
            "StatusCallback": f"{PUBLIC_URL}/phone/twilio/calls/{call.rpartition('/')[2]}",
            "StatusCallbackEvent": "completed",
        }
        assert [value for name, value in line.asked if name == "StatusCallbackEvent"] == [
            *("ringing", "answered", "completed")
        ]
        assert (await d.shown(call))["status"] == "ringing"
        await line.answer()
        ears = await d.host.stt.connected()
        await d.host.heard.until(lambda heard: len(heard.replies) == 1)
        assert (await d.shown(call))["status"] == "streaming"
        await ears.final("Is it ready?")
        await d.host.heard.until(lambda heard: len(heard.replies) == 2)
        [session] = d.host.heard.sessions
        assert session.channel == Channel("twilio", "phone", "outbound", NUMBER, ANNA, line.id)
        assert session.metadata["order"] == 1042
        assert session.metadata["direction"] == "outbound"
        await line.hang_up()
        await d.host.heard.until(lambda heard: heard.ends == ["goodbye"])
        shown = await d.over(call)
        assert shown["outcome"] == "completed"
        assert shown["duration_s"] > 1
        assert d.host.admission.calls == 0
    assert d.twilio.errors == []


@pytest.mark.parametrize(
    ("final", "outcome", "reason"),
    [
        ("busy", "busy", None),
        ("no-answer", "no-answer", None),
        ("canceled", "cancelled", None),
        ("failed", "failed", "the carrier could not connect the call (SIP 404)"),
    ],
)
async def test_a_call_that_nobody_answers(tmp_path: Path, final: str, outcome: str, reason: str | None) -> None:
    async with dialling(tmp_path) as d:
        line, call = await d.ringing()
        await line.ends_as(final, **({"SipResponseCode": "404"} if final == "failed" else {}))
        shown = await d.shown(call)
        assert (shown["status"], shown["outcome"], shown["reason"]) == ("over", outcome, reason)
        assert shown["answered"] is None
        assert d.host.admission.calls == 0
        assert d.host.heard.sessions == []


@pytest.mark.parametrize(
    ("detection", "asked", "judged", "by"),
    [
        ("person", "Enable", "human", "human"),
        ("person", "Enable", "machine_start", "machine"),
        ("message_end", "DetectMessageEnd", "machine_end_beep", "machine_end"),
        ("message_end", "DetectMessageEnd", "machine_end_silence", "machine_end"),
        ("person", "Enable", "fax", "fax"),
        ("person", "Enable", "unknown", "unknown"),
    ],
)
async def test_who_answered(tmp_path: Path, detection: str, asked: str, judged: str, by: str) -> None:
    async with dialling(tmp_path) as d:
        line, call = await d.ringing(machine_detection=detection)
        assert dict(line.asked)["MachineDetection"] == asked
        assert dict(line.asked)["AsyncAmd"] == "true"
        await line.answer()
        await d.host.heard.until(lambda heard: len(heard.sessions) == 1)
        await line.judge(judged)
        await d.host.heard.until(lambda heard: len(heard.answers) == 1)
        assert [(answer.by, answer.detail) for answer in d.host.heard.answers] == [(by, judged)]
        assert (await d.shown(call))["answered_by"] == by


async def test_a_judgement_before_the_session_is_not_lost(tmp_path: Path) -> None:
    async with dialling(tmp_path) as d:
        line, call = await d.ringing(machine_detection="person")
        await line.answer(stream=False)
        await line.judge("human")
        assert (await d.shown(call))["answered_by"] == "human"
        assert d.host.heard.answers == []
        line.connect()
        await d.host.heard.until(lambda heard: len(heard.answers) == 1)
        assert d.host.heard.answers[0].by == "human"


async def test_hanging_up(tmp_path: Path) -> None:
    async with dialling(tmp_path) as d:
        ringing, call = await d.ringing()
        assert (await d.http.delete(call)).status_code == 204
        assert (ringing.ended_by, (await d.shown(call))["outcome"]) == ("host", "cancelled")
        talking, call = await d.ringing()
        await talking.answer()
        await d.host.heard.until(lambda heard: len(heard.replies) == 1)
        assert (await d.http.delete(call)).status_code == 204
        await d.host.heard.until(lambda heard: heard.ends == ["goodbye"])
        assert (talking.ended_by, (await d.shown(call))["outcome"]) == ("host", "completed")
        assert (await d.http.delete(call)).status_code == 204


async def test_the_time_limit_ends_a_conversation(tmp_path: Path) -> None:
    async with dialling(tmp_path) as d:
        line, call = await d.ringing(max_call_s=10)
        await line.answer()
        await line.until(lambda line: line.ended_by == "host", 30)
        await d.host.heard.until(lambda heard: len(heard.ends) == 1)
        shown = await d.over(call)
        assert (shown["outcome"], shown["reason"]) == ("completed", "the time limit of the call")
        assert 9.9 < shown["duration_s"] < 11


async def test_what_twilio_refuses_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with dialling(tmp_path, account={"auth_token": "0" * 32}) as d:
        answer = await d.dial()
        assert (answer.status_code, answer.json()["detail"]) == (502, "Twilio refused: Authenticate (20003)")
    async with dialling(tmp_path) as d:
        d.twilio.numbers.clear()
        answer = await d.dial()
        assert answer.status_code == 502
        assert "is not verified for this account (21210)" in answer.json()["detail"]
        assert NUMBER in answer.json()["detail"]
        [shown] = (await d.http.get(CALLS)).json()
        assert (shown["status"], shown["outcome"]) == ("over", "failed")
        errors = [vars(record)["error"] for record in caplog.records if record.message == "phone_dial_failed"]
        assert errors[-1] == "Twilio refused: the number <number> is not verified for this account (21210)"
        assert d.host.admission.calls == 0


async def test_twilio_cannot_be_reached(tmp_path: Path) -> None:
    async with dialling(tmp_path, account={"api_url": f"http://127.0.0.1:{free_port()}"}) as d:
        answer = await d.dial()
        assert answer.status_code == 502
        assert "Twilio cannot be reached" in answer.json()["detail"]
        assert d.host.admission.calls == 0


async def test_a_host_that_shuts_down_hangs_up(tmp_path: Path) -> None:
    async with dialling(tmp_path) as d:
        line, _ = await d.ringing()
        await d.host.agents.drain(0)
        await line.until(lambda line: line.ended_by == "host")
        assert (await d.dial()).status_code == 409


@pytest.mark.real_time
async def test_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with dialling(tmp_path, outbound=OUTBOUND | {"max_attempts_per_hour": 2}) as d:
        where = ["--url", f"http://{d.host.address}", "--token", d.key]

        async def voice_host(*arguments: str) -> Any:
            return await asyncio.to_thread(CliRunner().invoke, cli, [*arguments, *where])

        dialled = asyncio.create_task(voice_host("dial", "desk", "+49 30 12345678", "--machine-detection", "person"))
        await d.twilio.until(lambda twilio: len(twilio.lines) == 1)
        [line] = d.twilio.lines
        await line.rings()
        await line.answer()
        await line.judge("human")
        await d.host.heard.until(lambda heard: len(heard.answers) == 1)
        await line.hang_up()
        shown = await dialled
        assert shown.exit_code == 0, shown.output
        assert shown.stdout.splitlines()[1:4] == ["ringing", "answered", "a person answered"]
        assert shown.stdout.splitlines()[4].startswith("over after ")

        made = await voice_host("dial", "desk", ANNA, "--no-wait", "--json")
        assert json.loads(made.stdout)["status"] == "ringing"
        over = await voice_host("dial", "desk", ANNA)
        assert over.exit_code == 1
        assert "(phone.outbound.max_attempts_per_hour)" in over.stderr
        for number, agent, code, words in [
            ("+33123456789", "desk", 1, "is not among the numbers that this host may call"),
            (ANNA, "nobody", 2, "there is no agent 'nobody'"),
        ]:
            refused = await voice_host("dial", agent, number)
            assert (refused.exit_code, words in refused.stderr) == (code, True), refused.output
