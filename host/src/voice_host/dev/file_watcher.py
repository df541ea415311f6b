"""Watching the files of a source tree."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from watchfiles import Change, DefaultFilter, awatch

DEBOUNCE_MS = 400
"""Saves within this time are reported together, for editors that save all open files at once."""

_Changes = AsyncGenerator[set[tuple[Change, str]], None]


class FileWatcher:
    """Collects the files that are saved.

    Args:
        code: packages (folders, watched with everything below: Python, TOML, data) and modules (files).
        files: other files. A file is watched through its folder, because editors replace files when they save.
    """

    def __init__(self, code: tuple[Path, ...], files: tuple[Path, ...]) -> None:
        self._folders = tuple(path.resolve() for path in code if path.is_dir())
        # Links are resolved in the folder only: the file itself may be created, or replaced by a link, later.
        self._files = frozenset(path.parent.resolve() / path.name for path in (*files, *code) if not path.is_dir())
        self._changed: set[Path] = set()
        self._saved = asyncio.Event()

    async def watch(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            if self._folders:
                found = awatch(*self._folders, watch_filter=self._is_code, debounce=DEBOUNCE_MS)
                tasks.create_task(self._collect(found))
            if self._files:
                parents = {file.parent for file in self._files}
                found = awatch(*parents, watch_filter=self._is_named, debounce=DEBOUNCE_MS, recursive=False)
                tasks.create_task(self._collect(found))

    async def next(self) -> set[Path]:
        """Wait for a save and return the files saved since the last call."""
        await self._saved.wait()
        changed, self._changed = self._changed, set()
        self._saved.clear()
        return changed

    async def _collect(self, changes: _Changes) -> None:
        async with aclosing(changes):
            async for found in changes:
                self._changed.update(Path(path) for _, path in found)
                self._saved.set()

    def _is_code(self, change: Change, path: str) -> bool:
        """Ignore what interpreters, editors and version control write. Only the path within the folder counts."""
        folder = next(folder for folder in self._folders if Path(path).is_relative_to(folder))
        return _default_filter(change, str(Path(path).relative_to(folder)))

    def _is_named(self, _: Change, path: str) -> bool:
        return Path(path) in self._files


_default_filter = DefaultFilter()
