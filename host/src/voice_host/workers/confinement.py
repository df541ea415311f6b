"""What a worker process gives up before it runs an agent's code. Linux only.

A forked worker calls `confine`. For a worker of another environment that would be too late, since Python runs that
environment's `.pth` files first; so this file is also a program, with nothing but the standard library, that confines
itself and becomes the worker: `python -IS confinement.py OPTIONS COMMAND...`.
"""

from __future__ import annotations

import ctypes
import json
import os
import struct
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

_PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 4, 24, 38, 47
_CAP_AMBIENT_CLEAR_ALL = 4
_CAPABILITIES = 64
"""More than there are."""
_CAPABILITY_VERSION_3 = 0x20080522

_LANDLOCK_CREATE_RULESET, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT_SELF = 444, 445, 446
"""Numbers of the system calls, the same on all architectures."""

_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE = 1 << 14
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
"""Rights that a rule for a file, rather than a folder, may have."""

_RIGHTS_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
"""All rights that the kernel knows, by the version of its interface. 2 adds moving files between folders, 3 truncating,
5 the control of devices."""

_SCOPES_SINCE_ABI = 6
_SCOPE_ABSTRACT_SOCKETS, _SCOPE_SIGNALS = 1 << 0, 1 << 1


class CannotConfine(Exception):
    """The worker cannot give up what the settings say. The message says why."""


@dataclass(frozen=True, slots=True)
class Confinement:
    """What a worker gives up. Plain data, without secrets.

    Attributes:
        uid, gid, groups: the user that it becomes, and that user's groups; None: it remains the host's user.
        read: with Landlock, files and folders that it may read and run. What does not exist is ignored.
        write: with Landlock, files and folders that it may also write.
        except_for: files and folders within those of `read` and `write` that it may not open.
    """

    uid: int | None = None
    gid: int | None = None
    groups: tuple[int, ...] = ()
    landlock: bool = False
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    except_for: tuple[str, ...] = ()

    def as_json(self) -> str:
        """Return it as JSON, for `from_json`."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Confinement:
        """Return what `as_json` was called on."""
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(text).items()
        }
        return cls(**fields)


def confine(wanted: Confinement) -> None:
    """Give up privileges, for this process and all that it starts. Cannot be undone. There must be one thread.

    Raises:
        CannotConfine: a part of it is not possible here. The process must not run an agent's code.
    """
    if wanted.uid is not None:
        _become(wanted)
    _drop_capabilities()
    if _prctl(_PR_SET_NO_NEW_PRIVS, 1) != 0:
        raise CannotConfine(f"NO_NEW_PRIVS cannot be set: {_last_error()}")
    if wanted.landlock:
        _restrict_files(wanted)


def make_undumpable() -> None:
    """Keep other processes of the same user from reading this process's memory and environment, and from tracing it."""
    _prctl(_PR_SET_DUMPABLE, 0)


def close_others(kept: Collection[int]) -> None:
    """Close all file descriptors except these, and stdin, stdout and stderr."""
    first = 3
    for number in sorted(number for number in kept if number >= first):
        os.closerange(first, number)
        first = number + 1
    os.closerange(first, os.sysconf("SC_OPEN_MAX"))


# --- another user ---------------------------------------------------------------------------------------------------


def _become(wanted: Confinement) -> None:
    assert wanted.uid is not None
    assert wanted.gid is not None
    try:
        os.setgroups(list(wanted.groups))
        os.setresgid(wanted.gid, wanted.gid, wanted.gid)
        os.setresuid(wanted.uid, wanted.uid, wanted.uid)
    except OSError as error:
        raise CannotConfine(f"it cannot become the user with the id {wanted.uid}: {error.strerror}") from error


def _drop_capabilities() -> None:
    """Give up what root may do beyond other users, for what this process starts, too. Root keeps its files.

    With them, root would see the memory of all processes in spite of `make_undumpable` and Landlock.
    """
    for capability in range(_CAPABILITIES):
        _prctl(_PR_CAPBSET_DROP, capability)  # fails without capabilities, when there is nothing to drop
    _prctl(_PR_CAP_AMBIENT, _CAP_AMBIENT_CLEAR_ALL)
    if _libc().capset(struct.pack("=Ii", _CAPABILITY_VERSION_3, 0), bytes(24)) != 0:
        raise CannotConfine(f"capabilities cannot be dropped: {_last_error()}")


# --- Landlock -------------------------------------------------------------------------------------------------------


def landlock_version() -> int:
    """Return the version of the kernel's Landlock interface; 0: it has none, or it is turned off."""
    if sys.platform != "linux":
        return 0
    return max(0, _syscall(_LANDLOCK_CREATE_RULESET, None, 0, _CREATE_RULESET_VERSION))


def _restrict_files(wanted: Confinement) -> None:
    version = landlock_version()
    if version == 0:
        raise CannotConfine("this kernel has no Landlock, or it is turned off")
    handled = _RIGHTS_BY_ABI[max(known for known in _RIGHTS_BY_ABI if known <= version)]
    scopes = _SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS if version >= _SCOPES_SINCE_ABI else 0
    attributes = struct.pack("=QQQ", handled, 0, scopes) if scopes else struct.pack("=Q", handled)
    ruleset = _syscall(_LANDLOCK_CREATE_RULESET, attributes, len(attributes), 0)
    if ruleset < 0:
        raise CannotConfine(f"Landlock makes no rules: {_last_error()}")
    try:
        for path in wanted.read:
            _allow(ruleset, path, _READ, wanted.except_for)
        for path in wanted.write:
            _allow(ruleset, path, handled, wanted.except_for)
        if _syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0) != 0:
            raise CannotConfine(f"Landlock cannot be applied: {_last_error()}")
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int, except_for: Sequence[str]) -> None:
    for allowed in parts_without(path, except_for):
        try:
            descriptor = os.open(allowed, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue  # it does not exist
        try:
            is_folder = os.path.isdir(allowed)  # noqa: PTH112
            rule = struct.pack("=Qi", rights if is_folder else rights & _OF_FILES, descriptor)
            if _syscall(_LANDLOCK_ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, 0) != 0:
                raise CannotConfine(f"Landlock has no rule for {allowed}: {_last_error()}")
        finally:
            os.close(descriptor)


def parts_without(path: str, except_for: Sequence[str]) -> Iterator[str]:
    """Yield the parts of a folder that together are all of it, except for some files and folders.

    Landlock only knows what is allowed, so a folder that contains an exception is replaced by what is in it now. Links
    are followed, since rules are for what they lead to.
    """
    path = os.path.realpath(path)
    excepted = {os.path.realpath(each) for each in except_for}
    if path in excepted:
        return
    if not any(each.startswith(path.rstrip("/") + "/") for each in excepted):
        yield path
        return
    with suppress(OSError), os.scandir(path) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if not entry.is_symlink():  # what it leads to has its own place
                yield from parts_without(entry.path, except_for)


# --- the C library --------------------------------------------------------------------------------------------------


def _prctl(option: int, value: int) -> int:
    return int(_libc().prctl(option, value, 0, 0, 0))


def _syscall(number: int, *arguments: int | bytes | None) -> int:
    call = _libc().syscall
    call.restype = ctypes.c_long
    as_long = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    return int(call(ctypes.c_long(number), *as_long))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _last_error() -> str:
    return os.strerror(ctypes.get_errno())


def _main(options: str, *command: str) -> None:
    try:
        confine(Confinement.from_json(options))
        os.execv(command[0], command)
    except (CannotConfine, OSError) as error:
        sys.exit(f"the worker cannot be started: {error}")


if __name__ == "__main__":
    _main(*sys.argv[1:])
