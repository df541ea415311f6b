"""Reads and replaces files with secrets, or that decide who is authenticated."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

MAX_FILE_BYTES = 16 * 1024 * 1024
"""Far more than any key file has: about 50,000 keys."""

_READ_ONLY = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
"""O_NONBLOCK: opening a FIFO would wait until somebody writes into it."""


class UnsafeFile(Exception):
    """The file must not be used. The message names it, says why, and what to do."""


def read_private(path: Path, *, secret: bool) -> bytes:
    """Return what a file holds. Blocks.

    Args:
        path: of a regular file, or a link to one.
        secret: whether it must be hidden from other users of the machine; in any case they must not write it. Members
            of its group may do both, since somebody has to put them into it.

    Raises:
        UnsafeFile: it is no regular file, is too large, or others may write it or read a secret in it.
        OSError: it is not there or cannot be read.
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
        raise UnsafeFile(f"{path} is no regular file")
    if os.name != "posix":
        return
    if found.st_mode & stat.S_IWOTH:
        raise UnsafeFile(f"anybody on this machine may write {path}, and so add keys: chmod o-w it")
    if secret and found.st_mode & stat.S_IROTH:
        raise UnsafeFile(f"anybody on this machine may read the secret in {path}: chmod o-rwx it and replace it")


def write_private(path: Path, text: str) -> None:
    """Replace what a file holds at once, with mode 0600 and, where that may be, its owner. Raises `OSError`.

    A link stays; the file that it leads to is replaced.
    """
    target = link_target(path)
    number, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")  # it is 0600 from the beginning
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
    """Return the file that a path leads to, through all its links; itself where it is none."""
    return Path(os.path.realpath(path))


def _keep_owner(path: Path, successor: str) -> None:
    """Root changes keys for a host that runs as somebody else, who has to be able to read them afterwards."""
    if os.name == "posix" and path.exists():
        before = path.stat()
        with suppress(PermissionError):
            os.chown(successor, before.st_uid, before.st_gid)
