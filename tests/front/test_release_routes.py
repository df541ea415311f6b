"""The routes of deployments: who may use them, what they answer, and what is left of uploads."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx2
import pytest

from tests.calls.studio import serving
from tests.front.test_authorization import TOML, bearer, key_for
from tests.releases.fakes import Host, release
from voice_host.auth.authentication import build_authentication
from voice_host.fleet.report import AgentReport
from voice_host.fleet.service import FleetReport
from voice_host.front import release_routes, uploads
from voice_host.front.app import create_host_app
from voice_host.front.connections import connection_options
from voice_host.front.uploads import receive_package
from voice_host.releases.deployments import Deployments
from voice_host.releases.package import SourceFolder
from voice_host.releases.steps import DeployRefused
from voice_host.settings import load_settings


@dataclass
class Agents:
    """Agents that take no calls."""

    report: FleetReport = field(
        default_factory=lambda: FleetReport("ready", {"night-desk": AgentReport(id="night-desk", status="ready")})
    )
    connected: int = 0


@asynccontextmanager
async def served(folder: Path, deployments: Deployments | str, toml: str = TOML) -> AsyncIterator[httpx2.AsyncClient]:
    """Serve the routes, and yield a client without a key."""
    (folder / "voice-host.toml").write_text(toml, encoding="utf-8")
    settings = load_settings(folder / "voice-host.toml", {})
    app = create_host_app(
        Agents(),  # type: ignore[arg-type]
        settings,
        authentication=build_authentication(settings),
        deployments=deployments,
    )
    async with (
        serving(app, lifespan="off", **connection_options(settings)) as address,
        httpx2.AsyncClient(base_url=f"http://{address}", timeout=30) as http,
    ):
        yield http


@pytest.fixture
async def host(tmp_path: Path) -> Host:
    host = Host(tmp_path / "data")
    await host.deployments.start({"night-desk": release("1.0", deployed=False)})
    return host


CHANGES: list[tuple[str, str, Any]] = [
    ("POST", "/deployments?requirement=night-desk==1.1&agent=night-desk", None),
    ("PUT", "/agents/night-desk/traffic", {"1.0": 100}),
    ("POST", "/agents/night-desk/promote", {"release": "1.0"}),
    ("POST", "/agents/night-desk/rollback", None),
    ("PUT", "/agents/night-desk/aliases/staging", {"release": "1.0"}),
    ("DELETE", "/agents/night-desk/aliases/staging", None),
    ("DELETE", "/agents/night-desk/releases/1.0", None),
    ("GET", "/agents/night-desk/releases", None),
]
WITHOUT_AGENT: list[tuple[str, str, Any]] = [("GET", "/deployments", None), ("POST", "/reload", None)]


@pytest.mark.parametrize(("method", "path", "body"), [*CHANGES, *WITHOUT_AGENT])
async def test_each_needs_a_key_for_deploying_also_without_authentication(
    tmp_path: Path, host: Host, method: str, path: str, body: Any
) -> None:
    before = host.groups()
    other = key_for(tmp_path, "calls", "tokens", "metrics", "logs")
    async with served(tmp_path, host.deployments) as http:
        assert (await http.request(method, path, json=body)).status_code == 401
        assert (await http.request(method, path, json=body, headers=bearer(other))).status_code == 403
    async with served(tmp_path, host.deployments, "") as http:
        answer = await http.request(method, path, json=body)
        assert (answer.status_code, "scope deploy" in answer.json()["detail"]) == (401, True)
    assert host.groups() == before


@pytest.mark.parametrize(("method", "path"), [(method, path) for method, path, body in CHANGES if body])
async def test_a_body_is_read_after_the_key_and_is_limited(tmp_path: Path, host: Host, method: str, path: str) -> None:
    key = bearer(key_for(tmp_path, "deploy"))
    async with served(tmp_path, host.deployments) as http:
        assert (await http.request(method, path, content="{")).status_code == 401
        assert (await http.request(method, path, content="{", headers=key)).status_code == 422
        assert (await http.request(method, path, content=b" " * 20_000, headers=key)).status_code == 413


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
async def test_a_key_for_other_agents_changes_nothing(
    tmp_path: Path, host: Host, method: str, path: str, body: Any
) -> None:
    key = key_for(tmp_path, "deploy", agents=("day-desk",))
    async with served(tmp_path, host.deployments) as http:
        assert (await http.request(method, path, json=body, headers=bearer(key))).status_code == 403
        assert (await http.get("/deployments", headers=bearer(key))).json() == []
        assert (await http.post("/reload", headers=bearer(key))).status_code == 403


async def test_a_key_for_one_agent_deploys_that_one_alone(tmp_path: Path, host: Host) -> None:
    own = bearer(key_for(tmp_path, "deploy", agents=("day-desk",), name="own"))
    two = bearer(key_for(tmp_path, "deploy", agents=("day-desk", "night-desk"), name="two"))
    async with served(tmp_path, host.deployments) as http:
        lines = await deployed(http, own, requirement="day-desk==2.0")
        assert lines[-1]["release"]["agent_id"] == "day-desk"
        assert lines[-1]["rollback"] is False, "it is the first"
        answer = await http.post("/deployments", params={"requirement": "day-desk==2.1"}, headers=two)
        assert (answer.status_code, "name one" in answer.json()["detail"]) == (422, True)


async def deployed(http: httpx2.AsyncClient, key: dict[str, str], **params: Any) -> list[dict[str, Any]]:
    answer = await http.post("/deployments", params=params, headers=key)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines() if line]


async def test_a_release_is_deployed_step_by_step_and_the_calls_are_moved(tmp_path: Path, host: Host) -> None:
    key = bearer(key_for(tmp_path, "deploy"))
    async with served(tmp_path, host.deployments) as http:
        *steps, last = await deployed(http, key, requirement="night-desk==1.1", percent=10)
        assert [(line["step"]["name"], line["step"]["state"]) for line in steps] == [
            *(("build", "started"), ("build", "done")),
            *(("start", "started"), ("start", "done")),
            *(("route", "started"), ("route", "done")),
        ]
        assert (last["kind"], last["release"]["name"], last["rollback"]) == ("deployed", "1.1", True)
        listed = (await http.get("/agents/night-desk/releases", headers=key)).json()
        assert [(each["name"], each["traffic"], each["rollback"]) for each in listed] == [
            ("1.0", 90, True),
            ("1.1", 10, False),
        ]
        split = await http.put("/agents/night-desk/traffic", json={"1.0": 50, "1.1": 50}, headers=key)
        assert [each["traffic"] for each in split.json()] == [50, 50]
        promoted = await http.post("/agents/night-desk/promote", json={"release": "1.1"}, headers=key)
        assert [each["traffic"] for each in promoted.json()] == [0, 100]
        back = await http.post("/agents/night-desk/rollback", headers=key)
        assert [each["traffic"] for each in back.json()] == [50, 50]
        named = await http.put("/agents/night-desk/aliases/staging", json={"release": "1.1"}, headers=key)
        assert [each["aliases"] for each in named.json()] == [[], ["staging"]]
        assert (await http.delete("/agents/night-desk/aliases/staging", headers=key)).status_code == 204
        assert (await http.put("/agents/night-desk/traffic", json={"1.0": 100}, headers=key)).status_code == 200
        assert (await http.delete("/agents/night-desk/releases/1.1", headers=key)).status_code == 204
        assert [each["name"] for each in (await http.get("/deployments", headers=key)).json()] == ["1.0"]


async def test_why_a_release_is_not_deployed_is_the_last_line(tmp_path: Path, host: Host) -> None:
    key = bearer(key_for(tmp_path, "deploy"))
    async with served(tmp_path, host.deployments) as http:
        host.fleet.broken.add("1.1")
        last = (await deployed(http, key, requirement="night-desk==1.1"))[-1]
        assert last == {
            "kind": "failed",
            "error": "agent night-desk is broken, it was not started: on_startup raised OSError",
            "hint": "start its database",
            "phase": "started",
        }


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("PUT", "/agents/night-desk/traffic", {"1.0": 10}, 422, "the shares add up to 10 %, not 100 %"),
        ("POST", "/agents/night-desk/promote", {"release": "9"}, 404, "night-desk has no release or alias '9'"),
        ("POST", "/agents/night-disk/rollback", None, 404, "there is no agent 'night-disk'"),
        ("POST", "/agents/night-desk/rollback", None, 422, "the traffic of night-desk was not changed"),
        ("DELETE", "/agents/night-desk/releases/1.0", None, 409, "is installed beside the host"),
        ("DELETE", "/agents/night-desk/aliases/canary", None, 404, "night-desk has no alias 'canary'"),
        ("POST", "/deployments?requirement=x==1&agent=forbidden", None, 422, "do not let the agent 'forbidden' run"),
        ("POST", "/deployments", None, 422, "give either a `requirement`"),
        ("POST", "/deployments?filename=notes.txt", None, 422, "'notes.txt' is neither a wheel"),
        ("POST", "/deployments?filename=..%2Fa.whl", None, 422, "is neither a wheel"),
        ("POST", "/deployments?filename=a-1-py3-none-any.whl", None, 422, "a-1-py3-none-any.whl is empty"),
    ],
)
async def test_what_is_impossible_is_refused_in_words(
    tmp_path: Path, host: Host, method: str, path: str, body: Any, status: int, words: str
) -> None:
    key = bearer(key_for(tmp_path, "deploy"))
    async with served(tmp_path, host.deployments) as http:
        answer = await http.request(method, path, json=body, headers=key)
        assert (answer.status_code, words in answer.json()["detail"]) == (status, True), answer.text
    assert host.traffic() == {"1.0": 100}
    assert list(host.deployments.uploads.glob("*")) == []


async def test_a_second_change_of_an_agent_is_refused_at_once(tmp_path: Path, host: Host) -> None:
    key = bearer(key_for(tmp_path, "deploy"))
    host.environments.may_build.clear()
    async with served(tmp_path, host.deployments) as http, asyncio.TaskGroup() as tasks:
        params = {"requirement": "night-desk==1.1", "agent": "night-desk"}
        first = tasks.create_task(http.post("/deployments", params=params, headers=key))
        await host.environments.building.wait()
        for answer in (
            await http.post("/deployments", params=params, headers=key),
            await http.post("/agents/night-desk/rollback", headers=key),
        ):
            assert answer.status_code == 409
            assert answer.json()["detail"] == "night-desk cannot be changed now: night-desk==1.1 is being deployed"
            assert answer.json()["hint"] == "try again when that is over"
        host.environments.may_build.set()
    assert json.loads(first.result().text.splitlines()[-1])["kind"] == "deployed"


@pytest.mark.parametrize("moment", ["build", "start"])
async def test_a_deployment_whose_client_goes_away_is_undone(
    tmp_path: Path, host: Host, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = bearer(key_for(tmp_path, "deploy"))
    waits, begun = {
        "build": (host.environments.may_build, host.environments.building),
        "start": (host.fleet.may_launch, host.fleet.launching),
    }[moment]
    waits.clear()
    begun.clear()
    ended = asyncio.Event()
    begin = host.deployments.begin

    def beginning(*arguments: Any, **options: Any) -> asyncio.Task[Any]:
        task = begin(*arguments, **options)
        task.add_done_callback(lambda _: ended.set())
        return task

    monkeypatch.setattr(host.deployments, "begin", beginning)
    async with served(tmp_path, host.deployments) as http:
        params = {"requirement": "night-desk==1.1"}
        async with http.stream("POST", "/deployments", params=params, headers=key) as answer:
            await anext(answer.aiter_lines())
            await begun.wait()
        async with asyncio.timeout(20):
            await ended.wait()
        assert host.groups() == {("1.0", "production")}
        assert not host.folders
        waits.set()
        assert (await deployed(http, key, requirement="night-desk==1.1"))[-1]["kind"] == "deployed"


async def test_a_silent_step_keeps_the_connection_alive(
    tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release_routes, "KEEPALIVE_S", 0.05)
    key = bearer(key_for(tmp_path, "deploy"))
    host.environments.may_build.clear()
    async with served(tmp_path, host.deployments) as http:
        params = {"requirement": "night-desk==1.1"}
        async with http.stream("POST", "/deployments", params=params, headers=key) as answer:
            lines = answer.aiter_lines()
            assert json.loads(await anext(lines))["kind"] == "step"
            assert await anext(lines) == ""
            host.environments.may_build.set()
            assert json.loads([line async for line in lines][-1])["kind"] == "deployed"


async def test_a_host_without_deployments_says_why(tmp_path: Path) -> None:
    key = bearer(key_for(tmp_path, "deploy"))
    async with served(tmp_path, "all agents run in its own process") as http:
        for method, path, body in [*CHANGES, *WITHOUT_AGENT[:1]]:
            answer = await http.request(method, path, json=body, headers=key)
            assert (answer.status_code, answer.json()["detail"]) == (409, "all agents run in its own process")


# --- uploads ---------------------------------------------------------------------------------------------------------


async def body(data: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def archive(*members: tuple[str, bytes | str]) -> bytes:
    """Return an archive of files with contents, and of symbolic links with targets."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


