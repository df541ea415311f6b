"""docs/tutorial.md, done as it says, in an environment of its own."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dev.project import Dev
from tests.docs.markdown import ROOT, Block, blocks
from tests.ports import free_port

pytestmark = [
    pytest.mark.packaging,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.name == "nt", reason="signals"),
]

BLOCKS = list(blocks(ROOT / "docs/tutorial.md"))


class Reader:
    """Somebody who follows the tutorial, in a folder with an environment where the host is installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.printed: dict[str, str] = {}
        self.dev: Dev | None = None
        commands = folder / ".venv" / "bin"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("VOICE_HOST_", "ASSEMBLYAI_"))}
        kept.pop("PYTHONPATH", None)
        workspace = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        self.environ = kept | {
            "VIRTUAL_ENV": str(folder / ".venv"),
            "PATH": f"{commands}{os.pathsep}{kept['PATH']}",
            "UV_EXCLUDE_NEWER": workspace["tool"]["uv"]["exclude-newer"],
        }

    def follow(self, block: Block) -> None:
        """Do what a block says."""
        what, _, file = block.note.partition(": ")
        if what == "run":
            for line in block.code.splitlines():
                self.printed[line] = self.run(line)
        elif what == "dev":
            self.dev = Dev(self.folder, free_port(), self.words(block.code.strip()), self.environ)
            self.dev.until_listening()
        elif what == "append":
            with (self.folder / file).open("a", encoding="utf-8") as target:
                target.write(f"\n\n{block.code}")
        elif what == "edit":
            self.edit(self.folder / file, block.code)

    def words(self, command: str) -> list[str]:
        # There is no workspace here: what `uv run` does in it, the environment's own commands do.
        words = shlex.split(command.removeprefix("uv run "))
        words[0] = shutil.which(words[0], path=self.environ["PATH"]) or words[0]
        return words

    def run(self, command: str) -> str:
        """Run a command and return its output."""
        done = subprocess.run(
            self.words(command), cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def edit(self, file: Path, diff: str) -> None:
        """Replace each line that begins with `-` by the one with `+` below it."""
        text = file.read_text(encoding="utf-8")
        lines = diff.splitlines()
        for old, new in zip(lines[::2], lines[1::2], strict=True):
            assert (old[0], new[0]) == ("-", "+")
            assert text.count(f"{old[1:]}\n") == 1, f"{file} has no line {old[1:]!r}"
            text = text.replace(old[1:], new[1:])
        file.write_text(text, encoding="utf-8")


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    assert shutil.which("uv"), "uv is not on the path: the README says how to get it"
    reader = Reader(tmp_path)
    reader.run(f"uv venv --python '{sys.executable}' .venv")
    reader.run(f"uv pip install -e '{ROOT / 'sdk'}' -e '{ROOT / 'host'}[embedded]'")
    yield reader
    if reader.dev:
        reader.dev.close()


def test_whoever_follows_the_tutorial_has_an_agent_that_talks(reader: Reader) -> None:
    for block in BLOCKS:
        if block.note.startswith("run") and reader.dev:
            # The agent was taught while it was served; the reader has seen it, and ends it before the next command.
            reader.dev.until(lambda agent: agent["description"].startswith("Tells prices"))
            reader.dev.process.send_signal(signal.SIGINT)
            assert reader.dev.ended() == 0
            reader.dev = None
        reader.follow(block)
    shown = [block.code for block in BLOCKS if block.info == "text"]
    [talk] = [printed for command, printed in reader.printed.items() if "voice-host call" in command]
    first_line, *expected = shown[0].splitlines()
    assert "ice-cream, session" in first_line
    assert [line for line in expected if line not in talk.splitlines()] == []
    assert list((reader.folder / "ice-cream" / "dist").glob("*.whl"))
