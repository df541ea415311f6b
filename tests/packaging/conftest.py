"""The wheels of the three members, built once, and a fresh environment with them."""

import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.packaging.commands import MEMBERS, ROOT, commands_of, run


@pytest.fixture(scope="package")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Build a wheel of each member."""
    folder = tmp_path_factory.mktemp("wheels")
    build = ("uv", "build", "--wheel", "--python", sys.executable)
    with ThreadPoolExecutor() as threads:  # each asks the registry for what builds it
        building = [threads.submit(run, *build, "--out-dir", folder, ROOT / member, cwd=folder) for member in MEMBERS]
    for built in building:
        built.result()
    return {member: next(folder.glob(f"{name}-*.whl")) for member, name in MEMBERS.items()}


@pytest.fixture(scope="package")
def environment(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the three wheels, without extras, and return the folder with the environment's commands."""
    folder = tmp_path_factory.mktemp("environment")
    run("uv", "venv", "--python", sys.executable, folder / "venv", cwd=folder)
    commands = commands_of(folder / "venv")
    run("uv", "pip", "install", "--python", commands / "python", *wheels.values(), cwd=folder)
    return commands


@pytest.fixture(scope="package", autouse=True)
def _uv() -> None:
    if shutil.which("uv") is None:
        pytest.fail("uv is not on the path: the README says how to get it")
