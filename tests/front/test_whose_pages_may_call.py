"""Which sites' pages may call, and what all answers tell browsers."""

from __future__ import annotations

import logging
from pathlib import Path

import httpx2
import pytest
from prometheus_client import REGISTRY
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.calls.client import calling
from tests.calls.studio import serving
from tests.front.guarded import guarded, refused
from tests.front.test_authorization import bearer, key_for
from voice_host.front.middleware import SameSiteSockets


@pytest.mark.parametrize(
    ("origin", "code"),
    [
        ("https://www.example.com", None),
        ("HTTPS://WWW.EXAMPLE.COM", None),
        ("https://a.b.example.org", None),
        ("https://example.org", 4403),
        ("http://www.example.com", 4403),
        ("https://www.example.com.evil.example", 4403),
        ("https://evil-example.org", 4403),
        ("null", 4403),
        ("http://{host}", None),
        ("ftp://{host}", 4403),
        (None, None),
    ],
)
async def test_pages_of_sites_that_are_named_may_call(tmp_path: Path, origin: str | None, code: int | None) -> None:
    toml = '[server]\nallowed_origins = ["https://www.example.com", "https://*.example.org"]\n'
    async with guarded(tmp_path, toml) as r:
        spelled = origin.format(host=r.address) if origin else None
        headers = {"Origin": spelled} if spelled else {}
        async with calling(r.session("nosy"), additional_headers=headers) as caller:
            if code is None:
                await caller.expect("ready")
            else:
                assert (await caller.ended())[0] == code
        async with httpx2.AsyncClient(base_url=f"http://{r.address}", headers=headers) as http:
            readable = (await http.get("/agents")).headers.get("access-control-allow-origin")
            named = origin is not None and origin.islower() and "{host}" not in origin and code is None
            assert readable == (spelled if named else None)  # browsers spell origins in lower case
            secret = await http.post("/v1/realtime/client_secrets", json={})
            assert secret.headers.get("access-control-allow-origin") == readable
            assert "access-control-allow-origin" not in (await http.get("/ready")).headers


@pytest.mark.parametrize(
    ("origin", "let_in"),
    [(None, True), ("http://{host}", True), ("https://a.example", True), ("https://b.example", False)],
)
async def test_websockets_of_extensions_are_for_the_same_pages(origin: str | None, let_in: bool) -> None:
    async def endpoint(ws: WebSocket) -> None:
        await ws.accept()
        await ws.send_text("hello")
        await ws.close()

    inner = Starlette(routes=[WebSocketRoute("/events", endpoint)])
    async with serving(SameSiteSockets(inner, ["https://a.example"]), lifespan="off") as address:
        headers = {"Origin": origin.format(host=address)} if origin else {}
        if let_in:
            async with connect(f"ws://{address}/events", additional_headers=headers) as ws:
                assert await ws.recv() == "hello"
        else:
            before = refused_pages()
            with pytest.raises(InvalidStatus, match="HTTP 403"):
                await connect(f"ws://{address}/events", additional_headers=headers)
            assert refused_pages() == before + 1


def refused_pages() -> float:
    return REGISTRY.get_sample_value("voice_host_requests_refused_total", {"status": "403", "reason": "origin"}) or 0.0


async def test_the_log_says_which_agent_a_page_or_a_stranger_wanted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="voice_host")
    key_for(tmp_path, "calls")
    async with guarded(tmp_path) as r:
        for agent_id in ("nosy", "made-up"):
            async with calling(r.session(agent_id), additional_headers={"Origin": "https://evil.example"}) as caller:
                assert (await caller.ended())[0] == 4403
            await refused(r.session(agent_id))
    said = [record.__dict__ for record in caplog.records if record.message == "call_refused"]
    assert [(fields["code"], fields["agent_id"]) for fields in said] == [
        (4403, "nosy"),
        (4401, "nosy"),
        (4403, ""),
        (4401, ""),
    ]


async def test_every_answer_tells_browsers_to_be_careful(tmp_path: Path) -> None:
    key = key_for(tmp_path, "calls")
    async with guarded(tmp_path) as r, httpx2.AsyncClient(base_url=f"http://{r.address}") as http:
        for path in ("/", "/page/talk.js", "/agents", "/health", "/ready", "/metrics", "/openapi.json", "/nowhere"):
            for headers in ({}, bearer(key)):
                answer = (await http.get(path, headers=headers)).headers
                assert answer["x-content-type-options"] == "nosniff"
                assert answer["referrer-policy"] == "no-referrer"
                assert "default-src 'none'" in answer["content-security-policy"]
                assert "frame-ancestors 'none'" in answer["content-security-policy"]
                assert "unsafe" not in answer["content-security-policy"]
