"""`voice-host check`."""

import json
from typing import Any

from typer.testing import Result

from tests.cli.conftest import Run
from tests.plugins import HELLO, PluginFolder

LIFE = (
    HELLO
    + """
from pathlib import Path
from voice_host_sdk import LifecycleCallbacks

class Callbacks(LifecycleCallbacks):
    async def on_startup(self):
        print("starting")
        Path("started").touch()

    async def on_shutdown(self):
        Path("stopped").touch()

@hookimpl
def lifecycle_callbacks(settings):
    return Callbacks()
"""
)


def verdicts(result: Result) -> dict[str, dict[str, Any]]:
    return {verdict["id"]: verdict for verdict in json.loads(result.stdout)}


def test_an_agent_passes_every_phase(run: Run, plugins: PluginFolder) -> None:
    plugins.install("hello", LIFE, distribution="hello-agent")
    result = run("check", "hello", "--json")
    assert result.exit_code == 0
    verdict = verdicts(result)["hello"]
    assert verdict.pop("import_ms") > 0
    assert verdict == {
        "id": "hello",
        "distribution": "hello-agent",
        "version": "1.2.3",
        "phase": "started",
        "status": "ok",
        "error": None,
        "hint": None,
        "where": None,
        "warnings": [],
    }
    assert (plugins.path / "started").exists()
    assert (plugins.path / "stopped").exists()
    assert "starting" in result.stderr


def test_one_broken_agent_fails_the_check_and_the_others_are_still_checked(run: Run, plugins: PluginFolder) -> None:
    plugins.install("bad", "import sys; sys.exit(3)")
    plugins.install("good")
    plugins.install("old", requires=("voice-host-sdk<1",))
    plugins.install("shy", LIFE.replace('Path("stopped").touch()', "raise ValueError('no')"))
    result = run("check", "bad", "good", "old", "shy", "--json")
    assert result.exit_code == 1
    found = verdicts(result)
    assert {agent_id: (each["phase"], each["status"]) for agent_id, each in found.items()} == {
        "bad": ("imported", "broken"),
        "good": ("started", "ok"),
        "old": ("compatible", "broken"),
        "shy": ("stopped", "broken"),
    }
    assert "it called sys.exit(3)" in found["bad"]["error"]
    assert found["bad"]["where"].endswith("/__init__.py:1")


def test_the_table_for_people(run: Run, plugins: PluginFolder) -> None:
    plugins.install("bad", HELLO.replace("agent_config", "agent_confg"))
    result = run("check", "bad")
    line = " ".join(result.stdout.splitlines()[1].split())
    assert result.exit_code == 1
    assert line.startswith("bad registered broken ")
    assert line.endswith("there is no hook 'agent_confg' - did you mean 'agent_config'?")


def test_an_unknown_agent_is_an_error_that_lists_the_known_ones(run: Run, plugins: PluginFolder) -> None:
    plugins.install("hello")
    near, far = run("check", "helo"), run("check", "xyz")
    assert (near.exit_code, far.exit_code) == (2, 2)
    assert "no agent 'helo' is installed; did you mean 'hello'?" in near.stderr
    assert "known are front-desk, hello" in far.stderr


def test_an_agent_that_is_not_allowed_is_left_out_unless_it_is_asked_for(run: Run, plugins: PluginFolder) -> None:
    plugins.install("bad", "raise RuntimeError('imported')")
    plugins.install("good")
    environ = {"VOICE_HOST_AGENTS__ALLOW": "good"}
    everything, named = run("check", "--json", **environ), run("check", "bad", "--json", **environ)
    assert everything.exit_code == 0
    assert verdicts(everything)["bad"]["status"] == "not allowed"
    assert verdicts(everything)["bad"]["import_ms"] is None
    assert named.exit_code == 1
    assert verdicts(named)["bad"]["phase"] == "allowed"


def test_a_required_agent_that_is_absent_or_not_allowed_fails_the_check(run: Run, plugins: PluginFolder) -> None:
    plugins.install("good")
    plugins.install("needed")
    result = run("check", "--json", VOICE_HOST_AGENTS__ALLOW="good", VOICE_HOST_AGENTS__REQUIRED="gone,needed")
    assert result.exit_code == 1
    found = verdicts(result)
    assert (found["good"]["status"], found["gone"]["status"], found["needed"]["status"]) == ("ok", "broken", "broken")
    assert "error: VOICE_HOST_AGENTS__REQUIRED: no agent 'gone' is installed" in result.stderr


def test_a_pin_that_clashes_with_the_hosts_is_flagged(run: Run, plugins: PluginFolder) -> None:
    plugins.install("pinned", requires=("voice-host-sdk>=1,<2", "pydantic==2.0.1"))
    result = run("check", "pinned")
    assert result.exit_code == 0
    assert "warning: pinned: it pins pydantic==2.0.1, but 2." in result.stderr


def test_the_agents_own_settings_reach_it(run: Run, plugins: PluginFolder) -> None:
    plugins.install("picky", HELLO.replace('settings.get("greeting", "Hello!")', 'settings["greeting"]'))
    assert run("check", "picky").exit_code == 1
    assert run("check", "picky", VOICE_HOST_AGENT__PICKY__SETTINGS__GREETING="Hi").exit_code == 0
