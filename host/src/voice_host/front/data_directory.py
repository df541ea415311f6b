"""The data directory of a running host, which no other host uses at the same time."""

from __future__ import annotations

import os
import secrets
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from voice_host.auth.private_file import write_private
from voice_host.fleet.service import CannotServe
from voice_host.observability.logs import get_logger
from voice_host.settings import Settings

log = get_logger(__name__)

EFFECT = "agents cannot be deployed, and commands reach this host only with --url and --token"

_TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """The directory, and the Unix socket in it.

    A client of the socket is the operator if it sends the token. Both are files that only the host's user and root can
    open. The token is needed because Landlock keeps a process from opening files, but not from connecting to sockets.

    Attributes:
        path: of the directory.
        token: what the file beside the socket holds.
        listener: the listening socket; None: there is none, and commands need --url.
    """

    path: Path
    token: str = field(repr=False)
    listener: socket.socket | None = None


class _Unusable(Exception):
    """The directory cannot be used. The message says why, `hint` what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@contextmanager
def open_data_directory(settings: Settings) -> Iterator[DataDirectory | None]:
    """Create the data directory if it does not exist, with mode 0700, and keep it from other hosts.

    Yields:
        the directory; None if it is the default one and cannot be used, which is logged.

    Raises:
        CannotServe: a directory was configured, and it cannot be used.
    """
    path = settings.data_dir
    lock = FileLock(path / "host.lock", timeout=0, mode=0o600)
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    try:
        _create(path)
        _take(settings, lock, token)
    except _Unusable as error:
        if settings.came_from("data", "dir").kind != "default":
            raise CannotServe(str(error), error.hint) from error
        log.warning("no_data_directory", error=str(error), hint=error.hint, effect=EFFECT)
        yield None
        return
    try:
        listener = _listen(settings.operator_socket)
        try:
            yield DataDirectory(path, token, listener)
        finally:
            if listener is not None:
                listener.close()
    finally:
        for file in (settings.operator_socket, settings.operator_token_file):
            file.unlink(missing_ok=True)
        lock.release()


def _create(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.stat()
    except OSError as error:
        why = "it is a file" if isinstance(error, FileExistsError) else error.strerror or type(error).__name__
        hint = "set [data] dir to a folder that the host may create, or write to"
        raise _Unusable(f"the data directory {path.absolute()} cannot be created: {why}", hint) from error
    if not os.access(path, os.W_OK | os.X_OK):
        hint = "let the host's user own it, or set [data] dir to another folder"
        raise _Unusable(f"the data directory {path.absolute()} cannot be written", hint)
    if os.name == "posix" and found.st_mode & stat.S_IWOTH:
        hint = f"run chmod o-w on it, or set [data] dir to a folder within it: {path / 'data'}"
        raise _Unusable(f"any user of this machine may write to the data directory {path.absolute()}", hint)


def _take(settings: Settings, lock: FileLock, token: str) -> None:
    path = settings.data_dir.absolute()
    try:
        lock.acquire()
        write_private(settings.operator_token_file, token + "\n")
    except Timeout as error:
        hint = "stop the other host, or give this one a directory of its own with [data] dir"
        raise _Unusable(f"another running host uses the data directory {path}", hint) from error
    except (OSError, NotImplementedError) as error:
        why = (isinstance(error, OSError) and error.strerror) or type(error).__name__
        hint = "set [data] dir to a folder on a local file system with free space"
        lock.release()
        raise _Unusable(f"the data directory {path} cannot be used: {why}", hint) from error


def _listen(path: Path) -> socket.socket | None:
    """Return a listening Unix socket. If there is one, its host is gone, since this host has the lock."""
    if not hasattr(socket, "AF_UNIX"):
        return None  # Windows
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
        listener.listen()
    except OSError as error:
        listener.close()
        with suppress(OSError):
            path.unlink(missing_ok=True)
        why = error.strerror or f"its path has {len(os.fsencode(path))} bytes, and the system allows about 100"
        log.warning(
            "no_operator_socket",
            error=f"the socket {path} cannot be created: {why}",
            hint="set [data] dir to a shorter path on a local file system",
            effect="commands reach this host only with --url and --token",
        )
        return None
    finally:
        os.umask(before)
    return listener
