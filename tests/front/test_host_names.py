"""By which names a host answers: those it was given, and any address, which no page can rebind."""

import httpx2
import pytest
from prometheus_client import REGISTRY
from starlette.types import Receive, Scope, Send

from tests.watched import Watched
from voice_host.fleet.local import build
from voice_host.front.app import create_host_app
from voice_host.front.middleware import AllowedHosts
from voice_host.settings import PhoneSettings, Settings


def refused() -> float:
    return REGISTRY.get_sample_value("voice_host_requests_refused_total", {"status": "400", "reason": "host"}) or 0.0


async def yes(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("voice.example.com", 200),
        ("Voice.Example.Com:8000", 200),
        ("10.1.2.3:8000", 200),  # a health check, by the address of the container
        ("10.1.2.3", 200),
        ("[fd00::5]:8000", 200),
        ("[::1]", 200),
        ("evil.example", 400),
        ("evil.example:8000", 400),
        ("10.1.2.3.evil.example", 400),
        ("voice.example.com.evil.example", 400),
        ("[evil.example]", 400),
        ("[10.1.2.3", 400),
        ("[10.1.2.3]:80@evil.example", 400),
        ("10.1.2.3@evil.example", 400),
        ("2130706433", 400),  # some read 127.0.0.1 in it; nobody needs it
        ("", 400),
    ],
)
async def test_names_that_were_given_and_addresses_are_answered(host: str, status: int) -> None:
    app = AllowedHosts(yes, allowed_hosts=["voice.example.com"])
    before = refused()
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://x") as http:
        assert (await http.get("/health", headers={"host": host})).status_code == status
    assert refused() - before == (status == 400)


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("old.trycloudflare.com", "'old.trycloudflare.com'"),
        ("evil\x1b[2J", r"'evil\\x1b[2J'"),
        ("a" * 1000, f"'{'a' * 253}... (747 more characters)'"),
    ],
)
async def test_a_refused_name_is_logged_with_where_names_are_allowed(
    host: str, shown: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(phone=PhoneSettings(public_url="https://new.trycloudflare.com"))
    with_phone = create_host_app(build(settings, agents=[]), settings, allowed_hosts=["localhost"])
    for app, named in (
        (AllowedHosts(yes, ["localhost"]), "server.allowed_hosts"),
        (with_phone, "server.allowed_hosts and phone.public_url"),
    ):
        watched = Watched(caplog, "requests_refused", status="400", reason="host")
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://x") as http:
            assert (await http.get("/health", headers={"host": host})).status_code == 400
        [line] = watched.lines("request_refused")
        assert line["reason"] == f"the host name {shown} is not allowed: see {named}"
