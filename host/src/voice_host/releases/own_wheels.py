"""Wheels of the installed `voice-host` and `voice-host-sdk`, for the environments of deployed releases.

A worker must run the same host as the front, which may come from no index: from a wheel, an image or a checkout. So its
wheels are made of the files that this process itself runs.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import os
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import importlib_metadata

from voice_host.plugins.requirements import HOST_DISTRIBUTION, SDK_DISTRIBUTION

PACKAGES = {SDK_DISTRIBUTION: "voice_host_sdk", HOST_DISTRIBUTION: "voice_host"}
"""The package of each distribution. It has no other files outside of its metadata."""

_METADATA = ("METADATA", "entry_points.txt", "WHEEL")
"""The files of the metadata that describe the distribution, rather than how it was installed here."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The date of all files, the earliest that a zip archive can contain: the same content makes the same wheel."""


class CannotBuildWheel(Exception):
    """The installed distribution lacks what belongs into a wheel. The message says what."""


def own_wheels(folder: Path) -> list[Path]:
    """Return wheels of the SDK and the host, in a folder of their content below `folder`. Blocks, about 0.2 s.

    They are built if they are not there yet. Those of an editable installation contain the files of its source tree as
    they are now.

    Raises:
        CannotBuildWheel: the installation is damaged.
        OSError: the folder cannot be written.
    """
    contents = {distribution: dict(_files(distribution)) for distribution in PACKAGES}
    digest = hashlib.sha256()
    for files in contents.values():
        for name, content in files.items():
            digest.update(f"{name}\0{len(content)}\0".encode())
            digest.update(content)
    place = folder / digest.hexdigest()[:16]
    place.mkdir(parents=True, exist_ok=True)
    return [
        _build(files, place / f"{_stem(distribution)}-py3-none-any.whl") for distribution, files in contents.items()
    ]


def _files(distribution: str) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each file of a wheel but `RECORD`, in an order that depends on nothing else."""
    package = PACKAGES[distribution]
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.origin:
        raise CannotBuildWheel(f"the package {package} has no files")
    top = Path(spec.origin).parent
    for file in sorted(top.rglob("*")):
        if file.is_file() and file.suffix != ".pyc":
            yield f"{package}/{file.relative_to(top).as_posix()}", file.read_bytes()
    installed = importlib_metadata.distribution(distribution)
    for name in _METADATA:
        text = installed.read_text(name)
        if text is not None:
            yield f"{_stem(distribution)}.dist-info/{name}", text.encode()
        elif name != "entry_points.txt":
            raise CannotBuildWheel(f"the metadata of {distribution} lacks {name}: install it again")


def _stem(distribution: str) -> str:
    """Return the beginning of a wheel's file name, which is that of its metadata, too."""
    return f"{distribution.replace('-', '_')}-{importlib_metadata.version(distribution)}"


def _build(files: dict[str, bytes], wheel: Path) -> Path:
    """Write a wheel, unless it is there, and return its path. Nobody sees an unfinished one."""
    if wheel.exists():
        return wheel
    info = next(name.partition("/")[0] for name in files if ".dist-info/" in name)
    record = "".join(f"{name},sha256={_digest(content)},{len(content)}\n" for name, content in files.items())
    number, unfinished = tempfile.mkstemp(dir=wheel.parent, prefix=f".{wheel.name}.")
    try:
        with os.fdopen(number, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n".encode()}.items():
                entry = zipfile.ZipInfo(name, _EPOCH)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, content)
        Path(unfinished).replace(wheel)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise
    return wheel


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
