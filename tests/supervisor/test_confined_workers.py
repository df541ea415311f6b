"""What the code of an agent can see and open in its worker, on a real host."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection

from tests.front.test_authorization import key_for
from tests.supervisor.hosts import PROVIDERS, TELLING, Host, greeting, serving
from voice_host.cli.host_client import HostError, reach
from voice_host.settings import load_settings
from voice_host.workers.confinement import landlock_version

if sys.platform != "linux":
    pytest.skip("workers are processes of Linux", allow_module_level=True)

import pwd

pytestmark = pytest.mark.xdist_group("confined workers")  # one host for all of them

needs_landlock = pytest.mark.skipif(landlock_version() == 0, reason="this kernel has no Landlock")

NOSY = """
import json, os, signal, socket
from pathlib import Path
from voice_host_sdk import AgentConfig, LifecycleCallbacks, hookimpl

def tried(function):
    try:
        return function()
    except BaseException as error:
        return type(error).__name__

def parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])

def command(data):
    with socket.socket(socket.AF_UNIX) as host:
        host.connect(str(data / "host.sock"))
        host.sendall(b"GET /metrics HTTP/1.0\\r\\nhost: localhost\\r\\n\\r\\n")
        return host.recv(100).split()[1].decode()

def look(settings):
    folder = Path(settings["folder"])
    data = folder / "voice-host-data"
    front = os.getppid() if "LAUNCHED" in os.environ else parent(os.getppid())  # beyond the zygote
    reading = {name: (lambda name=name: len((folder / name).read_bytes())) for name in
               ("voice-host.toml", ".env", "keys.json", "keys.json.token-secret", "other-token",
                "voice-host-data/host.token", "menu/today")}
    return {
        "pid": os.getpid(),
        "ids": [os.getuid(), os.getgid()],
        "environ": dict(os.environ),
        "started with": tried(lambda: Path("/proc/self/environ").read_bytes().decode()),
        **{name: tried(function) for name, function in reading.items()},
        "data": tried(lambda: len(os.listdir(data))),
        "write": tried(lambda: (folder / "menu" / "written").write_text("x")),
        "temporary": tried(lambda: __import__("tempfile").TemporaryFile().write(b"x")),
        "command": tried(lambda: command(data)),
        "environ of the front": tried(lambda: len(Path(f"/proc/{front}/environ").read_bytes())),
        "memory of the front": tried(lambda: open(f"/proc/{front}/mem", "rb").close()),
        "signal": tried(lambda: os.kill(front, 0)),
    }

class Callbacks(LifecycleCallbacks):
    def __init__(self, settings):
        self.settings = settings
    async def on_session_starting(self, session, config):
        return config.model_copy(update={"greeting": json.dumps(look(self.settings))})

@hookimpl
def agent_config(settings):
    return AgentConfig(title="Nosy")

@hookimpl
def lifecycle_callbacks(settings):
    return Callbacks({"folder": settings["folder"]})
"""

SECRET = "the-crm-token-of-another-agent"
MISSING = "import os\nTOKEN = os.environ['CRM_TOKEN']\n" + TELLING
IS_ROOT = sys.platform == "linux" and os.geteuid() == 0
AGENTS = {
    "telling": TELLING,
    "plain": NOSY,
    "locked": NOSY,
    "writing": NOSY,
    "nobody": NOSY if IS_ROOT else TELLING,
    "unknown": TELLING,
    "rooted": TELLING,
    "missing": MISSING,
    "launched": NOSY if landlock_version() else TELLING,
}

SETTINGS = """
[auth]
keys_file = "keys.json"
agents = "open"

[agent.telling.settings]
token = {{ env = "CRM_TOKEN" }}
password = {{ file = "other-token" }}

[agent.plain]
pass_env = ["SOME_*"]
settings = {{ folder = "{folder}" }}

[agent.locked]
landlock = true
read_paths = ["menu"]
settings = {{ folder = "{folder}" }}

