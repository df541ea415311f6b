"""Wheels of the installed `voice-host` and `voice-host-sdk`, and of extensions, for environments of releases.

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
from collections.abc import Collection, Iterator, Mapping
from email.parser import HeaderParser
from itertools import chain
from pathlib import Path

import importlib_metadata
from packaging.utils import canonicalize_name

from voice_host.plugins.requirements import HOST_DISTRIBUTION, SDK_DISTRIBUTION

OWN_PACKAGES = {SDK_DISTRIBUTION: "voice_host_sdk", HOST_DISTRIBUTION: "voice_host"}

_METADATA = ("METADATA", "WHEEL", "entry_points.txt")
"""The files of the metadata that describe a distribution, rather than how it was installed here."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The date of all files, the earliest that a zip archive can contain: the same content makes the same wheel."""

_Contents = Mapping[str, bytes]
"""The files of a wheel but `RECORD`, by name, sorted."""


class CannotBuildWheel(Exception):
    """An installed distribution lacks what belongs into a wheel. The message says what."""


def own_wheels(folder: Path, extensions: Collection[str] = ()) -> list[Path]:
    """Return wheels of the SDK, the host and extensions, in a folder of their content below `folder`. Blocks, 0.2 s.

    They are built if they are not there yet. Those of an editable installation contain the files of its source tree as
    they are now.

    Args:
        folder: where wheels are kept.
        extensions: the distributions of extensions that workers load, too.

    Raises:
        CannotBuildWheel: an installation is damaged.
        OSError: the folder cannot be written.
    """
    wheels = [_contents(name) for name in (*OWN_PACKAGES, *sorted(extensions))]
    digest = hashlib.sha256()
    for name, content in chain.from_iterable(contents.items() for _, contents in wheels):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    place = folder / digest.hexdigest()[:16]
    place.mkdir(parents=True, exist_ok=True)
    return [_build(contents, place / file_name) for file_name, contents in wheels]


def _contents(name: str) -> tuple[str, _Contents]:
    """Return the file name of a distribution's wheel, and its files."""
    try:
        distribution = importlib_metadata.Distribution.from_name(name)
        files = dict(_installed_files(distribution)) or dict(_source_files(distribution))
    except (importlib_metadata.PackageNotFoundError, FileNotFoundError) as error:
        raise CannotBuildWheel(f"{name} is not completely installed: {error}; install it again") from error
    stem = f"{canonicalize_name(name).replace('-', '_')}-{distribution.version}"
    for part in _METADATA:
        text = distribution.read_text(part)
        if text is not None:
            files[f"{stem}.dist-info/{part}"] = text.encode()
        elif part != "entry_points.txt":
            raise CannotBuildWheel(f"the metadata of {name} lacks {part}: install it again")
    return f"{stem}-{_tag(distribution)}.whl", dict(sorted(files.items()))


def _installed_files(distribution: importlib_metadata.Distribution) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a distribution that was installed from a wheel. One that is editable has none."""
    for file in distribution.files or ():
        top = file.parts[0]
        if top != ".." and not top.endswith((".dist-info", ".pth")) and file.suffix != ".pyc":
            yield file.as_posix(), Path(str(file.locate())).read_bytes()


def _source_files(distribution: importlib_metadata.Distribution) -> Iterator[tuple[str, bytes]]:
    """Yield the files of an editable distribution's packages: of ours, and else of its entry points."""
    name = distribution.metadata["Name"]
    own = OWN_PACKAGES.get(name)
    for package in [own] if own else sorted({point.module.partition(".")[0] for point in distribution.entry_points}):
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.origin:
            raise CannotBuildWheel(f"the package {package} of {name} has no files")
        top = Path(spec.origin).parent
        for file in top.rglob("*") if spec.submodule_search_locations else [Path(spec.origin)]:
            if file.is_file() and file.suffix != ".pyc":
                inside = file.relative_to(top).as_posix()
                yield f"{package}/{inside}" if spec.submodule_search_locations else inside, file.read_bytes()


def _tag(distribution: importlib_metadata.Distribution) -> str:
    """Return the compressed tag set of a wheel: `py3-none-any`."""
    tags = HeaderParser().parsestr(distribution.read_text("WHEEL") or "").get_all("Tag", ["py3-none-any"])
    return "-".join(".".join(sorted(set(parts))) for parts in zip(*(tag.split("-") for tag in tags), strict=True))


def _build(files: _Contents, wheel: Path) -> Path:
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
