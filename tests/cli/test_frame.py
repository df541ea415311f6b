"""What all verbs have in common: help, versions, mistakes, and that asking costs little."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.sample_plugins import plugin_folder

HEAVY = ("pydantic_ai", "fastapi", "uvicorn", "openai")

LIST_MODULES = """
import sys
sys.argv = ["voice-host", *sys.argv[1:]]
from voice_host.cli import main
try:
    main()
except SystemExit as left:
    assert not left.code, left.code
print("MODULES", *{name.partition(".")[0] for name in sys.modules}, file=sys.stderr)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        *(["--help"], ["--version"], ["agents"], ["agents", "--json"], ["new", "ice-cream"]),
        *([verb, "--help"] for verb in ("serve", "check", "call", "dev", "keys")),
    ],
)
def test_asking_imports_neither_agents_nor_heavy_libraries(arguments: list[str], tmp_path: Path) -> None:
    with plugin_folder(tmp_path) as plugins:
        agents = [plugins.install(f"crash-{number}", "raise SystemExit('imported')") for number in range(50)]
        extension = plugins.install_extension("crash", "raise SystemExit('imported')")
    done = subprocess.run(
        [sys.executable, "-c", LIST_MODULES, *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    modules = done.stderr.rpartition("MODULES")[2].split()
    assert "voice_host" in modules
    assert not {*HEAVY, *agents, extension, "example_agent_plugin"} & set(modules)


def test_the_version_names_the_contract_too(run: Run) -> None:
    result = run("--version")
    assert result.output == f"voice-host {version('voice-host')} (voice-host-sdk {version('voice-host-sdk')})\n"


@pytest.mark.parametrize("verb", ["serve", "agents", "check", "config", "call", "new", "dev"])
def test_every_verb_has_help_with_examples(run: Run, verb: str) -> None:
    result = run(verb, "--help")
    assert result.exit_code == 0
    assert "Examples:" in result.output
    assert f"voice-host {verb}" in result.output
    assert "Exit codes" in result.output


def test_an_unknown_verb_gets_a_suggestion(run: Run) -> None:
    result = run("chek")
    assert result.exit_code == 2
    assert "Did you mean 'check'?" in result.stderr


def test_settings_that_cannot_be_used_are_told_without_a_stack_trace(run: Run) -> None:
    result = run("agents", VOICE_HOST_SERVER__PORT="x", VOICE_HOST_TYPO="1")
    assert result.exit_code == 2
    assert "error: VOICE_HOST_SERVER__PORT: must be a whole number from 0 to 65535, not 'x'\n" in result.stderr
    assert "error: the settings cannot be used: 2 problems\n" in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""


@pytest.mark.parametrize("verb", [["serve"], ["call", "x", "--text", "hi"], ["check"], ["config"], ["agents"]])
def test_every_verb_reads_the_file_it_is_given(run: Run, verb: list[str]) -> None:
    result = run(*verb, "--config", "nope.toml")
    assert result.exit_code == 2
    assert "error: --config: there is no file nope.toml\n" in result.stderr


def test_serve_checks_its_options_like_settings(run: Run) -> None:
    result = run("serve", "--port", "70000", "--agents", "No")
    assert result.exit_code == 2
    assert "error: --port: must be a whole number from 0 to 65535, not 70000\n" in result.stderr
    assert "error: --agents: 'No' is not an agent id" in result.stderr
