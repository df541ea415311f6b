"""The host with a telephone: one agent, which callers of every protocol reach. The benchmark's process rings."""

from __future__ import annotations

import base64
import hmac
import secrets
import sys
from hashlib import sha1
from typing import Any

from tests.benchmarks.callers.protocols import TwilioCaller
from tests.benchmarks.child import Line, Parent
from tests.benchmarks.subjects.host import host_settings, serve
from voice_host.admission import Admission
from voice_host.fleet.local import build
from voice_host.front.app import create_host_app
from voice_host.observability.logs import configure_logging
from voice_host.phone.calls import PhoneCalls, Refused
from voice_host.phone.service import PhoneService
from voice_host.plugins import load_agents
from voice_host.tenancy.event_loop import run_in_event_loop
from voice_host_sdk import Channel

KEY = "benchmark"
PHONE = f"""
[phone]
public_url = "https://voice.example.com"

[phone.twilio]
account_sid = "{TwilioCaller.account_sid}"
auth_token = "{KEY}"
api_url = "http://127.0.0.1:9"

[phone.telnyx]
api_key = "{KEY}"
public_key = "{base64.b64encode(bytes(32)).decode()}"
api_url = "http://127.0.0.1:9"
"""
"""The carriers' addresses answer nobody: who hangs up here does so himself."""


def ring(calls: PhoneCalls, carrier: str) -> dict[str, Any]:
    """Let the telephone ring, as after a carrier's webhook, and return how the media stream connects."""
    channel = Channel(carrier, "phone", "inbound", "+15550100", "+15550199", f"CA{secrets.token_hex(16)}")
    call = calls.reserve("benchmark", channel)
    if isinstance(call, Refused):
        raise RuntimeError(call.reason)
    url = calls.stream_url(carrier, call.stream_token)
    signed = base64.b64encode(hmac.digest(KEY.encode(), url.encode(), sha1)).decode()
    secret = hmac.digest(KEY.encode(), f"stream {url}".encode(), "sha256").hex()
    return {
        "path": f"/phone/{carrier}/stream/{call.stream_token}",
        "headers": {"X-Twilio-Signature": signed} if carrier == "twilio" else {"x-telnyx-streaming-auth-token": secret},
        "call_id": channel.call_id,
    }


async def main(*ports: int) -> None:
    parent = Parent()
    with host_settings(*ports, toml=PHONE) as settings:
        configure_logging("text", "error")  # that calls can't be hung up at the carrier is known
        agents = build(settings, agents=load_agents(settings), strict=True)
        admission = Admission(settings.limits)
        phone = PhoneService(settings.phone, PhoneCalls(agents, admission, lambda: settings.phone))
        app = create_host_app(agents, settings, admission=admission, phone=phone)

        def obey(line: Line) -> None:
            if line["do"] == "ring":
                streams = [ring(phone.calls, line["carrier"]) for _ in range(line["count"])]
                parent.tell({"told": "rung", "streams": streams})

        await serve(parent, agents, settings, obey, app)
        await phone.aclose()


if __name__ == "__main__":
    run_in_event_loop(main(*map(int, sys.argv[1:])))
