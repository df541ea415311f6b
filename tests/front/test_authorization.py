"""What each route shows to whom: the table in docs/operating.md, walked on a running host."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
from starlette.routing import Mount

from tests.calls.client import calling
from tests.docs.markdown import rows, section
from tests.front.hosting import Running, installed, running
from tests.sample_plugins import HELLO
from voice_host.auth.api_keys import SCOPES, Scope, new_key
from voice_host.auth.key_file import KeyFile
from voice_host.front.app import create_host_app
from voice_host.observability.agent_logs import AgentLogs

TOML = '[auth]\nkeys_file = "keys.json"\n'
HEADS, *TABLE = rows(section("docs/operating.md", "What each route shows to whom"))
EACH = frozenset(SCOPES) - {"admin"}
WHO = ("nobody", "call token", "key without the scope", "key with it")

pytestmark = pytest.mark.xdist_group("doors")  # one host for all of them


@dataclass
class Guarded:
    """A host with authentication, and a key for every set of scopes, and for `admin`."""

    running: Running
    http: httpx2.AsyncClient
    keys: dict[frozenset[Scope], str]

    async def credential(self, who: str, wanted: frozenset[Scope]) -> str | None:
        if who == "nobody":
            return None
        if who == "call token":
            answer = await self.http.post("/agents/hello/tokens", headers=bearer(self.keys[frozenset({"tokens"})]))
            return str(answer.json()["token"])
        return self.keys[wanted if who == "key with it" else EACH - wanted]


def bearer(credential: str | None) -> dict[str, str]:
    return {"authorization": f"Bearer {credential}"} if credential else {}


def key_for(folder: Path, *scopes: Scope, agents: tuple[str, ...] | None = None, name: str = "test") -> str:
    """Make a key in the folder's key file and return it."""
    key, text = new_key(name, now=datetime.now(UTC), scopes=scopes, agents=agents)
    KeyFile(folder / "keys.json").add(key)
    return text


FILE_IN = {"/page/...": "talk.js", "/client/...": "call.js", "/widget/...": "log.js"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    subsets = [frozenset(some) for size in range(1, 6) for some in itertools.combinations(sorted(EACH), size)]
    subsets.append(frozenset({"admin"}))
    keys = {subset: key_for(folder, *subset) for subset in subsets}
    with installed(folder) as plugins:
        plugins.install("hello", HELLO)
        plugins.install("other", HELLO)
        plugins.install("sick", "raise RuntimeError('no database at db.internal')")
        async with (
            running(folder, TOML, allow="hello,other,sick", logs=AgentLogs()) as r,
            httpx2.AsyncClient(base_url=f"http://{r.address}") as http,
        ):
            yield Guarded(r, http, keys)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row[0])
async def test_a_route_shows_to_each_what_the_table_says(guarded: Guarded, row: list[str], who: str) -> None:
    what, scope, *cells = row
    expected = cells[WHO.index(who)]
    wanted = frozenset(name for name in SCOPES if f"`{name}`" in scope)
    if who.startswith("key") and not wanted:
        wanted = frozenset({"calls"})  # any key will do
    elif who == "key with it":
        wanted = frozenset({min(wanted)})  # one of them is enough
    credential = await guarded.credential(who, wanted)
    method, path = what.split("`")[1].replace("{id}", "hello").split()
    path = path.replace("...", FILE_IN.get(path, ""))
    if method == "WS":
        realtime = path == "/v1/realtime"
        address = guarded.running.session("hello")
        address = f"ws://{guarded.running.address}{path}?model=hello" if realtime else address
        async with calling(address, additional_headers=bearer(credential)) as caller:
            if expected == "call":
                await caller.expect("session.created" if realtime else "ready")
            else:
                assert (await caller.ended())[0] == int(expected)
        return
    body = {"session": {"model": "hello"}} if path.endswith("/client_secrets") else None
    answer = await guarded.http.request(method, path, headers=bearer(credential), json=body)
    if path.endswith("/restart") and expected == "200":
        expected = "409"  # these agents run in the host's own process
    if expected in ("yes", "no"):
        shown = answer.json() if answer.status_code == 200 else {}
        shown = next((agent for agent in shown if agent["id"] == "sick"), {}) if isinstance(shown, list) else shown
        named = set(what.partition(":")[2].replace("`", "").replace(" ", "").split(","))
        assert named & shown.keys() == (named if expected == "yes" else set())
        return
    assert answer.status_code == int(expected)
    if answer.status_code in (401, 403):
        assert answer.json().get("detail") or answer.json()["error"]["message"]
        assert answer.headers["www-authenticate"].startswith('Bearer realm="voice-host"')
    assert "db.internal" not in answer.text or frozenset({"metrics"}) <= wanted


