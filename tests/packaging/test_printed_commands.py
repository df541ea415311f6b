"""The commands that `voice-host new` prints, run as printed: in the same shell, with a fresh environment."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.dev.project import Dev
from tests.packaging.commands import ROOT
from tests.ports import free_port

pytestmark = [
    pytest.mark.packaging,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.name == "nt", reason="a shell of POSIX"),
]

PROJECT = f"""
[project]
name = "platform"
version = "0"
requires-python = ">=3.11"
dependencies = ["voice-host[embedded]", "voice-host-sdk"]

[tool.uv]
package = false

[tool.uv.sources]
voice-host = {{ path = "{ROOT.as_posix()}/host", editable = true }}
voice-host-sdk = {{ path = "{ROOT.as_posix()}/sdk", editable = true }}
"""


class Shell:
    """A shell in a folder, that knows uv and nothing of the environment that the tests run in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        workspace = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        uv = shutil.which("uv")
        assert uv, "uv is not on the path"
        (folder / "bin").mkdir()
        (folder / "bin" / "uv").symlink_to(Path(uv).resolve())
        self.environ = {
            **{name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ},
            **{name: value for name, value in os.environ.items() if name.startswith(("UV_", "SSL_", "HTTP", "PIP_"))},
            "PATH": f"{folder / 'bin'}:/usr/bin:/bin",
            "UV_EXCLUDE_NEWER": workspace["tool"]["uv"]["exclude-newer"],
        }
        for name in ("UV_RUN_RECURSION_DEPTH", "UV_PYTHON", "UV_PROJECT_ENVIRONMENT"):
            self.environ.pop(name, None)

    def activate(self) -> None:
        """What `. .venv/bin/activate` does."""
        self.environ["VIRTUAL_ENV"] = str(self.folder / ".venv")
        self.environ["PATH"] = f"{self.folder / '.venv/bin'}:{self.environ['PATH']}"

    def run(self, command: str) -> str:
        done = subprocess.run(
            ["/bin/sh", "-c", command], cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def serve(self, command: str) -> None:
        """Run `voice-host dev` until it serves, and end it with Ctrl-C."""
        words = shlex.split(command)
        words[0] = shutil.which(words[0], path=self.environ["PATH"]) or words[0]
        dev = Dev(self.folder, free_port(), words, self.environ)
        try:
            dev.until_listening()
            dev.process.send_signal(signal.SIGINT)
            assert dev.ended() == 0
        finally:
            dev.close()


def test_the_commands_that_new_prints_work_as_printed(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    (tmp_path / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    shell.run(f"uv venv --python {shlex.quote(sys.executable)}")
    follow(shell, "uv run voice-host new ice-cream", "uv run ")
    shell.activate()
    follow(shell, "voice-host new bakery --dir 'my agents'", "")


def follow(shell: Shell, new: str, prefix: str) -> None:
    printed = shell.run(new).partition("\nNext:\n")[2].splitlines()
    dev, install, test, check = (line.strip() for line in printed if line.startswith("  ") and line[2] != " ")
    assert dev.startswith(f"{prefix}voice-host dev ")
    shell.serve(dev)
    shell.run(install)
    assert " passed" in shell.run(test)
    assert " ok " in shell.run(check)
