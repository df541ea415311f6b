"""The API keys of a running host, which notices revoked keys without a restart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from voice_host.auth.api_keys import ApiKey, matches, split_key
from voice_host.auth.key_file import KeyFileError, read_keys
from voice_host.observability.logs import get_logger

log = get_logger(__name__)

RECHECK_S = 1.0
"""How often the file is checked, in seconds: a revoked key works for at most this long."""

_Stamp = tuple[int, ...] | None


class KeyRing:
    """Looks keys up.

    While the file is missing or cannot be read, no key is valid, since any of them may have been revoked. It is read
    again at every check until that succeeds: the cause may disappear without a change of the file (no free file
    descriptor, a disk error, a half-written file).

    Args:
        path: of the key file, which is read at once.
        recheck_s: the shortest time between checks for changes, which run in a thread; default: `RECHECK_S`.
        monotonic: seconds.
        now: the current time, for the expiry of keys.

    Raises:
        KeyFileError: the file exists and cannot be used.
    """

    def __init__(
        self,
        path: Path,
        *,
        recheck_s: float | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._path = path
        self._recheck_s = RECHECK_S if recheck_s is None else recheck_s
        self._monotonic = monotonic
        self._now = now
        self._stamp = _stamp(path)
        self._failure: str | None = None  # why the last read failed
        contents = read_keys(path)
        self._keys = {key.id: key for key in contents.keys}
        self._calls_ended = contents.calls_ended
        self._checked_at_s = monotonic()
        self._checking = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._keys)

    async def find(self, credential: str) -> ApiKey | None:
        """Return the key of a credential; None: it is unknown, wrong, revoked or expired."""
        parts = split_key(credential)
        if parts is None:
            return None
        key_id, secret = parts
        await self._refresh()
        key = self._keys.get(key_id)
        return key if matches(key, secret) and key is not None and not key.expired(self._now()) else None

    async def is_valid(self, key_id: str) -> bool:
        """Whether the key of that id is neither revoked nor expired."""
        await self._refresh()
        key = self._keys.get(key_id)
        return key is not None and not key.expired(self._now())

    async def calls_ended(self) -> frozenset[str]:
        """Return the ids of keys that were revoked together with their calls."""
        await self._refresh()
        return frozenset(self._calls_ended)

    async def _refresh(self) -> None:
        if self._monotonic() - self._checked_at_s < self._recheck_s:
            return
        async with self._checking:
            if self._monotonic() - self._checked_at_s < self._recheck_s:
                return  # another task has checked meanwhile
            stamp = await asyncio.to_thread(_stamp, self._path)
            if stamp != self._stamp or self._failure is not None:
                await self._reload()
                self._stamp = stamp
            self._checked_at_s = self._monotonic()

    async def _reload(self) -> None:
        try:
            contents = await asyncio.to_thread(read_keys, self._path)
        except KeyFileError as error:
            self._keys = {}
            if self._failure != str(error):  # logged once, not at every check
                log.error("api_keys_unreadable", error=str(error), effect="no API key is accepted until it can be read")
            self._failure = str(error)
            return
        self._failure = None
        self._keys = {key.id: key for key in contents.keys}
        self._calls_ended = contents.calls_ended
        log.info("api_keys_reloaded", keys=len(self._keys))


def _stamp(path: Path) -> _Stamp:
    """Return what changes whenever a file changes; None if it does not exist. Blocks."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