def test_the_table_names_every_route(guarded: Guarded) -> None:
    assert tuple(head.lower() for head in HEADS[2:]) == WHO
    named = {row[0].split("`")[1].split()[1] for row in TABLE}
    routes = create_host_app(guarded.running.agents, guarded.running.settings, logs=AgentLogs()).routes
    paths = {f"{route.path}/..." if isinstance(route, Mount) else route.path for route in routes}  # type: ignore[attr-defined]
    assert {path.replace("{agent_id}", "{id}") for path in paths} == named


@pytest.mark.asyncio(loop_scope="module")
async def test_who_is_turned_away_over_http_is_counted(guarded: Guarded) -> None:
    seeing = bearer(guarded.keys[frozenset({"metrics"})])

    async def counted(status: int) -> float:
        lines = (await guarded.http.get("/metrics", headers=seeing)).text.splitlines()
        reason = {401: "credential", 403: "scope"}[status]
        sample = f'voice_host_requests_refused_total{{reason="{reason}",status="{status}"}} '
        return sum(float(line.removeprefix(sample)) for line in lines if line.startswith(sample))

    before = await counted(401), await counted(403)
    await guarded.http.get("/agents", headers=bearer("guessed"))
    await guarded.http.get("/metrics")
    await guarded.http.post("/agents/hello/tokens", headers=seeing)
    assert (await counted(401), await counted(403)) == (before[0] + 2, before[1] + 1)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_key_or_a_token_sees_its_own_agents(guarded: Guarded, tmp_path: Path) -> None:
    token = await guarded.credential("call token", frozenset())
    listed = (await guarded.http.get("/agents", headers=bearer(token))).json()
    assert [agent["id"] for agent in listed] == ["hello"]
    everything = (await guarded.http.get("/agents", headers=bearer(guarded.keys[frozenset({"admin"})]))).json()
    assert [agent["id"] for agent in everything] == ["hello", "other", "sick"]


async def test_the_platform_decides_about_page_and_list(tmp_path: Path) -> None:
    with installed(tmp_path) as plugins:
        plugins.install("open", HELLO)
        plugins.install("ill", "raise RuntimeError('no database at db.internal')")
        toml = TOML + 'page = "off"\nagents = "open"\n'
        async with running(tmp_path, toml, allow="open,ill") as r:
            async with httpx2.AsyncClient(base_url=f"http://{r.address}") as http:
                assert (await http.get("/")).status_code == 404
                assert (await http.get("/page/talk.js")).status_code == 404
                assert (await http.get("/client.js")).status_code == 200
                answer = await http.get("/agents")
                assert [agent["id"] for agent in answer.json()] == ["ill", "open"]
                assert "db.internal" not in answer.text
                assert "phase" not in answer.text
                assert (await http.get("/metrics")).status_code == 401
            async with calling(r.session("open")) as caller:
                assert (await caller.ended())[0] == 4401


async def test_without_authentication_everybody_sees_everything(tmp_path: Path) -> None:
    with installed(tmp_path) as plugins:
        plugins.install("ill", "raise RuntimeError('no database at db.internal')")
        async with running(tmp_path, allow="ill") as r, httpx2.AsyncClient(base_url=f"http://{r.address}") as http:
            assert "db.internal" in (await http.get("/agents")).text
            assert (await http.get("/ready")).json()["broken"] == 1
            assert (await http.get("/metrics")).status_code == 200
            assert (await http.get("/openapi.json")).json()["info"]["title"] == "voice-host"
            answer = await http.post("/agents/ill/tokens")
            assert (answer.status_code, "keys_file" in answer.json()["detail"]) == (404, True)
