"""Carries a Dockerfile out without Docker: RUN lines as plain commands, in a folder that stands in for the image's.

What is not carried out, because it takes another machine: FROM brings no system of its own, USER changes nothing, and
VOLUME mounts nothing. Only root can give files away, so `chown` does nothing for others.
Any instruction that is not known here is an error, so that none is skipped without a thought.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_MOUNT = re.compile(r"--mount=(\S+)\s+")
_OPTIONS = re.compile(r"^(?:--\S+\s+)+")


@dataclass
class Image:
    """What a Dockerfile makes.

    Attributes:
        environ: of its commands.
        command: the CMD.
        health: what HEALTHCHECK runs in a shell.
        user: whom it runs as.
    """

    folder: Path
    environ: dict[str, str]
    workdir: str = "/"
    command: list[str] = field(default_factory=list)
    health: str = ""
    user: str = "root"

    def placed(self, text: str) -> str:
        """Return a command or a path with the image's folder replaced by the one that stands in for it."""
        return text.replace(self.workdir, str(self.folder)) if self.workdir != "/" else text

    def shell(self, command: str, **variables: str) -> str:
        """Run a command as `RUN` does, in the image's folder, and return all that it printed.

        Raises:
            AssertionError: it failed.
        """
        if os.geteuid() != 0:
            command = command.replace("chown ", "true ")
        done = subprocess.run(
            ["sh", "-c", self.placed(command)],
            cwd=self.folder,
            env=self.environ | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        return done.stdout


def build(dockerfile: Path, image: Image) -> Image:
    """Carry out every instruction; the build context is the folder of `dockerfile`."""
    for name, value in instructions(dockerfile):
        _carry_out(name, value, dockerfile.parent, image)
    return image


def instructions(dockerfile: Path) -> Iterator[tuple[str, str]]:
    """Yield name and value of each instruction."""
    lines = (line for line in dockerfile.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            name, _, value = line.partition(" ")
            yield name, value.strip()


def _carry_out(name: str, value: str, context: Path, image: Image) -> None:
    match name:
        case "FROM" | "EXPOSE" | "VOLUME":
            pass  # the test brings the system; the port is its own
        case "WORKDIR":
            image.workdir = value
        case "USER":
            image.user = value
        case "ENV":
            for variable, _, text in (pair.partition("=") for pair in value.split()):
                old = image.environ.get(variable, "")
                image.environ[variable] = image.placed(text).replace(f"${variable}", old)
        case "COPY":
            source, target = value.split()
            _copy(context / source, image.folder / target)
        case "RUN":
            with _mounted(_MOUNT.findall(value), context, image):
                image.shell(_MOUNT.sub("", value))
        case "HEALTHCHECK":
            image.health = _OPTIONS.sub("", value).removeprefix("CMD ")
        case "CMD":
            image.command = json.loads(value)
        case _:
            raise AssertionError(f"{name} is not known to the tests: say there what it comes to without Docker")


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copy(source, target)


@contextmanager
def _mounted(mounts: list[str], context: Path, image: Image) -> Iterator[None]:
    """Have folders of the build context in their places while a command runs. The cache of uv is the tests' own."""
    options = [dict(part.split("=", 1) for part in mount.split(",")) for mount in mounts]
    targets = []
    for mount in (each for each in options if each["type"] == "bind"):
        target = Path(image.placed(mount["target"]))
        _copy(context / mount["source"], target)
        targets.append(target)
    try:
        yield
    finally:
        for target in targets:
            shutil.rmtree(target)


def clean_environ() -> dict[str, str]:
    """Return this process's environment without what would show through in an image."""
    hidden = ("VOICE_HOST_", "ASSEMBLYAI_", "VIRTUAL_ENV", "PYTHONPATH")
    return {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
