"""The file that API keys are kept in: JSON, read and written whole, for the owner's eyes only."""

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
"""Revocations that are remembered for hosts that have not noticed them: they look every second."""


class KeyFileError(Exception):
    """The file cannot be used. The message names it and says why."""


class KeyFileContents(BaseModel):
    """What the file holds.

    Attributes:
        version: of the format.
        keys: the keys that are good.
        calls_ended: ids of keys that were revoked together with their calls, the latest last.
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    version: int = 1
    keys: tuple[ApiKey, ...] = ()
    calls_ended: tuple[str, ...] = ()


def read_keys(path: Path) -> KeyFileContents:
    """Return what a file holds; nothing when there is no file. Blocks.

    Raises:
        KeyFileError: it cannot be read, is no key file, or others may write it.
    """
    try:
        text = read_private(path, secret=False).decode("utf-8-sig")
    except FileNotFoundError:
        return KeyFileContents()
    except UnicodeDecodeError as error:
        raise KeyFileError(f"{path} is no key file: it is not UTF-8 text") from error
    except UnsafeFile as error:
        raise KeyFileError(str(error)) from error
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror or type(error).__name__}") from error
    try:
        contents = KeyFileContents.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise KeyFileError(f"{path} is no key file: {f'{where}: ' if where else ''}{first['msg']}") from error
    if contents.version != 1:
        raise KeyFileError(f"{path} was written by a later voice-host: its version is {contents.version}, not 1")
    return contents


class KeyFile:
    """The file as `voice-host keys` changes it: one change at a time, and readers see all of it or nothing.

    Args:
        path: of the file; it is made, with its folder, by the first key.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> tuple[ApiKey, ...]:
        """Return the keys. Raises `KeyFileError`."""
        return read_keys(self.path).keys

    def add(self, key: ApiKey) -> None:
        """Keep one more key. Raises `KeyFileError`."""
        with self._changing() as contents:
            self._write(contents, [*contents.keys, key])

    def revoke(self, which: str, *, end_calls: bool = False) -> ApiKey:
        """Forget the key of that id, or of that name where it has no double, and return what was kept of it.

        Args:
            which: its id or name.
            end_calls: whether running hosts end the calls that were begun with it.

        Raises:
            LookupError: there is none, or there are several of that name. The message says which.
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
        from filelock import FileLock, Timeout  # takes its time, and every verb of the command line would wait for it

        try:
            target = link_target(self.path)  # whoever changes it by another name waits for the same lock
            target.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{target}.lock", timeout=LOCK_TIMEOUT_S, mode=_MODE):
                yield read_keys(self.path)
        except Timeout as error:
            raise KeyFileError(f"{self.path} is being changed by somebody else") from error
        except OSError as error:
            raise KeyFileError(f"{self.path} cannot be written: {error.strerror or type(error).__name__}") from error

    def _write(self, before: KeyFileContents, keys: Sequence[ApiKey], *, ended: Sequence[str] = ()) -> None:
        calls_ended = (*before.calls_ended, *ended)[-MAX_CALLS_ENDED:]
        contents = KeyFileContents(keys=tuple(keys), calls_ended=calls_ended)
        left_out = None if calls_ended else {"calls_ended"}  # hosts of before do not know it
        write_private(self.path, contents.model_dump_json(indent=2, exclude=left_out) + "\n")
