"""Waiting until somebody saves a file that matters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from watchfiles import Change, DefaultFilter, awatch

DEBOUNCE_MS = 400
"""Longest time for which saves that follow each other at once are taken together: an editor that saves all files."""

_Found = AsyncGenerator[set[tuple[Change, str]], None]


class Changes:
    """What was saved since the last look.

    Args:
        code: packages (folders, watched with all that is below: Python, TOML, data) and modules (files).
        files: further files that matter. A file is watched by its folder: editors replace files when they save.
    """

    def __init__(self, code: tuple[Path, ...], files: tuple[Path, ...]) -> None:
        self._folders = tuple(path.resolve() for path in code if path.is_dir())
        # Only the last folder's links are followed: the file itself may be made, or replaced by a link, later.
        self._files = frozenset(path.parent.resolve() / path.name for path in (*files, *code) if not path.is_dir())
        self._changed: set[Path] = set()
        self._saved = asyncio.Event()

    async def watch(self) -> None:
        """Watch until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            if self._folders:
                found = awatch(*self._folders, watch_filter=self._is_code, debounce=DEBOUNCE_MS)
                tasks.create_task(self._collect(found))
            if self._files:
                beside = {file.parent for file in self._files}
                found = awatch(*beside, watch_filter=self._is_named, debounce=DEBOUNCE_MS, recursive=False)
                tasks.create_task(self._collect(found))

    async def next(self) -> set[Path]:
        """Return the files that were saved since the last time, waiting for one if need be."""
        await self._saved.wait()
        return self.taken()

    def taken(self) -> set[Path]:
        """Return the files that were saved since the last time, without waiting."""
        changed, self._changed = self._changed, set()
        self._saved.clear()
        return changed

    async def _collect(self, changes: _Found) -> None:
        async with aclosing(changes):
            async for found in changes:
                self._changed.update(Path(path) for _, path in found)
                self._saved.set()

    def _is_code(self, change: Change, path: str) -> bool:
        """Not what interpreters, editors and version control leave there. Where the folder itself lies says nothing."""
        folder = next(folder for folder in self._folders if Path(path).is_relative_to(folder))
        return _not_left_by_tools(change, str(Path(path).relative_to(folder)))

    def _is_named(self, _: Change, path: str) -> bool:
        return Path(path) in self._files


_not_left_by_tools = DefaultFilter()
