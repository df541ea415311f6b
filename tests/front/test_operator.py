"""Routes that need a key even where authentication is off, the Unix socket, and how commands reach a running host."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx2
import pytest
import typer
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from typer.testing import CliRunner

from tests.calls.studio import serving
from tests.front.hosting import running
from tests.front.test_authorization import TOML, bearer, key_for
from tests.front.test_process import process
from tests.ports import free_port
from voice_host.auth.authentication import build_authentication
from voice_host.cli.host_client import HostError, RunningHost, of_running_host, reach
from voice_host.fleet.service import CannotServe
from voice_host.front.authorization import Authorization
from voice_host.front.data_directory import open_data_directory
from voice_host.front.process import HostServer
from voice_host.settings import Settings, load_settings

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Unix sockets")


def operated(settings: Settings) -> FastAPI:
    """An application with routes as deployments have them."""
    app = FastAPI()
    authorization = Authorization(build_authentication(settings))

    @app.api_route("/agents/{agent_id}/releases", methods=["GET", "POST"])
    async def releases(request: Request, agent_id: str) -> list[str]:
        await authorization.operator(request, "deploy", agent_id=agent_id)
        return [agent_id]

    @app.post("/deployments")
    async def deploy(request: Request) -> StreamingResponse:
        principal = await authorization.operator(request, "deploy")
        agent_id = (await request.body()).decode()
        authorization.require_agent(request, principal, "deploy", agent_id)

        async def steps() -> AsyncIterator[str]:
            for step in ("build", "check", "start"):
                yield f'{{"step": "{step}"}}\n'

        return StreamingResponse(steps(), media_type="application/x-ndjson")

    return app


def settings_in(folder: Path, toml: str = "", **environ: str) -> Settings:
    file = folder / "voice-host.toml"
    file.write_text(toml, encoding="utf-8")
    return load_settings(file, environ)


@asynccontextmanager
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    async with serving(app) as address, httpx2.AsyncClient(base_url=f"http://{address}") as http:
        yield http


@asynccontextmanager
async def listening(folder: Path, app: FastAPI | None = None, toml: str = "") -> AsyncIterator[Settings]:
    """Serve an application on the socket in a data directory, in this process."""
    settings = settings_in(folder, toml)
    started = asyncio.Event()
    opened = open_data_directory(settings)
    data = await asyncio.to_thread(opened.__enter__)
    try:
        async with running(folder, toml) as r:
            server = HostServer(app or operated(settings), r.agents, r.settings, started.set, data=data)
            served = asyncio.create_task(server.serve(sockets=[]))
            try:
                await started.wait()
                yield settings
            finally:
                server.should_exit = True
                await served
    finally:
        await asyncio.to_thread(opened.__exit__, None, None, None)


# --- over TCP -----------------------------------------------------------------------------------------------------


async def test_without_authentication_nobody_deploys_over_tcp(tmp_path: Path) -> None:
    async with client(operated(settings_in(tmp_path))) as http:
        for headers in ({}, bearer("vh_guessed")):
            answer = await http.get("/agents/desk/releases", headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert "[auth] keys_file" in answer.json()["detail"]


async def test_a_key_deploys_what_it_is_for(tmp_path: Path) -> None:
    keys = {
        "plain": key_for(tmp_path, "calls", "tokens", "metrics"),
        "desk": key_for(tmp_path, "deploy", agents=("desk",)),
        "all": key_for(tmp_path, "deploy"),
        "admin": key_for(tmp_path, "admin"),
    }
    expected = {"plain": (403, 403), "desk": (200, 403), "all": (200, 200), "admin": (200, 200)}
    async with client(operated(settings_in(tmp_path, TOML))) as http:
        assert (await http.get("/agents/desk/releases")).status_code == 401
        for name, statuses in expected.items():
            for agent_id, status in zip(("desk", "sales"), statuses, strict=True):
                by_path = await http.get(f"/agents/{agent_id}/releases", headers=bearer(keys[name]))
                assert by_path.status_code == status, name
                by_body = await http.post("/deployments", content=agent_id, headers=bearer(keys[name]))
                assert by_body.status_code == status, name
                if status == 403:
                    assert "insufficient_scope" in by_body.headers["www-authenticate"]


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},  # an image, which has no Origin
        {"sec-fetch-site": "same-site"},
    ],
)
async def test_a_page_of_another_site_does_not_deploy_even_with_a_key(tmp_path: Path, headers: dict[str, str]) -> None:
    key = key_for(tmp_path, "deploy")
    toml = TOML + '[server]\nallowed_origins = ["*"]\n'
    async with client(operated(settings_in(tmp_path, toml))) as http:
        assert (await http.get("/agents/desk/releases", headers=bearer(key) | headers)).status_code == 403
        own = {"origin": str(http.base_url), "sec-fetch-site": "same-origin"}
        assert (await http.get("/agents/desk/releases", headers=bearer(key) | own)).status_code == 200


# --- over the Unix socket -----------------------------------------------------------------------------------------


def unix(settings: Settings) -> httpx2.AsyncClient:
    transport = httpx2.AsyncHTTPTransport(uds=str(settings.operator_socket))
    return httpx2.AsyncClient(transport=transport, base_url="http://localhost")


async def test_files_decide_who_is_the_operator(tmp_path: Path) -> None:
    async with listening(tmp_path) as settings, unix(settings) as http:
        assert stat.S_IMODE(settings.data_dir.stat().st_mode) == 0o700
        assert stat.S_IMODE(settings.operator_socket.stat().st_mode) == 0o600
        assert stat.S_IMODE(settings.operator_token_file.stat().st_mode) == 0o600
        token = settings.operator_token_file.read_text().strip()
        assert (await http.get("/agents/desk/releases", headers=bearer(token))).status_code == 200
        for wrong in ({}, bearer(token[:-1]), {"authorization": "Bearer ö".encode("latin-1")}):
            assert (await http.get("/agents/desk/releases", headers=wrong)).status_code == 401
        evil = bearer(token) | {"origin": "https://evil.example"}
        assert (await http.get("/agents/desk/releases", headers=evil)).status_code == 403
    assert not settings.operator_socket.exists()
    assert not settings.operator_token_file.exists()


async def test_the_token_of_the_socket_is_worth_nothing_over_tcp(tmp_path: Path) -> None:
    app = operated(settings_in(tmp_path))
    async with listening(tmp_path, app) as settings, client(app) as http:
        token = settings.operator_token_file.read_text().strip()
        assert (await http.get("/agents/desk/releases", headers=bearer(token))).status_code == 401


AS_NOBODY = """
import os, socket, sys
os.chdir(sys.argv[1])
os.setuid(65534)
with socket.socket(socket.AF_UNIX) as client:
    client.connect("host.sock")
    lines = ("GET /agents/desk/releases HTTP/1.0", "host: localhost", f"authorization: Bearer {sys.argv[2]}", "", "")
    client.sendall("\\r\\n".join(lines).encode())
    print(client.recv(100).split()[1].decode())
