"""A source tree of an agent that nobody installed, and `voice-host dev` running in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.ports import free_port

DEADLINE_S = 60.0

PYPROJECT = """
[project]
name = "ice-cream"
version = "3.2.1"
dependencies = ["voice-host-sdk>=1,<2"]

[project.entry-points."voice_host.agents"]
ice-cream = "ice_cream"
"""

GOOD = """
from importlib.metadata import version
from voice_host_sdk import AgentConfig, hookimpl

def price(flavour: str) -> str:
    \"\"\"Tell the price of a flavour.\"\"\"
    return f"{flavour} costs two euros."

@hookimpl
def agent_config(settings):
    return AgentConfig(title="Ice cream", description=version("ice-cream"), greeting="Hello.", tools=[price])
"""

BAD = GOOD.replace("return AgentConfig(title", "return AgentConfg(title")


class Project:
    """The files of the tree, below `src/` or flat."""

    def __init__(self, folder: Path, *, layout: str = "src") -> None:
        self.folder = folder
        self.package = folder / layout / "ice_cream"
        self.package.mkdir(parents=True)
        self.pyproject = folder / "pyproject.toml"
        self.pyproject.write_text(PYPROJECT, encoding="utf-8")
        self.save(GOOD)

    def save(self, code: str) -> None:
        """Save the agent as editors do: a new file in the place of the old one."""
        new = self.package / "__init__.py.new~"
        new.write_text(code, encoding="utf-8")
        new.replace(self.package / "__init__.py")


class Dev:
    """`voice-host dev` in a process of its own: `command`, and where to listen."""

    def __init__(self, folder: Path, port: int, command: list[str], environ: dict[str, str]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._log = folder / "dev.log"
        command = [*command, "--port", str(port)]
        environ = {"BROWSER": "true %s"} | environ
        with self._log.open("wb") as output:
            self.process = subprocess.Popen(command, cwd=folder, env=environ, stdout=output, stderr=subprocess.STDOUT)

    @property
    def output(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def agent(self) -> dict[str, Any]:
        """The only entry of `GET /agents`. Waits while a child follows another, as any client does."""
        with urllib.request.urlopen(f"{self.url}/agents", timeout=DEADLINE_S) as answer:
            [entry] = json.load(answer)
        assert isinstance(entry, dict)
        return entry

    def until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the agent's entry as soon as it meets a condition."""

        def met() -> dict[str, Any] | None:
            try:
                return entry if condition(entry := self.agent()) else None
            except ConnectionError:  # accepted by a child that was about to leave
                assert self.process.poll() is None, self.output
                return None

        found: dict[str, Any] = self.wait(met)
        return found

    def until_said(self, text: str) -> None:
        self.wait(lambda: text in self.output)

    def until_listening(self) -> None:
        def listening() -> bool:
            try:
                return bool(self.agent())
            except (urllib.error.URLError, ConnectionError):  # refused: only before the parent listens
                assert self.process.poll() is None, self.output
                return False

        self.wait(listening)

    def wait(self, found: Callable[[], Any]) -> Any:
        end = time.monotonic() + DEADLINE_S
        while not (result := found()):
            assert time.monotonic() < end, self.output
            time.sleep(0.05)
        return result

    def ended(self) -> int:
        return self.process.wait(DEADLINE_S)

    def close(self) -> None:
        """See to it that it is gone."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@contextmanager
def developing(project: Project, *arguments: str, browser: str = "true") -> Iterator[Dev]:
    """Run `voice-host dev` until the end of the block. Its pages are opened with the command `browser`."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("VOICE_HOST_", "ASSEMBLYAI_"))}
    command = [sys.executable, "-m", "voice_host", "dev", str(project.folder), *arguments]
    dev = Dev(project.folder.parent, free_port(), command, kept | {"BROWSER": f"{browser} %s"})
    try:
        dev.until_listening()
        yield dev
    finally:
        dev.close()
