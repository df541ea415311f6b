"""The environment that those of all releases begin as: the host and its dependencies, compiled, built once.

Installing and compiling some 70 packages takes about 10 s of CPU time, and is the same for every release. So it is
done once for each version of the host, and copied by hard links in 0.2 s. uv then replaces the packages of which the
agent needs other versions; it never writes into a file that is there. See docs/decisions/environments-by-hard-links.md.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from voice_host.plugins.requirements import HOST_DISTRIBUTION, SDK_DISTRIBUTION, installed_versions
from voice_host.releases.steps import DeployRefused, Progress, step
from voice_host.releases.uv import UNSATISFIABLE, Uv
from voice_host.tasks import to_the_end

UNFINISHED = ".building-"
"""Prefix of folders in which something is being built. They are renamed when it is complete."""


async def base_environment(uv: Uv, wheels: Sequence[Path], folder: Path, progress: Progress) -> Path:
    """Return the base environment, and build it if it is not there. The caller holds the lock of the data directory.

    Its packages have the versions that this process runs with, if an index still has them.

    Args:
        wheels: of the host and the SDK.
        folder: where base environments are kept.
        progress: told only if it is built.

    Raises:
        DeployRefused: it cannot be built.
        OSError: the folder cannot be written.
    """
    base = folder / base_name(wheels)
    if base.is_dir():
        return base
    with step(progress, "base", "the host and its dependencies, once for this version of the host") as outcome:
        building = await asyncio.to_thread(_empty_folder, folder)
        try:
            await _build(uv, wheels, building)
            (building / "env").replace(base)
        finally:
            await to_the_end(asyncio.to_thread(shutil.rmtree, building, ignore_errors=True))
        outcome.detail = f"{len(list((base / 'lib').glob('python*/site-packages/*.dist-info')))} packages"
    return base


def _empty_folder(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(dir=folder, prefix=UNFINISHED))


async def _build(uv: Uv, wheels: Sequence[Path], folder: Path) -> None:
    environment = folder / "env"
    await uv("venv", "--relocatable", "--python", sys.executable, environment, folder=folder.parent, phase="base")
    install = ("pip", "install", "--compile-bytecode", "--python", environment / "bin" / "python")
    pins = folder / "pins.txt"
    pins.write_text("".join(f"{name}=={version}\n" for name, version in _pins().items()), encoding="utf-8")
    try:
        await uv(*install, "--constraints", pins, *wheels, folder=folder.parent, phase="base")
    except DeployRefused as refused:
        if UNSATISFIABLE not in refused.message:
            raise
        # A version is on no index any more, or was never on one.
        await uv(*install, *wheels, folder=folder.parent, phase="base")


def copy_environment(environment: Path, copy: Path) -> None:
    """Copy an environment by hard links. Blocks, about 0.2 s."""
    shutil.copytree(environment, copy, symlinks=True, copy_function=_link, ignore=_not_its_lock)


def _not_its_lock(folder: str, names: list[str]) -> list[str]:
    """uv locks an environment by a file in it, which each needs for itself."""
    return [name for name in names if name == ".lock"]


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # too many links to it, or a file system without them
        shutil.copy2(source, target)


def base_name(wheels: Sequence[Path]) -> str:
    """Return a name that changes with the interpreter, the host's files, and the versions it runs with."""
    parts = [sys.version, sys.base_prefix, *map(str, wheels), *(f"{name}=={at}" for name, at in _pins().items())]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _pins() -> dict[str, str]:
    own = {HOST_DISTRIBUTION, SDK_DISTRIBUTION}
    return {name: at for name, at in installed_versions(HOST_DISTRIBUTION).items() if name not in own}