"""


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can be another user")
async def test_another_user_is_not_the_operator_even_with_the_token(tmp_path: Path) -> None:
    async with listening(tmp_path) as settings:
        token = settings.operator_token_file.read_text().strip()
        settings.data_dir.chmod(0o711)
        settings.operator_socket.chmod(0o666)
        arguments = [sys.executable, "-c", AS_NOBODY, str(settings.data_dir), token]
        done = await asyncio.to_thread(subprocess.run, arguments, capture_output=True, text=True)
        assert done.stdout == "401\n", done.stderr


async def test_commands_find_the_host_of_their_settings(tmp_path: Path) -> None:
    async with listening(tmp_path) as settings, reach(settings) as host:
        assert await host.ask("GET", "/agents/desk/releases") == ["desk"]
        steps = [line["step"] async for line in host.stream("POST", "/deployments", data="desk")]
        assert steps == ["build", "check", "start"]
        with pytest.raises(HostError) as missing:
            await host.ask("GET", "/nothing")
        assert (missing.value.status, str(missing.value)) == (404, "Not Found")


async def test_commands_reach_a_host_by_its_address(tmp_path: Path) -> None:
    key = key_for(tmp_path, "deploy", agents=("desk",))
    settings = settings_in(tmp_path, TOML)
    async with serving(operated(settings)) as address:
        for url in (address, f"http://{address}/", f"ws://{address}"):
            async with reach(Settings(), url, key) as host:
                assert await host.ask("GET", "/agents/desk/releases") == ["desk"]
                with pytest.raises(HostError, match="another agent") as refused:
                    await host.ask("GET", "/agents/sales/releases")
                assert "--token" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://example.com", "not the address of a host"),
        ("http://[::1", "not the address of a host"),
        ("http://user:secret@localhost:8000/agents", "has no path"),
        ("http://127.0.0.1:{free_port}", "no host is running at"),
    ],
)
async def test_an_address_without_a_host(url: str, message: str) -> None:
    with pytest.raises(HostError, match=message) as error:
        async with reach(Settings(), url.replace("{free_port}", str(free_port()))) as host:
            await host.ask("GET", "/agents")
    assert "secret" not in f"{error.value} {error.value.hint}"
    assert error.value.hint


async def test_what_answers_may_be_no_host(tmp_path: Path) -> None:
    app = FastAPI()

    @app.get("/text")
    async def text() -> Any:
        return StreamingResponse(iter(["hello\n"]), media_type="text/plain")

    async with serving(app) as address, reach(Settings(), address) as host:
        with pytest.raises(HostError, match="not one of a host's"):
            await host.ask("GET", "/text")
        with pytest.raises(HostError, match="not one of a host's"):
            _ = [line async for line in host.stream("GET", "/text")]


@pytest.fixture
def verb() -> Callable[..., Any]:
    """Run a command of a running host."""
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    @of_running_host
    async def releases(
        host: RunningHost, agent_id: Annotated[str, typer.Argument(metavar="ID")], times: int = 1
    ) -> None:
        """List releases."""
        typer.echo(f"{await host.ask('GET', f'/agents/{agent_id}/releases')} {times} {host.where}")

    return lambda *arguments, **environ: CliRunner().invoke(app, arguments, env=environ)


async def test_a_command_has_the_options_that_name_the_host(tmp_path: Path, verb: Callable[..., Any]) -> None:
    async with listening(tmp_path) as settings:
        done = await asyncio.to_thread(verb, "desk", "--times", "2", "--config", str(settings.path))
        assert (done.output, done.exit_code) == (f"['desk'] 2 {settings.operator_socket}\n", 0)
    shown = verb("--help").output
    assert all(option in shown for option in ("--url", "--token", "--config", "--times", "List releases"))


def test_no_host_is_running_here(tmp_path: Path, verb: Callable[..., Any]) -> None:
    config = settings_in(tmp_path).path
    done = verb("desk", "--config", str(config))
    assert done.exit_code == 1
    assert f"no host is running here: there is no {tmp_path / 'voice-host-data'}" in done.output
    assert "voice-host serve" in done.output
    done = verb("desk", "--config", str(config), VOICE_HOST_URL="ftp://x")
    assert "not the address of a host" in done.output


async def test_a_socket_that_a_dead_host_left_is_no_host(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    settings.data_dir.mkdir()
    settings.operator_token_file.write_text("old\n")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(settings.operator_socket))
    with pytest.raises(HostError, match="no host is running here"):
        async with reach(settings) as host:
            await host.ask("GET", "/agents")
    async with listening(tmp_path), reach(settings) as host:  # the next host takes its place
        assert await host.ask("GET", "/agents/desk/releases") == ["desk"]


# --- the data directory -------------------------------------------------------------------------------------------


@contextmanager
def warned(caplog: pytest.LogCaptureFixture, settings: Settings) -> Iterator[str]:
    caplog.set_level(logging.WARNING)
    with open_data_directory(settings) as data:
        assert data is None
        [record] = caplog.records
        yield str(vars(record))


def in_file(folder: Path) -> Path:
    """A data directory that cannot be created, also not by root."""
    (folder / "voice-host-data").write_text("a file")
    return folder


def writable_by_all(folder: Path) -> Path:
    (folder / "voice-host-data").mkdir()
    (folder / "voice-host-data").chmod(0o777)
    return folder


@pytest.mark.parametrize(("prepare", "why"), [(in_file, "it is a file"), (writable_by_all, "any user")])
def test_a_default_directory_that_cannot_be_used_is_done_without_and_a_configured_one_is_fatal(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, prepare: Callable[[Path], Path], why: str
) -> None:
    prepare(tmp_path)
    with warned(caplog, settings_in(tmp_path)) as message:
        assert why in message
        assert "cannot be deployed" in message
    configured = settings_in(tmp_path, '[data]\ndir = "voice-host-data"\n')
    with pytest.raises(CannotServe, match=why) as error, open_data_directory(configured):
        pass
    assert "[data] dir" in error.value.hint


def test_two_hosts_do_not_share_a_data_directory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = settings_in(tmp_path)
    with open_data_directory(settings) as first:
        assert first is not None
        with warned(caplog, settings) as message:
            assert "another running host" in message
        assert settings.operator_token_file.read_text().strip() == first.token  # that of the first is still there
        assert settings.operator_socket.exists()
        with (
            pytest.raises(CannotServe, match="another running host"),
            open_data_directory(settings_in(tmp_path, '[data]\ndir = "voice-host-data"\n')),
        ):
            pass
    with open_data_directory(settings) as next_one:
        assert next_one is not None


def test_a_path_too_long_for_a_socket_costs_the_socket_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = settings_in(tmp_path, f'[data]\ndir = "{"d" * 120}"\n')
    with open_data_directory(settings) as data:
        assert data is not None
        assert data.listener is None
    [record] = caplog.records
    assert "its path has" in str(vars(record))


def test_the_host_serves_its_operator_until_it_ends(tmp_path: Path) -> None:
    (tmp_path / "voice-host.toml").write_text(TOML + f"[server]\nport = {free_port()}\n", encoding="utf-8")
    settings = load_settings(tmp_path / "voice-host.toml", {})

    async def ask(path: str) -> str:
        async with reach(settings) as host:
            return await host.ask_text("GET", path)

    with process("serve", cwd=tmp_path) as host:
        host.until("Talk to your agents at")
        assert "python_info" in asyncio.run(ask("/metrics"))  # needs a key over TCP
        host.signal(signal.SIGTERM)
        assert host.ended() == 0
    assert sorted(file.name for file in settings.data_dir.iterdir()) == ["host.lock"]
