"""docs/tutorial.md, done as it says, in an environment of its own."""

import os
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable

import pytest

from tests.docs.markdown import ROOT, blocks

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(600)]

BLOCKS = list(blocks(ROOT / "docs/tutorial.md"))
COMMANDS = [line for block in BLOCKS if block.note == "run" for line in block.code.splitlines()]
Run = Callable[[str], str]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run a command of the tutorial in a folder with its files, where the host is installed, and return its output."""
    assert shutil.which("uv"), "uv is not on the path: pip install uv"
    folder = tmp_path_factory.mktemp("tutorial")
    for block in BLOCKS:
        if block.note.startswith("file: "):
            file = folder / block.note.removeprefix("file: ")
            file.parent.mkdir(exist_ok=True)
            file.write_text(block.code, encoding="utf-8")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("VOICE_HOST_", "ASSEMBLYAI_"))}
    commands = folder / ".venv" / ("Scripts" if os.name == "nt" else "bin")
    environ.pop("PYTHONPATH", None)
    environ |= {"VIRTUAL_ENV": str(folder / ".venv"), "PATH": f"{commands}{os.pathsep}{environ['PATH']}"}
    workspace = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    environ["UV_EXCLUDE_NEWER"] = workspace["tool"]["uv"]["exclude-newer"]

    def run(command: str) -> str:
        # There is no workspace here: what `uv run` does in it, the environment's own commands do.
        words = shlex.split(command.removeprefix("uv run "))
        words[0] = shutil.which(words[0], path=environ["PATH"]) or words[0]
        done = subprocess.run(words, cwd=folder, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    run(f"uv venv --python '{sys.executable}' .venv")
    run(f"uv pip install -e '{ROOT / 'sdk'}' -e '{ROOT / 'host'}[embedded]'")
    return run


def test_the_agent_of_the_tutorial_talks(run: Run) -> None:
    install, check, call = COMMANDS
    run(install)
    assert "started" in run(check)
    talk = run(call)
    [shown] = [block.code for block in BLOCKS if block.info == "text" and "ice-cream, session" in block.code]
    first_line, *expected = shown.splitlines()
    assert "ice-cream, session" in first_line
    assert [line for line in expected if line not in talk.splitlines()] == []
