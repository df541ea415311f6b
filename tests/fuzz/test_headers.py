"""Headers that lie: the answer is no error of the host's, and a call is taken or refused with a documented code."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.front.test_authorization import TOML
from tests.fuzz.hosts import hosted
from tests.fuzz.profile import inputs
from tests.fuzz.protocol import CLOSE_CODES
from tests.fuzz.raw import CLOSE, Header, RawClient, request, upgrade

ROUTES = ["/", "/agents", "/health", "/ready", "/metrics", "/openapi.json", "/page/talk.js", "/page/%2e%2e/x", "/x"]

hosts = [b"", b"[", b"[::1", b"[]:80", b"localhost", b"a b", b"a/../b?c#d", b"@", b":0", b"127.0.0.1:99999999", b"\xff"]
values: dict[bytes, list[bytes]] = {
    b"Host": hosts,
    b"Origin": [*(b"http://" + host for host in hosts), b"null", b"", b"://", b"file:///x", b"http://x\xff"],
    b"Authorization": [
        b"Bearer",
        b"Bearer \xff\xfe",
        b"Bearer vh_",
        b"Bearer vh_x_y",
        b"Bearer vh_\xc3\xa9_\xc3\xa9",
        b"Bearer a.b.c",
        b"Bearer e30.e30.e30",
        b"Bearer eyJhbGciOiJub25lIn0.e30.",
        b"Bearer W10.W10.W10",
        b"Bearer " + b"a" * 7500,
        b"Basic Og==",
        b"",
    ],
    b"Sec-WebSocket-Protocol": [
        b"voice-host.v1",
        b"voice-host.v1, voice-host.token.",
        b"voice-host.token.a.b.c",
        b"voice-host.token.\xff",
        b",",
        b"",
        b'"x"',
        b"voice-host.v1,voice-host.v1",
    ],
    b"X-Forwarded-For": [
        b"",
        b"x",
        b"1.2.3.4, ",
        b"::1, fe80::1%eth0",
        b",,,",
        b"999.1.1.1",
        b"[::",
        b"\xff",
        b"1" * 500,
    ],
    b"X-Forwarded-Proto": [b"https", b"x", b"", b"wss,ws"],
    b"X-Forwarded-Host": hosts,
    b"Forwarded": [b"for=;;", b"for=\xff"],
    b"Cookie": [b"\xff", b"token=x"],
    b"Content-Type": [b"\xff", b"multipart/form-data", b"application/json; charset=x"],
    b"Access-Control-Request-Method": [b"POST", b"\xff"],
}
# What HTTP allows in a value: no control characters, which are refused before any route.
anything = st.binary(max_size=20).map(lambda raw: bytes(byte for byte in raw if byte >= 32 and byte != 127).strip())
headers: st.SearchStrategy[list[Header]] = st.lists(
    st.sampled_from(sorted(values)).flatmap(
        lambda name: st.tuples(st.just(name), st.one_of(st.sampled_from(values[name]), anything))
    ),
    max_size=4,
)


@pytest.fixture(scope="module", params=["open", "guarded"])
def address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("hosted")
    toml = 'server.trusted_proxies = ["127.0.0.1"]\n' + (TOML if request.param == "guarded" else "")
    with hosted(folder, toml) as url:
        yield url.removeprefix("http://")


@inputs(100)
@given(method=st.sampled_from(["GET", "POST", "OPTIONS", "HEAD"]), route=st.sampled_from(ROUTES), headers=headers)
def test_requests(address: str, method: str, route: str, headers: list[Header]) -> None:
    async def ask() -> None:
        client = await RawClient.connect(address)
        await client.write(request(method, route, [(b"Connection", b"close"), *headers]))
        answer = await client.answer(has_body=method != "HEAD")
        assert answer.status is not None
        assert answer.status < 500
        assert b"Traceback" not in answer.body
        await client.close()

    asyncio.run(ask())


@inputs(100)
@given(headers=headers)
@example(headers=[(b"Host", b"["), (b"Origin", b"http://[")])
@example(headers=[(b"Sec-WebSocket-Protocol", b"\x80")])
@example(headers=[(b"Sec-WebSocket-Extensions", b"\xe9")])
def test_calls(address: str, headers: list[Header]) -> None:
    async def ask() -> None:
        client = await RawClient.connect(address)
        await client.write(upgrade("/agents/hello/session", headers))
        answer = await client.answer()
        assert answer.status in (101, 400, 403)
        assert "token" not in answer.headers.get("sec-websocket-protocol", "")
        if answer.status == 101 and (first := await client.frame()) is not None and first[0] == CLOSE:
            assert int.from_bytes(first[1][:2]) in CLOSE_CODES
        await client.close()

    asyncio.run(ask())
