"""A lock per id."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Wanted:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class IdLocks:
    """Locks by id, which exist only while they are held or waited for."""

    def __init__(self) -> None:
        self._wanted: dict[str, _Wanted] = {}

    @asynccontextmanager
    async def holding(self, id_: str) -> AsyncIterator[None]:
        """Hold the lock of an id."""
        wanted = self._wanted.setdefault(id_, _Wanted())
        wanted.users += 1
        try:
            async with wanted.lock:
                yield
        finally:
            wanted.users -= 1
            if not wanted.users:
                del self._wanted[id_]
