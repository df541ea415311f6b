"""`voice-host agents`."""

import json
import shutil
import sys

from tests.cli.conftest import Run
from tests.environments import make_environment
from tests.sample_plugins import PluginFolder


def test_the_list_for_programs(run: Run, plugins: PluginFolder) -> None:
    module = plugins.install("hello", distribution="hello-agent")
    result = run("agents", "--json", VOICE_HOST_AGENTS__ALLOW="hello", VOICE_HOST_AGENTS__REQUIRED="hello")
    rows = {row["id"]: row for row in json.loads(result.stdout)}
    assert result.exit_code == 0
    assert rows["hello"] == {
        "id": "hello",
        "distribution": "hello-agent",
        "version": "1.2.3",
        "entry_point": module,
        "sdk_requirement": "<2,>=1",
        "allowed": True,
        "enabled": True,
        "required": True,
        "error": None,
        "release": None,
        "environment": None,
    }
    assert rows["front-desk"]["allowed"] is False
    assert module not in sys.modules


def test_the_list_for_people(run: Run, plugins: PluginFolder) -> None:
    plugins.install("hello", distribution="hello-agent")
    plugins.install("old", requires=("voice-host-sdk<1",))
    result = run("agents", VOICE_HOST_AGENTS__ALLOW="hello,old")
    lines = {line.split()[0]: " ".join(line.split()) for line in result.stdout.splitlines()}
    assert lines["hello"] == "hello hello-agent 1.2.3 yes <2,>=1"
    assert "it declares voice-host-sdk<1, this host runs 1." in lines["old"]
    assert " no " in lines["front-desk"]


def test_names_in_the_settings_that_nobody_installed_are_warned_about(run: Run, plugins: PluginFolder) -> None:
    plugins.install("hello")
    result = run("agents", VOICE_HOST_AGENTS__ALLOW="helo")
    assert result.exit_code == 0
    assert "VOICE_HOST_AGENTS__ALLOW: no agent 'helo' is installed; did you mean 'hello'?" in result.stderr


def test_agents_of_other_environments_and_deployed_releases_are_listed(run: Run, plugins: PluginFolder) -> None:
    plugins.install("hello", version="1.0")
    make_environment(plugins.path / "env").install("apart", "raise SystemExit", distribution="apart-agent")
    deployed = plugins.path / "voice-host-data" / "releases"
    make_environment(deployed / "hello" / "1.4" / "env").install("hello", "raise SystemExit", version="1.4")
    make_environment(deployed / ".building-x" / "release" / "env").install("unfinished")
    shutil.rmtree(deployed / "hello" / "1.4" / "env" / "bin")
    (deployed / "hello" / "1.5").mkdir()
    here = {"VOICE_HOST_AGENT__APART__ENVIRONMENT": "env"}
    rows = json.loads(run("agents", "--json", **here).stdout)
    found = {(row["id"], row["version"], row["release"], row["environment"]) for row in rows}
    assert found > {
        ("apart", "1.2.3", None, str(plugins.path / "env")),
        ("hello", "1.0", None, None),
        ("hello", None, "1.4", str(deployed / "hello" / "1.4" / "env")),
    }
    assert "has no interpreter" in rows[-2]["error"]
    assert (rows[-1]["release"], rows[-1]["error"]) == ("1.5", f"{deployed / 'hello' / '1.5' / 'env'} does not exist")

    lines = run("agents", **here).stdout.splitlines()
    assert lines[0].split()[:6] == ["id", "distribution", "version", "release", "environment", "allowed"]
    assert lines[1].split()[:4] == ["apart", "apart-agent", "1.2.3", "installed"]
