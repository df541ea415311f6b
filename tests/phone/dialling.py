"""A host that may dial, and a scripted carrier that places its calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter
from starlette.requests import HTTPConnection

from tests.calls.studio import serving
from tests.front.test_authorization import bearer, key_for
from voice_host.admission import Admission
from voice_host.auth.authentication import build_authentication
from voice_host.clients.choice import ProtocolChoice
from voice_host.fleet.report import AgentReport
from voice_host.fleet.service import FleetReport
from voice_host.front.app import create_host_app
from voice_host.observability.figures import Figures
from voice_host.phone.calls import PhoneCalls
from voice_host.phone.carrier import CarrierError, Detection, Dial, PhoneCall, Sentence
from voice_host.phone.service import PhoneService
from voice_host.settings import load_settings

TOML = """
[auth]
keys_file = "keys.json"

[phone]
public_url = "https://voice.example.com"

[phone.numbers]
"+15550100" = "front-desk"
"+15550101" = "night-desk@staging"
"+15550102" = { agent = "night-desk", carrier = "telnyx" }

[phone.outbound]
allow = ["+49*", "+15550199"]
max_attempts_per_hour = 20
max_call_s = 600
"""
ONE_REQUEST = httpx2.Limits(max_keepalive_connections=0)
"""For each connection: a host closes those on which nothing happens, and hours pass here at once."""
ANNA, BERND = "+493012345678", "+498912345678"
CALLS = "/agents/front-desk/calls"


class ScriptedAgents:
    """Agents that are there, but take no calls. `state` and `status` are theirs."""

    def __init__(self) -> None:
        self.state: Any = "ready"
        self.status: Any = "ready"
        self.figures = Figures()
        self.connected = 0

    @property
    def report(self) -> FleetReport:
        agents = {name: AgentReport(id=name, status=self.status) for name in ("front-desk", "night-desk")}
        return FleetReport(self.state, agents)


@dataclass
class ScriptedCarrier:
    """A carrier that rings, and does nothing else by itself."""

    name: str = "twilio"
    detections: frozenset[Detection] = frozenset({"off", "person"})
    dialled: list[Dial] = field(default_factory=list)
    hung_up: list[str] = field(default_factory=list)
    fails: list[str] = field(default_factory=list)
    holds: asyncio.Event | None = None
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    closed: bool = False

    def _fail(self) -> None:
        if self.fails:
            raise CarrierError(self.fails.pop(0), status=400)

    def protocol(self, call: PhoneCall) -> ProtocolChoice:
        raise NotImplementedError

    def why_not_genuine(self, upgrade: HTTPConnection, url: str) -> str | None:
        return "nothing connects here"

    def webhooks(self) -> APIRouter:
        return APIRouter()

    async def dial(self, dial: Dial) -> str:
        self.dialled.append(dial)
        self.asked.set()
        if self.holds is not None:
            await self.holds.wait()
        self._fail()
        return f"CA{len(self.dialled)}"

    async def hang_up(self, call_id: str) -> None:
        self._fail()
        self.hung_up.append(call_id)

    async def say_and_hang_up(self, call: PhoneCall, sentence: Sentence) -> None:
        raise NotImplementedError

    async def transfer(self, call_id: str, to: str) -> None:
        raise NotImplementedError

    async def send_digits(self, call_id: str, digits: str) -> None:
        raise NotImplementedError

    async def aclose(self) -> None:
        self.closed = True


@dataclass
class Host:
    """A host that makes calls."""

    agents: ScriptedAgents
    carrier: ScriptedCarrier
    phone: PhoneService
    admission: Admission
    http: httpx2.AsyncClient

    async def dial(self, to: str = ANNA, *, path: str = CALLS, key: str | None = None, **body: Any) -> httpx2.Response:
        headers = {} if key is None else {"Idempotency-Key": key}
        return await self.http.post(path, json={"to": to, **body}, headers=headers)

    async def call(self, to: str = ANNA, **body: Any) -> PhoneCall:
        """Dial, and return the call that rings."""
        answer = await self.dial(to, **body)
        assert answer.status_code == 201, answer.text
        found = self.phone.outbound.find("front-desk", answer.json()["id"])
        assert found is not None
        return found

    async def shown(self, call: PhoneCall) -> dict[str, Any]:
        found: dict[str, Any] = (await self.http.get(f"{CALLS}/{call.lease.session_id}")).json()
        return found

    async def becomes(self, status: int, answer: httpx2.Response, words: str, hint: str = "") -> None:
        told = answer.json()
        assert (answer.status_code, words in told["detail"]) == (status, True), answer.text
        assert hint in told.get("hint", "")


@asynccontextmanager
async def dialling(folder: Path, monkeypatch: pytest.MonkeyPatch, toml: str = TOML) -> AsyncIterator[Host]:
    file = folder / "voice-host.toml"
    file.write_text(toml, encoding="utf-8")
    headers = bearer(key_for(folder, "dial"))
    settings = load_settings(file, {})
    agents, carrier = ScriptedAgents(), ScriptedCarrier()
    monkeypatch.setattr("voice_host.phone.service.CARRIERS", {"twilio": lambda *_: carrier})
    admission = Admission(settings.limits)
    service: Any = agents
    phone = PhoneService(settings.phone, PhoneCalls(service, admission, lambda: settings.phone))
    app = create_host_app(
        service, settings, authentication=build_authentication(settings), admission=admission, phone=phone
    )
    try:
        async with (
            serving(app) as address,
            httpx2.AsyncClient(base_url=f"http://{address}", headers=headers, limits=ONE_REQUEST) as http,
        ):
            yield Host(agents, carrier, phone, admission, http)
    finally:
        await phone.aclose()
