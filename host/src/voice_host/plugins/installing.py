"""Commands that work in the shell this process was started from: to run what is installed, and to install more."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import sysconfig
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.version import Version


def command(name: str) -> str:
    """Return how to call a program of this environment: behind `uv run`, by its name, or by its path."""
    if "UV_RUN_RECURSION_DEPTH" in os.environ:  # which `uv run` sets
        return f"uv run {name}"
    scripts = Path(sysconfig.get_path("scripts"))
    found = shutil.which("voice-host")  # `name` itself may not be installed yet
    if found and Path(found).parent.resolve() == scripts.resolve():
        return name
    return shlex.quote(str(scripts / name))


def install_command(*what: str) -> str:
    """Return how to install requirements into this environment: with uv where there is one, else with pip.

    Environments that uv makes contain no pip.
    """
    words = " ".join(f'"{each}"' for each in what)  # in quotes that the shells of all systems understand
    return f"{installer()} {words}"


def installer() -> str:
    """Return what installs into this environment, up to what is to be installed."""
    if shutil.which("uv") or pip_version() is None:
        return "uv pip install" if _uv_finds_it() else f"uv pip install --python {shlex.quote(sys.executable)}"
    return "pip install" if command("pip") == "pip" else f"{shlex.quote(sys.executable)} -m pip install"


def pip_version() -> Version | None:
    """Return the version of this environment's pip; None: it has none."""
    try:
        return Version(version("pip"))
    except PackageNotFoundError:
        return None


def _uv_finds_it() -> bool:
    """Whether `uv pip` takes this environment by itself: the active one, else the nearest `.venv` above."""
    here = Path.cwd()
    near = (folder / ".venv" for folder in (here, *here.parents))
    active = os.environ.get("VIRTUAL_ENV")
    found = Path(active) if active else next((folder for folder in near if folder.is_dir()), None)
    return found is not None and found.resolve() == Path(sys.prefix).resolve()
