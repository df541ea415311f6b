"""`voice-host dev` as a process: saves that are good, saves that are bad, and its end."""

import asyncio
import json
import os
import re
import signal
import socket
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.cli.conftest import Run, plugins, run
from tests.dev.project import BAD, GOOD, PYPROJECT, Project, developing
from tests.processes import descendants, is_running
from voice_host.dev.process import Child
from voice_host.dev.source import read_tree
from voice_host.dev.supervisor import Supervisor

__all__ = ["plugins", "run"]

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="signals"),
    pytest.mark.timeout(180),
]

COMPLAINING = """
from voice_host_sdk import LifecycleCallbacks

class Callbacks(LifecycleCallbacks):
    async def on_session_created(self, session):
        raise ValueError("out of cones")

@hookimpl
def lifecycle_callbacks(settings):
    return Callbacks()
"""


def broken(entry: dict[str, object]) -> bool:
    return entry["status"] == "broken"


def ready(entry: dict[str, object]) -> bool:
    return entry["status"] == "ready"


FROM_ENV = GOOD.replace('version("ice-cream")', "f\"{os.environ.get('FLAVOUR')} {settings.get('cone')}\"").replace(
    "from importlib", "import os\nfrom importlib"
)


def test_the_env_file_is_read_and_saving_it_starts_the_agent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHON_DOTENV_DISABLED")
    project = Project(tmp_path / "project")
    project.save(FROM_ENV)
    env_file = tmp_path / ".env"  # where the command is run
    cone = "VOICE_HOST_AGENT__ICE_CREAM__SETTINGS__CONE"
    env_file.write_text(f"FLAVOUR=lemon\n{cone}=sugar\n", encoding="utf-8")
    with developing(project, "--no-open") as dev:
        assert dev.agent()["description"] == "lemon sugar"
        env_file.write_text(f"FLAVOUR=plum\n{cone}=waffle\n", encoding="utf-8")
        dev.until(lambda entry: entry["description"] == "plum waffle")


def test_a_bad_save_shows_its_error_and_the_next_good_one_recovers(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    opened = tmp_path / "opened"
    with developing(project, browser=f"sh -c 'echo \"$0\" >> {opened}'") as dev:
        first = dev.agent()
        assert (first["status"], first["description"], first["version"]) == ("ready", "3.2.1", "3.2.1")
        with urllib.request.urlopen(f"{dev.url}/agents", timeout=10) as answer:
            link = answer.headers["link"]
        assert re.fullmatch(r'<dev/restart\?of=\d+>; rel="monitor"', link)

        with connect(f"{dev.url.replace('http', 'ws')}/agents/ice-cream/session") as call:
            assert json.loads(call.recv())["type"] == "ready"
            project.save(BAD)
            with suppress(ConnectionClosed):
                while True:
                    call.recv()
            assert call.close_code == 4504

        entry = dev.until(broken)
        assert entry["phase"] == "configured"
        assert "name 'AgentConfg' is not defined" in entry["error"]
        assert entry["where"] == "ice_cream/__init__.py:11"
        dev.until_said("ice_cream/__init__.py:11")
        place = f'File "{project.package / "__init__.py"}", line 11, in agent_config'
        assert place in entry["traceback"]
        dev.until_said(place)
        dev.until_said("return AgentConfg(title=")
        assert "/voice_host/" not in dev.output, "the frames are the agent's own"
        dev.until_said("next: correct it and save")
        assert "voice-host check" not in dev.output, "the agent need not be installed, and is not"

        monitor = f"{dev.url}/{link[1 : link.index('>')]}"
        with urllib.request.urlopen(monitor, timeout=10) as answer:
            assert answer.status == 205, "who missed the restart is told at once"

        project.save("import sys\nsys.exit('on import')")
        assert "sys.exit" in dev.until(lambda entry: entry.get("phase") == "imported")["error"]

        project.save(GOOD)
        dev.until(ready)
        dev.until_said("ice-cream is ready")

        project.pyproject.write_text("[project", encoding="utf-8")
        assert "pyproject.toml cannot be read" in dev.until(broken)["error"]
        project.pyproject.write_text(PYPROJECT, encoding="utf-8")
        dev.until(ready)
        assert opened.read_text(encoding="utf-8") == f"{dev.url.replace('127.0.0.1', 'localhost')}\n"

        processes, before = list(descendants(dev.process.pid)), len(dev.output)
        dev.process.send_signal(signal.SIGINT)
        assert dev.ended() == 0
        assert "Traceback" not in dev.output[before:]
        assert "draining" not in dev.output
        assert [pid for pid in processes if is_running(pid)] == []


def test_an_agent_that_takes_its_process_down_is_shown_as_broken(tmp_path: Path) -> None:
    project = Project(tmp_path / "project", layout=".")
    with developing(project) as dev:
        project.save("import os\nos._exit(7)")
        assert dev.until(broken)["error"] == "the agent's process ended with exit code 7"
        project.save(GOOD + COMPLAINING)
        dev.until(ready)
        with connect(f"{dev.url.replace('http', 'ws')}/agents/ice-cream/session"):
            dev.until_said("ValueError: out of cones")  # a developer may read what an exception says


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
async def test_a_waiting_child_that_was_killed_with_the_serving_one_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(tmp_path / "project")
    # As it is until the event loop has heard of a death.
    monkeypatch.setattr(Child, "alive", True)
    spawned: list[Child] = []
    both = asyncio.Event()
    start = Child.start

    async def started(listener: socket.socket) -> Child:
        spawned.append(await start(listener))
        if len(spawned) == 2:
            both.set()
        return spawned[-1]

    monkeypatch.setattr(Child, "start", started)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/agents"
        supervisor = asyncio.create_task(Supervisor(read_tree(project.folder), None, listener, None).run())
        async with httpx2.AsyncClient(timeout=60) as client:
            assert ready((await client.get(url)).json()[0])
            await both.wait()
            for child in reversed(spawned):
                child.kill()
                await child.wait()
            answer = await client.get(url)
        [entry] = answer.json()
        assert broken(entry)
        assert "the agent's process ended by signal 9" in entry["error"]
        assert len(spawned) > 2
        assert not supervisor.done()
        supervisor.cancel()
        with suppress(asyncio.CancelledError):
            await supervisor


def test_no_child_outlives_a_parent_that_is_killed(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    with developing(project) as dev:
        _, *orphans = descendants(dev.process.pid)
        assert orphans
        dev.process.kill()
        dev.ended()
        dev.wait(lambda: not any(map(is_running, orphans)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["nowhere"], "nowhere does not exist"), (["."], "declares no agent"), ([".", "--port", "70000"], "--port")],
)
def test_what_cannot_be_run_is_refused(run: Run, tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n', encoding="utf-8")
    if "--port" in arguments:
        Project(tmp_path / "project")
        arguments = ["project", *arguments[1:]]
    result = run("dev", *arguments)
    assert result.exit_code == 2
    assert "error: " in result.stderr
    assert message in result.stderr