@pytest.mark.parametrize("prefix", ["", "./", "night-desk-1.0/"])
async def test_an_archive_is_a_source_folder(tmp_path: Path, prefix: str) -> None:
    data = archive((f"{prefix}pyproject.toml", b"[project]"), (f"{prefix}src/desk.py", b"x = 1"))
    package = await receive_package(body(data), "night-desk.tar.gz", tmp_path)
    assert isinstance(package, SourceFolder)
    assert (package.path / "pyproject.toml").read_text() == "[project]"
    assert (package.path / "src/desk.py").read_text() == "x = 1"


@pytest.mark.parametrize(
    "data",
    [
        archive(("../outside", b"x")),
        archive(("link", "../.."), ("link/outside", b"x")),
        archive(("pyproject.toml", Random(1).randbytes(20_000)))[:-5000],
        b"no archive at all",
    ],
    ids=["above", "through a link", "cut off", "no archive"],
)
async def test_a_bad_archive_is_refused_and_nothing_written_elsewhere(tmp_path: Path, data: bytes) -> None:
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    with pytest.raises(DeployRefused, match=r"night-desk\.tar\.gz cannot be unpacked"):
        await receive_package(body(data), "night-desk.tar.gz", folder)
    assert list(tmp_path.rglob("outside")) == []  # noqa: ASYNC240


async def test_an_upload_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_UPLOAD_BYTES", 5000)
    with pytest.raises(DeployRefused, match=r"a-1-py3-none-any\.whl has more than"):
        await receive_package(body(bytes(6000)), "a-1-py3-none-any.whl", tmp_path)
    monkeypatch.setattr(uploads, "MAX_UNPACKED_BYTES", 5000)
    with pytest.raises(DeployRefused, match="unpacks to too much"):
        await receive_package(body(archive(("a", bytes(6000)))), "a.tar.gz", tmp_path)
