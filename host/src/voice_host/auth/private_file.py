"""Reads and replaces files that hold secrets or decide who is authenticated."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

MAX_FILE_BYTES = 16 * 1024 * 1024
"""About 50,000 keys, far more than any key file has."""

_READ_ONLY = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
"""O_NONBLOCK, since opening a FIFO would wait for a writer."""


class UnsafeFile(Exception):
    """The file must not be used. The message says why, and what to do."""


def read_private(path: Path, *, secret: bool) -> bytes:
    """Return the contents of a file. Blocks.

    Args:
        path: of a regular file, or a link to one.
        secret: whether other users of the machine must not read it. They must never be able to write it. Members of its
            group may do both, since they were added to it deliberately.

    Raises:
        UnsafeFile: it is not a regular file, is too large, or others may write it, or read a secret in it.
        OSError: it does not exist or cannot be read.
    """
    number = os.open(path, _READ_ONLY)
    try:
        _check(path, os.fstat(number), secret=secret)
        with open(number, "rb", closefd=False) as file:
            content = file.read(MAX_FILE_BYTES + 1)
    finally:
        os.close(number)
    if len(content) > MAX_FILE_BYTES:
        raise UnsafeFile(f"{path} has more than {MAX_FILE_BYTES} bytes")
    return content


def _check(path: Path, found: os.stat_result, *, secret: bool) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise UnsafeFile(f"{path} is not a regular file")
    if os.name != "posix":
        return
    if found.st_mode & stat.S_IWOTH:
        raise UnsafeFile(f"any user of this machine may write {path} and so add keys: run chmod o-w on it")
    if secret and found.st_mode & stat.S_IROTH:
        raise UnsafeFile(
            f"any user of this machine may read the secret in {path}: run chmod o-rwx on it and replace it"
        )


def write_private(path: Path, text: str) -> None:
    """Replace the contents of a file atomically, with mode 0600, keeping its owner if possible. Raises `OSError`.

    If the path is a link, the file that it leads to is replaced.
    """
    target = link_target(path)
    number, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")  # created with mode 0600
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        _keep_owner(target, name)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def link_target(path: Path) -> Path:
    """Return the path with all links resolved."""
    return Path(os.path.realpath(path))


def _keep_owner(path: Path, successor: str) -> None:
    """Keep the owner if root changes the file: the host may run as another user, who must be able to read it."""
    if os.name == "posix" and path.exists():
        before = path.stat()
        with suppress(PermissionError):
            os.chown(successor, before.st_uid, before.st_gid)
