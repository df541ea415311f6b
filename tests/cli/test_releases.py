"""`voice-host deploy`, `releases`, `traffic` and the others, against a host that answers from a script."""

from __future__ import annotations

import io
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.sample_plugins import PluginFolder

RELEASES = [
    {
        "agent": "night-desk",
        "name": "1.3.0",
        "distribution": "night-desk",
        "version": "1.3.0",
        "deployed": None,
        "traffic": 90,
        "aliases": [],
        "status": "ready",
        "calls": 3,
        "rollback": True,
    },
    {
        "agent": "night-desk",
        "name": "1.4.0",
        "distribution": "night-desk",
        "version": "1.4.0",
        "deployed": "2026-01-02T03:04:05.678Z",
        "traffic": 10,
        "aliases": ["staging"],
        "status": "ready",
        "calls": 0,
        "rollback": False,
    },
]

STEPS = [
    {"kind": "step", "step": {"name": "install", "state": "started", "detail": "night-desk 1.4.0"}},
    {"kind": "step", "step": {"name": "install", "state": "done", "detail": "night-desk 1.4.0", "seconds": 1.25}},
]
DEPLOYED = {"kind": "deployed", "release": {"agent_id": "night-desk", "name": "1.4.0"}, "rollback": True}
FAILED = {"kind": "failed", "error": "it was not imported", "hint": "declare crm", "phase": "imported"}