[agent.writing]
landlock = true
write_paths = ["menu"]
settings = {{ folder = "{folder}" }}

[agent.nobody]
{nobody}
settings = {{ folder = "{folder}" }}

[agent.launched]
launcher = ["/usr/bin/env", "LAUNCHED=yes"]
{landlock}
settings = {{ folder = "{folder}" }}

[agent.unknown]
user = "no-such-user"

[agent.rooted]
user = "root"
"""

CLOSED = (
    *("voice-host.toml", ".env", "keys.json", "keys.json.token-secret", "other-token", "voice-host-data/host.token"),
    *("data", "environ of the front", "memory of the front", "signal"),
)


@dataclass
class Watched:
    """A host with agents that look around, and one that has secrets."""

    host: Host
    key: str
    file: Path

    def call(self, agent_id: str) -> ClientConnection:
        return self.host.call(agent_id, {"authorization": f"Bearer {self.key}"})

    def seen_by(self, agent_id: str) -> dict[str, Any]:
        """Return what an agent sees, while another one serves a call."""
        with self.call("telling") as other, self.call(agent_id) as nosy:
            seen = greeting(nosy)
            assert greeting(other)["settings"]["token"] == SECRET
            return seen

    def report(self, agent_id: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.key}"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.host.port}/agents", headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return next(agent for agent in json.load(answer) if agent["id"] == agent_id)


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    """What agents should not see is in a folder of its own, since they are installed in the other one."""
    with tempfile.TemporaryDirectory() as name:  # pytest's own are closed to other users
        folder = Path(name)
        folder.chmod(0o755)
        private, installed = folder / "private", folder / "installed"
        for each in (installed, private, private / "menu"):
            each.mkdir(mode=0o755)
        key = key_for(private, "calls", "metrics")
        settings = PROVIDERS + SETTINGS.format(
            folder=private,
            nobody='user = "nobody"' if IS_ROOT else "",
            landlock="landlock = true" if landlock_version() else "",
        )
        files = {".env": "FROM_FILE=1\n", "other-token": SECRET, "voice-host.toml": settings, "menu/today": "soup"}
        for file, text in files.items():
            (private / file).write_text(text, encoding="utf-8")
            (private / file).chmod(0o644 if file == "menu/today" else 0o600)
        environ = {"CRM_TOKEN": SECRET, "OPENAI_API_KEY": "openai", "SOME_KEY": "mine"}
        options = ("--config", str(private / "voice-host.toml"))
        with serving(installed, "", AGENTS, *options, **environ) as host:
            yield Watched(host, key, private / "voice-host.toml")


def test_a_worker_has_only_the_variables_that_its_agent_needs(watched: Watched) -> None:
    seen = watched.seen_by("plain")
    environ = seen["environ"]
    assert SECRET not in json.dumps(environ)
    assert environ["SOME_KEY"] == "mine"
    assert environ["OPENAI_API_KEY"] == "openai"  # any model is allowed
    assert [name for name in environ if name.startswith(("VOICE_HOST_", "ASSEMBLYAI", "FROM_FILE"))] == []
    assert not {"openai", "mine", SECRET} & set(re.split("[=\0]", seen["started with"]))


def test_a_worker_does_not_see_into_the_front_even_as_root(watched: Watched) -> None:
    seen = watched.seen_by("plain")
    assert (seen["environ of the front"], seen["memory of the front"]) == ("PermissionError", "PermissionError")


@pytest.mark.skipif(not IS_ROOT, reason="only root can read the memory of all processes")
def test_the_memory_of_a_worker_holds_no_secret_of_another_agent(watched: Watched) -> None:
    with watched.call("telling") as call:
        its_own = greeting(call)["pid"]
        others = watched.seen_by("plain")["pid"]
        zygote = int(re.findall(r"PPid:\s+(\d+)", Path(f"/proc/{others}/status").read_text(encoding="utf-8"))[0])
        assert in_memory(its_own, SECRET)
        assert not in_memory(others, SECRET)
        assert not in_memory(zygote, SECRET)


def in_memory(pid: int, text: str) -> bool:
    """Whether the memory of a process holds a text."""
    regions = re.findall(r"^(\w+)-(\w+) rw", Path(f"/proc/{pid}/maps").read_text(encoding="utf-8"), re.MULTILINE)
    with Path(f"/proc/{pid}/mem").open("rb") as memory:
        for begin, end in regions:
            memory.seek(int(begin, 16))
            if text.encode() in memory.read(int(end, 16) - int(begin, 16)):
                return True
    return False


@needs_landlock
def test_with_landlock_an_agent_opens_only_what_it_needs(watched: Watched) -> None:
    seen = watched.seen_by("locked")
    closed = CLOSED if landlock_version() >= 6 else CLOSED[:-1]  # signals are closed since then
    assert {name: seen[name] for name in closed} == dict.fromkeys(closed, "PermissionError")
    assert seen["menu/today"] == 4
    assert seen["write"] == "PermissionError"
    assert seen["temporary"] == 1
    assert seen["command"] == "401"  # the socket can be reached, but not the token beside it


@needs_landlock
def test_a_worker_that_a_launcher_starts_is_confined_before_it_is_python(watched: Watched) -> None:
    seen = watched.seen_by("launched")
    closed = CLOSED if landlock_version() >= 6 else CLOSED[:-1]
    assert {name: seen[name] for name in closed} == dict.fromkeys(closed, "PermissionError")
    assert seen["environ"]["LAUNCHED"] == "yes"
    assert not {"openai", SECRET} & set(re.split("[=\0]", seen["started with"]))


@needs_landlock
def test_with_landlock_paths_may_be_opened_for_writing(watched: Watched) -> None:
    seen = watched.seen_by("writing")
    assert (seen["menu/today"], seen["write"]) == (4, 1)
    assert seen["other-token"] == "PermissionError"


@pytest.mark.skipif(not IS_ROOT, reason="only root can run workers as another user")
def test_as_another_user_an_agent_opens_nothing_of_the_host(watched: Watched) -> None:
    seen = watched.seen_by("nobody")
    assert {name: seen[name] for name in CLOSED} == dict.fromkeys(CLOSED, "PermissionError")
    assert seen["command"] == "PermissionError"
    assert seen["ids"][0] == pwd.getpwnam("nobody").pw_uid
    assert seen["environ"]["HOME"] == pwd.getpwnam("nobody").pw_dir
    assert (seen["menu/today"], seen["write"]) == (4, "PermissionError")


@pytest.mark.parametrize(
    ("agent_id", "why"),
    [("unknown", "there is no system user 'no-such-user'"), ("rooted", "its user must not be root")],
)
def test_a_user_that_cannot_be_used_is_told(watched: Watched, agent_id: str, why: str) -> None:
    report = watched.report(agent_id)
    assert (report["status"], report["error"]) == ("broken", why)


def test_a_variable_that_a_worker_does_not_get_is_named(watched: Watched) -> None:
    report = watched.report("missing")
    assert "KeyError: 'CRM_TOKEN'" in report["error"]
    assert "pass_env" in report["hint"]
    assert '{ env = "CRM_TOKEN" }' in report["hint"]


def test_settings_that_cannot_be_met_are_told_on_reload_and_change_nothing(watched: Watched) -> None:
    before = watched.file.read_text(encoding="utf-8")
    settings = load_settings(watched.file, {"CRM_TOKEN": SECRET})

    async def reload() -> None:
        async with reach(settings) as host:
            await host.ask("POST", "/reload")

    try:
        watched.file.write_text(before.replace("[agent.plain]", '[agent.plain]\nuser = "gone"'), encoding="utf-8")
        with pytest.raises(HostError, match="there is no system user 'gone'; it continues with its former settings"):
            asyncio.run(reload())
    finally:
        watched.file.write_text(before, encoding="utf-8")
    assert watched.seen_by("plain")["environ"]["SOME_KEY"] == "mine"
