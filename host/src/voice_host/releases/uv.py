"""Running uv, which builds wheels and environments."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from voice_host.plugins.installing import install_command
from voice_host.releases.child import Ended, run_child
from voice_host.releases.steps import DISK_FULL, DeployRefused

LIMIT_S = 600.0
"""Time limit of each run. Downloading the largest wheels over a slow line takes minutes."""

UNSATISFIABLE = "No solution found"
"""In uv's reason when requirements cannot be met together."""

_PASSED_ON = re.compile(
    r"UV_.*|PATH|HOME|USER|LANG|LC_.*|TZ|TMPDIR|TEMP|TMP|XDG_.*|(https?|all|no)_proxy|SSL_CERT_.*|NETRC|GIT_.*"
    r"|SSH_AUTH_SOCK|SYSTEMROOT|SYSTEMDRIVE|WINDIR|APPDATA|LOCALAPPDATA|USERPROFILE|PATHEXT|COMSPEC",
    re.IGNORECASE,
)
"""The variables that uv sees: how indexes are reached, and where it keeps its cache. Not the platform's keys, since uv
runs the build systems of packages."""

_NOT_PASSED_ON = {"UV_PYTHON", "UV_PROJECT", "UV_PROJECT_ENVIRONMENT", "UV_SYSTEM_PYTHON", "UV_TARGET", "UV_PREFIX"}
"""They would have it use another environment."""

_FIXED = {"NO_COLOR": "1", "UV_NO_WRAP": "1", "UV_NO_PROGRESS": "1", "UV_PYTHON_DOWNLOADS": "never"}

_CREDENTIALS = re.compile(r"(?<=://)[^/\s@`'\"]+@")
_SECRET_VARIABLE = re.compile(r"UV_.*(PASSWORD|TOKEN|SECRET|KEY)", re.IGNORECASE)
_GLYPHS = re.compile(r"^[\s×├│╰╭─▶]+")

_HINTS = (
    (
        r"os error 28\b|No space left|os error 122\b|Disk quota|os error 27\b|File too large",
        DISK_FULL,
    ),
    (
        r"os error 13\b|os error 30\b|Permission denied|Read-only file system|initialize cache",
        "uv must be able to write its cache: set UV_CACHE_DIR to a folder that the host may write",
    ),
    (
        r"Failed to (fetch|download)|error sending request|dns error|tcp connect error|Connectivity is disabled"
        r"|network (was|is) disabled|offline",
        "a package index cannot be reached: uv takes its address from UV_DEFAULT_INDEX, UV_INDEX or uv.toml",
    ),
    (
        rf"{UNSATISFIABLE}|not found in the (package registry|cache)|unsatisfiable",
        "change what the agent requires, or name another version of it",
    ),
    (
        r"Failed to build|build backend",
        "the package itself cannot be built: `uv build --wheel` in its folder shows more",
    ),
)


class Uv:
    """uv, as it is installed here."""

    def __init__(self) -> None:
        """Look for it. Blocks.

        Raises:
            DeployRefused: there is none.
        """
        self._program = _find()

    async def __call__(self, *arguments: str | Path, folder: Path, phase: str, limit_s: float = LIMIT_S) -> None:
        """Run a command of uv. If this is cancelled, uv and what it started are killed.

        Args:
            folder: the working directory. uv reads `uv.toml` and `pyproject.toml` in it and above.
            phase: of `DeployRefused`.

        Raises:
            DeployRefused: it failed, with uv's own reason, or took too long.
        """
        command = [self._program, *map(str, arguments)]
        try:
            ended = await run_child(command, folder=folder, variables=dict(_environment()), limit_s=limit_s)
        except TimeoutError:
            raise DeployRefused(
                f"uv {arguments[0]} took longer than {limit_s:g} s",
                "try again: uv keeps what it has downloaded",
                phase=phase,
            ) from None
        if ended.code != 0:
            message = reason(ended)
            raise DeployRefused(message, _hint(message), phase=phase)


def reason(ended: Ended) -> str:
    """Return why uv failed, in its own words, without passwords."""
    if ended.code < 0:
        return f"uv was {ended.how}" + (": File too large" if ended.how == "ended by SIGXFSZ" else "")
    lines = [_GLYPHS.sub("", line).rstrip() for line in ended.stderr.splitlines()]
    begin = next((at for at, line in enumerate(lines) if line.startswith("error:")), None)
    if begin is None:  # older versions mark it by a glyph
        begin = next((at for at, line in enumerate(ended.stderr.splitlines()) if line.lstrip().startswith("×")), 0)
    said = [line for line in lines[begin:] if line and not line.startswith(("hint:", "Using Python", "Resolved "))]
    text = "\n".join(said).removeprefix("error:").strip()
    return without_credentials(text) or f"uv {ended.how}"


def without_credentials(text: str) -> str:
    """Return text without the passwords of addresses, and without those that uv gets in variables."""
    text = _CREDENTIALS.sub("***@", text)
    for name, value in os.environ.items():
        if len(value) >= 4 and _SECRET_VARIABLE.fullmatch(name):
            text = text.replace(value, "***")
    return text


def _hint(message: str) -> str | None:
    return next((hint for pattern, hint in _HINTS if re.search(pattern, message, re.IGNORECASE)), None)


def _find() -> str:
    """Return uv's path: that of the package `uv` in this environment, else the first in PATH."""
    try:
        return str(import_module("uv").find_uv_bin())
    except (ImportError, AttributeError, FileNotFoundError):
        found = shutil.which("uv")
    if found is None:
        raise DeployRefused(
            "deploying needs uv, which is not installed", install_command("voice-host[deploy]"), phase="prepare"
        )
    return found


def _environment() -> Iterator[tuple[str, str]]:
    for name, value in os.environ.items():
        if _PASSED_ON.fullmatch(name) and name.upper() not in _NOT_PASSED_ON:
            yield name, value
    yield from _FIXED.items()