class Asked:
    """What a host was asked, and what it answers."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, bytes]] = []
        self.answer: tuple[int, bytes] = (200, b"")
        self.cut = 0  # bytes of the answer that are announced and not sent
        self.url = ""

    def answers(self, body: Any, status: int = 200) -> None:
        lines = body if isinstance(body, list) and body and "kind" in body[0] else [body]
        self.answer = status, b"\n\n".join(json.dumps(line).encode() for line in lines) + b"\n"


@contextmanager
def answering() -> Iterator[Asked]:
    asked = Asked()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            asked.requests.append((self.command, self.path, self._body()))
            status, body = asked.answer
            self.send_response(status)
            self.send_header("content-length", str(len(body) + asked.cut))
            self.send_header("connection", "close")
            self.end_headers()
            self.wfile.write(body)

        def _body(self) -> bytes:
            if self.headers.get("transfer-encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("content-length", 0)))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        do_GET = do_POST = do_PUT = do_DELETE = _answer

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        asked.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield asked
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def host() -> Iterator[Asked]:
    with answering() as asked:
        yield asked


@pytest.mark.parametrize(
    ("arguments", "method", "path", "body"),
    [
        (["releases"], "GET", "/deployments", None),
        (["releases", "night-desk"], "GET", "/agents/night-desk/releases", None),
        (["promote", "night-desk", "staging"], "POST", "/agents/night-desk/promote", {"release": "staging"}),
        (
            ["promote", "night-desk", "1.4.0", "--to", "staging"],
            *("PUT", "/agents/night-desk/aliases/staging", {"release": "1.4.0"}),
        ),
        (["rollback", "night-desk"], "POST", "/agents/night-desk/rollback", None),
        (
            ["traffic", "night-desk", "1.3.0=90", "1.4.0=10%"],
            *("PUT", "/agents/night-desk/traffic", {"1.3.0": 90, "1.4.0": 10}),
        ),
    ],
)
def test_the_releases_are_shown_after_each_change(
    run: Run, host: Asked, arguments: list[str], method: str, path: str, body: Any
) -> None:
    host.answers(RELEASES)
    shown = run(*arguments, "--url", host.url)
    assert shown.exit_code == 0, shown.output
    assert [line.split() for line in shown.stdout.splitlines()[1:]] == [
        ["night-desk", "1.3.0", "production", "90", "%", "ready", "3", "installed"],
        ["night-desk", "1.4.0", "production,", "staging", "10", "%", "ready", "0", "2026-01-02", "03:04:05"],
    ]
    assert json.loads(run(*arguments, "--json", "--url", host.url).stdout) == RELEASES
    for asked_method, asked_path, asked_body in host.requests:
        assert (asked_method, asked_path) == (method, path)
        assert (json.loads(asked_body) if asked_body else None) == body


def test_an_alias_and_a_release_are_removed(run: Run, host: Asked) -> None:
    host.answer = 204, b""
    assert run("remove", "night-desk", "staging", "--url", host.url).stdout == "Removed staging of night-desk.\n"
    assert run("remove", "night-desk", "1.3.0", "--url", host.url).exit_code == 0
    assert [request[:2] for request in host.requests] == [
        ("DELETE", "/agents/night-desk/aliases/staging"),
        ("DELETE", "/agents/night-desk/releases/1.3.0"),
    ]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["1.3.0=90"], "the shares add up to 90 %, not 100 %"),
        (["1.3.0=90", "1.4.0=20"], "the shares add up to 110 %, not 100 %"),
        (["1.3.0=50", "1.3.0=50"], "1.3.0 has two shares"),
        (["1.3.0"], "'1.3.0' is not a share"),
        (["1.3.0=ten"], "'1.3.0=ten' is not a share"),
        (["1.3.0=1.5", "1.4.0=98.5"], "'1.3.0=1.5' is not a share"),
    ],
)
def test_shares_that_are_none_are_refused_before_the_host_is_asked(
    run: Run, host: Asked, arguments: list[str], error: str
) -> None:
    refused = run("traffic", "night-desk", *arguments, "--url", host.url)
    assert (refused.exit_code, error in refused.stderr) == (2, True), refused.output
    assert host.requests == []


@pytest.mark.parametrize(("status", "code"), [(404, 2), (409, 1), (422, 1)])
def test_what_the_host_refuses_is_printed_with_its_hint(run: Run, host: Asked, status: int, code: int) -> None:
    host.answers({"detail": "night-desk cannot be changed now", "hint": "try again when that is over"}, status)
    refused = run("rollback", "night-desk", "--url", host.url)
    assert refused.exit_code == code
    assert "error: night-desk cannot be changed now\n  next: try again when that is over\n" in refused.stderr


def test_a_value_that_the_host_does_not_accept_is_named_in_words(run: Run, host: Asked) -> None:
    problem = {"type": "value_error", "loc": ["path", "alias"], "msg": "Value error, 'We!rd' is not an alias"}
    host.answer = (422, json.dumps({"detail": [problem]}).encode())
    result = run("promote", "night-desk", "1.3.0", "--to", "We!rd", "--url", host.url)
    assert result.exit_code == 1
    assert result.stderr.strip() == "error: alias: 'We!rd' is not an alias"


def test_a_requirement_is_deployed_step_by_step(run: Run, host: Asked) -> None:
    host.answers([*STEPS, DEPLOYED])
    deployed = run("deploy", "night-desk==1.4.0", "--percent", "10", "--agent", "night-desk", "--url", host.url)
    assert deployed.exit_code == 0, deployed.output
    said = "Deployed night-desk 1.4.0. It gets 10 % of the new calls."
    assert deployed.stdout == f"{said} `voice-host rollback night-desk` goes back.\n"
    host.answers([*STEPS, DEPLOYED | {"rollback": False}])
    first = run("deploy", "night-desk==1.4.0", "--percent", "10", "--agent", "night-desk", "--url", host.url)
    assert first.stdout == f"{said}\n"
    host.requests.pop()
    assert "ok       1.3 s  install    night-desk 1.4.0" in deployed.stderr.replace("1.2 s", "1.3 s")
    [(method, path, body)] = host.requests
    assert (method, body) == ("POST", b"")
    assert path.startswith("/deployments?")
    assert {"agent=night-desk", "to=production", "percent=10"} <= set(path.partition("?")[2].split("&"))
    as_json = run("deploy", "night-desk==1.4.0", "--json", "--url", host.url)
    assert json.loads(as_json.stdout) == DEPLOYED["release"]


def test_why_a_deployment_failed_and_that_nothing_has_changed(run: Run, host: Asked) -> None:
    host.answers([*STEPS, FAILED])
    failed = run("deploy", "night-desk==1.4.0", "--url", host.url)
    assert failed.exit_code == 1
    assert "error: it was not imported\n  next: declare crm; nothing has changed\n" in failed.stderr


def test_a_host_that_stops_in_the_middle(run: Run, host: Asked) -> None:
    host.answers(STEPS)
    failed = run("deploy", "night-desk==1.4.0", "--url", host.url)
    assert (failed.exit_code, "the host stopped before the deployment was over" in failed.stderr) == (1, True)
    host.cut = 10
    failed = run("deploy", "night-desk==1.4.0", "--url", host.url)
    assert f"error: the connection to {host.url} broke off in the middle of the answer\n" in failed.stderr


def test_a_wheel_is_sent_as_it_is(run: Run, host: Asked, plugins: PluginFolder) -> None:
    host.answers([DEPLOYED])
    wheel = plugins.path / "night_desk-1.4.0-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    assert run("deploy", wheel.name, "--to", "staging", "--url", host.url).exit_code == 0
    [(_, path, body)] = host.requests
    assert body == b"a wheel"
    assert "filename=night_desk-1.4.0-py3-none-any.whl" in path


def test_of_a_folder_its_source_is_sent_and_no_secrets(run: Run, host: Asked, plugins: PluginFolder) -> None:
    host.answers([DEPLOYED])
    folder = plugins.path / "night desk"
    for name in (
        *("pyproject.toml", ".gitignore", "src/night_desk/__init__.py", "src/night_desk/build/rooms.json"),
        *(".env", ".git/config", ".venv/pyvenv.cfg", "env/pyvenv.cfg", "env/lib/x.py", "dist/old.whl"),
        *("src/night_desk/__pycache__/x.pyc", "night_desk.egg-info/PKG-INFO", "node_modules/x/index.js"),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    assert run("deploy", str(folder), "--url", host.url).exit_code == 0
    [(_, path, body)] = host.requests
    assert "filename=night-desk.tar.gz" in path
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        files = {member.name.removeprefix("./") for member in archive if member.isfile()}
    assert files == {"pyproject.toml", ".gitignore", "src/night_desk/__init__.py", "src/night_desk/build/rooms.json"}


@pytest.mark.parametrize("what", ["./nowhere", "nowhere.whl", "no requirement"])
def test_what_cannot_be_deployed_is_refused_before_the_host_is_asked(run: Run, host: Asked, what: str) -> None:
    refused = run("deploy", what, "--url", host.url)
    assert refused.exit_code == 2, refused.output
    assert host.requests == []


def test_reloading_names_the_agents_and_what_needs_a_restart(run: Run, host: Asked) -> None:
    host.answers({"changed": ["night-desk"], "taken_over": ["phone.numbers"], "needs_restart": ["server.port"]})
    reloaded = run("reload", "--url", host.url)
    assert reloaded.stdout == (
        "New settings for night-desk.\n"
        "Changed, and in effect: phone.numbers\n"
        "Changed, but only in effect after a restart of the host: server.port\n"
    )
    assert json.loads(run("reload", "--json", "--url", host.url).stdout)["changed"] == ["night-desk"]


def test_reloading_says_that_nothing_has_changed(run: Run, host: Asked) -> None:
    host.answers({"changed": [], "taken_over": [], "needs_restart": []})
    assert run("reload", "--url", host.url).stdout == "No settings have changed.\n"


def test_without_a_host_a_command_says_how_to_name_one(run: Run) -> None:
    failed = run("releases")
    assert (failed.exit_code, "no host is running here" in failed.stderr) == (1, True)
