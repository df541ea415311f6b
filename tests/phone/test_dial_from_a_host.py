"""`voice-host dial` lets a host with worker processes call a number, over the simulator of Twilio."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.phone.phone_host import NUMBER, PUBLIC_URL
from tests.simulators.twilio import TwilioSimulator
from tests.supervisor.hosts import serving
from voice_host.cli.commands import app

pytestmark = [
    pytest.mark.real_time,
    pytest.mark.skipif(sys.platform != "linux", reason="workers are processes of Linux"),
]

CALLING = """
from voice_host_sdk import AgentConfig, LifecycleCallbacks, hookimpl

class Callbacks(LifecycleCallbacks):
    async def on_session_created(self, session):
        print("created", session.channel.direction, session.metadata["order"], flush=True)
    async def on_answered(self, session, answer):
        print("answered by", answer.by, flush=True)
    async def on_session_destroyed(self, session, end):
        print("destroyed", end.reason, flush=True)

@hookimpl
def agent_config(settings):
    return AgentConfig(title="Calling", greeting="Hello.")

@hookimpl
def lifecycle_callbacks(settings):
    return Callbacks()
"""


async def test_a_call_from_the_command_line(tmp_path: Path) -> None:
    async with TwilioSimulator(PUBLIC_URL, (NUMBER,)) as twilio:
        settings = f"""
            [phone]
            public_url = "{PUBLIC_URL}"
            [phone.numbers]
            "{NUMBER}" = "calling"
            [phone.twilio]
            account_sid = "{twilio.account_sid}"
            auth_token = "{twilio.auth_token}"
            api_url = "{twilio.url}"
            [phone.outbound]
            allow = ["+4930*"]
            max_attempts_per_hour = 5
        """
        starting = serving(tmp_path, settings, {"calling": CALLING})
        host = await asyncio.to_thread(starting.__enter__)
        try:
            twilio.address = f"127.0.0.1:{host.port}"
            arguments = [
                "dial",
                "calling",
                "+49 30 12345678",
                "--metadata",
                "order=1042",
                "--machine-detection",
                "person",
            ]
            arguments += ["--config", str(tmp_path / "voice-host.toml")]
            dialled = asyncio.create_task(asyncio.to_thread(CliRunner().invoke, app, arguments))
            await twilio.until(lambda twilio: len(twilio.lines) == 1)
            [line] = twilio.lines
            await line.rings()
            await line.answer(stream=False)
            await line.judge("human")  # before there is a session, which a worker begins
            line.connect()
            await asyncio.to_thread(host.process.until, "answered by human")
            await line.hang_up()
            shown = await dialled
            assert shown.exit_code == 0, shown.output
            assert shown.stdout.splitlines()[:4] == [
                f"Calling +493012345678 from {NUMBER} (Ctrl-C hangs up)",
                "ringing",
                "answered",
                "a person answered",
            ]
            assert shown.stdout.splitlines()[4].startswith("over after ")
            await asyncio.to_thread(host.process.until, "destroyed goodbye")
        finally:
            await asyncio.to_thread(starting.__exit__, None, None, None)
        assert "created outbound 1042" in host.process.output
        assert f"{PUBLIC_URL}/phone/twilio/voice" in host.process.output
        assert twilio.auth_token not in host.process.output
        assert "Traceback" not in host.process.output
    assert twilio.errors == []
