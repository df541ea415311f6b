"""The file of API keys: JSON, read and written as a whole, readable by its owner only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from voice_host.auth.api_keys import ApiKey
from voice_host.auth.private_file import UnsafeFile, link_target, read_private, write_private

LOCK_TIMEOUT_S = 10.0
_MODE = 0o600
MAX_CALLS_ENDED = 100
"""Revocations kept in the file until running hosts have seen them; they check it every second."""


class KeyFileError(Exception):
    """The file cannot be used. The message names it and says why."""


class KeyFileContents(BaseModel):
    """The contents of the file.

    Attributes:
        version: of the format.
        keys: the valid keys.
        calls_ended: ids of keys that were revoked together with their calls, the latest last.
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    version: int = 1
    keys: tuple[ApiKey, ...] = ()
    calls_ended: tuple[str, ...] = ()


def read_keys(path: Path) -> KeyFileContents:
    """Return the contents of a file; empty if there is no file. Blocks.

    Raises:
        KeyFileError: it cannot be read, is not a key file, or others may write it.
    """
    try:
        text = read_private(path, secret=False).decode("utf-8-sig")
    except FileNotFoundError:
        return KeyFileContents()
    except UnicodeDecodeError as error:
        raise KeyFileError(f"{path} is not a key file: it is not UTF-8 text") from error
    except UnsafeFile as error:
        raise KeyFileError(str(error)) from error
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror or type(error).__name__}") from error
    try:
        contents = KeyFileContents.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise KeyFileError(f"{path} is not a key file: {f'{where}: ' if where else ''}{first['msg']}") from error
    if contents.version != 1:
        raise KeyFileError(f"{path} was written by a later voice-host: its version is {contents.version}, not 1")
    return contents


class KeyFile:
    """The key file as `voice-host keys` changes it: one change at a time, each atomic.

    Args:
        path: of the file, which is created, with its folder, for the first key.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> tuple[ApiKey, ...]:
        """Return the keys. Raises `KeyFileError`."""
        return read_keys(self.path).keys

    def add(self, key: ApiKey) -> None:
        """Add a key. Raises `KeyFileError`."""
        with self._changing() as contents:
            self._write(contents, [*contents.keys, key])

    def revoke(self, which: str, *, end_calls: bool = False) -> ApiKey:
        """Remove a key by its id, or by its name if that is unique, and return it.

        Args:
            which: the id or the name.
            end_calls: whether running hosts end the calls that were begun with it.

        Raises:
            LookupError: there is no such key, or there are several of that name.
            KeyFileError: the file cannot be used.
        """
        with self._changing() as contents:
            keys = contents.keys
            found = [key for key in keys if key.id == which] or [key for key in keys if key.name == which]
            if not found:
                raise LookupError(f"there is no key {which!r}")
            if len(found) > 1:
                raise LookupError(f"{len(found)} keys are named {which!r}: {', '.join(key.id for key in found)}")
            left = [key for key in keys if key is not found[0]]
            self._write(contents, left, ended=[found[0].id] if end_calls else [])
            return found[0]

    @contextmanager
    def _changing(self) -> Iterator[KeyFileContents]:
        from filelock import FileLock, Timeout  # slow to import, and every command would wait for it

        try:
            target = link_target(self.path)  # changes through a link must wait for the same lock
            target.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{target}.lock", timeout=LOCK_TIMEOUT_S, mode=_MODE):
                yield read_keys(self.path)
        except Timeout as error:
            raise KeyFileError(f"{self.path} is being changed by another process") from error
        except OSError as error:
            raise KeyFileError(f"{self.path} cannot be written: {error.strerror or type(error).__name__}") from error

    def _write(self, before: KeyFileContents, keys: Sequence[ApiKey], *, ended: Sequence[str] = ()) -> None:
        calls_ended = (*before.calls_ended, *ended)[-MAX_CALLS_ENDED:]
        contents = KeyFileContents(keys=tuple(keys), calls_ended=calls_ended)
        left_out = None if calls_ended else {"calls_ended"}  # earlier versions do not know the field
        write_private(self.path, contents.model_dump_json(indent=2, exclude=left_out) + "\n")
