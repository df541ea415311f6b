"""Telephone calls of `voice-host serve`, whose agents are in worker processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.simulators.twilio import TwilioSimulator
from tests.supervisor.hosts import TELLING, Host, serving

pytestmark = [
    pytest.mark.real_time,
    pytest.mark.skipif(sys.platform != "linux", reason="workers are processes of Linux"),
]

NUMBER = "+15550100"
FAILED = "Sorry, something went wrong. Please call again."
UNAVAILABLE = "Sorry, nobody can take your call at the moment. Please call again later."

SETTINGS = f"""
[agents]
callback_timeout_s = 60
[phone]
public_url = "https://voice.example.com"
[phone.numbers]
"{NUMBER}" = "telling"
[phone.twilio]
account_sid = "%s"
auth_token = {{ env = "TWILIO_AUTH_TOKEN" }}
api_url = "%s"
"""


SLOW = """
        while os.path.exists("{busy}"):
            await asyncio.sleep(0.02)
        print("destroyed\""""
"""What the agent does at the end of a session, as long as there is a file."""


@asynccontextmanager
async def phone_host(folder: Path) -> AsyncIterator[tuple[Host, TwilioSimulator]]:
    async with TwilioSimulator("https://voice.example.com", NUMBER) as twilio:
        settings = SETTINGS % (twilio.account_sid, twilio.url)
        agent = "import asyncio\n" + TELLING.replace('\n        print("destroyed"', SLOW.format(busy=folder / "busy"))
        starting = serving(folder, settings, {"telling": agent}, TWILIO_AUTH_TOKEN=twilio.auth_token)
        host = await asyncio.to_thread(starting.__enter__)
        try:
            twilio.address = f"127.0.0.1:{host.port}"
            yield host, twilio
        finally:
            await asyncio.to_thread(starting.__exit__, None, None, None)
        assert twilio.auth_token not in host.process.output


def worker_of(host: Host) -> int:
    [agent] = host.get("/agents")
    return int(agent["releases"][0]["workers"][0]["pid"])


async def test_calls_in_worker_processes(tmp_path: Path) -> None:
    """One host for all of it, since each takes seconds to start."""
    async with phone_host(tmp_path) as (host, twilio):
        async with twilio.call(NUMBER) as line:
            await line.speaker.hear_for(0.01)
            await line.hang_up()
        await asyncio.to_thread(host.process.until, "destroyed goodbye")

        # A stream that is lost, while the caller is still there. Nobody waits for the agent, which has something to do.
        (tmp_path / "busy").touch()
        async with twilio.call(NUMBER) as line:
            await line.speaker.hear_for(0.01)
            line.lose_stream()
            await line.until(lambda line: line.status == "completed", 30)
            assert line.said == [FAILED]
        assert "destroyed lost" not in host.process.output
        (tmp_path / "busy").unlink()
        await asyncio.to_thread(host.process.until, "destroyed lost")

        # A worker that dies in a call.
        async with twilio.call(NUMBER) as line:
            await line.speaker.hear_for(0.01)
            os.kill(await asyncio.to_thread(worker_of, host), signal.SIGKILL)
            await line.until(lambda line: line.status == "completed", 30)
            assert line.said == [FAILED]
            assert line.closed[0][0] in (1011, 1012)

        # A host that shuts down.
        async with twilio.call(NUMBER) as line:
            await line.speaker.hear_for(0.01)
            host.process.signal(signal.SIGTERM)
            await asyncio.to_thread(host.process.until, "draining")
            host.process.signal(signal.SIGTERM)
            await line.until(lambda line: line.status == "completed", 30)
            assert line.said == [UNAVAILABLE]
        assert await asyncio.to_thread(host.process.ended) == 0
        assert twilio.errors == []
