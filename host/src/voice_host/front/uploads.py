"""Uploaded packages: a wheel, or an archive of a source folder."""

from __future__ import annotations

import asyncio
import re
import shutil
import tarfile
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from voice_host.releases.package import SourceFolder, WheelFile
from voice_host.releases.steps import DeployRefused

MAX_UPLOAD_BYTES = 512 * 1024 * 1024
"""Wheels with a model in them have some 100 MB."""

MAX_UNPACKED_BYTES = 2 * MAX_UPLOAD_BYTES
MAX_FILES = 50_000

WRITE_BYTES = 1024 * 1024

ARCHIVE = ".tar.gz"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*")


class UploadTooLarge(DeployRefused):
    """The upload has more than `MAX_UPLOAD_BYTES`."""


async def receive_package(body: AsyncIterator[bytes], filename: str, folder: Path) -> WheelFile | SourceFolder:
    """Store an uploaded wheel, or unpack an uploaded archive of a source folder.

    Args:
        body: the upload.
        filename: its name, which ends with `.whl` or `.tar.gz`.
        folder: an empty one, for the files.

    Raises:
        DeployRefused: it is too large, has another name, is no archive, or cannot be stored.
    """
    if _NAME.fullmatch(filename) is None or not filename.endswith((".whl", ARCHIVE)):
        raise _refused(f"{filename!r} is neither a wheel (.whl) nor an archive of a source folder ({ARCHIVE})")
    path = folder / filename
    try:
        await _store(body, path)
        if filename.endswith(".whl"):
            return WheelFile(path)
        return await asyncio.to_thread(_unpack, path, folder / filename.removesuffix(ARCHIVE))
    except OSError as error:
        raise _refused(f"the upload cannot be stored: {error.strerror or type(error).__name__}") from error


async def _store(body: AsyncIterator[bytes], path: Path) -> None:
    size, waiting = 0, bytearray()
    with await asyncio.to_thread(path.open, "xb") as file:
        async for chunk in body:
            size += len(chunk)
            waiting += chunk
            if size > MAX_UPLOAD_BYTES:
                message = f"{path.name} has more than {MAX_UPLOAD_BYTES // 2**20} MB"
                raise UploadTooLarge(message, phase="upload")
            if len(waiting) >= WRITE_BYTES:
                await asyncio.to_thread(file.write, waiting)
                waiting = bytearray()
        await asyncio.to_thread(file.write, waiting)
        await asyncio.to_thread(file.flush)
    if not size:
        raise _refused(f"{path.name} is empty")


def _unpack(archive: Path, folder: Path) -> SourceFolder:
    """Unpack an archive whose files are in `folder`, or in a single folder within, as in a source distribution."""
    folder.mkdir()
    try:
        with tarfile.open(archive, "r:gz") as tar:
            size = 0
            for number, member in enumerate(tar):
                size += member.size
                if size > MAX_UNPACKED_BYTES or number >= MAX_FILES:
                    raise _refused(f"{archive.name} unpacks to too much: {MAX_FILES} files, 1 GB")
                tar.extract(member, folder, filter="data")
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise _refused(f"{archive.name} cannot be unpacked: {error}") from error
    archive.unlink()
    if not (folder / "pyproject.toml").is_file() and len(inner := list(folder.iterdir())) == 1:
        return SourceFolder(inner[0])
    return SourceFolder(folder)


def _refused(message: str) -> DeployRefused:
    return DeployRefused(message, phase="upload")


def new_folder(parent: Path) -> Path:
    """Create a folder for an upload. Blocks; raises `OSError`."""
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(dir=parent.absolute()))


def remove_folder(folder: Path) -> None:
    """Remove the folder of an upload. Blocks."""
    shutil.rmtree(folder, ignore_errors=True)
