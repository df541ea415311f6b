"""The parent: keeps the socket, watches the files, and replaces the child when one is saved."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from voice_host.dev.browser import open_page
from voice_host.dev.changes import Changes
from voice_host.dev.order import Order
from voice_host.dev.process import Child
from voice_host.dev.source import PYPROJECT, NoAgentHere, SourceTree, read_tree
from voice_host.settings import DOTENV_FILE


class ChildrenFail(Exception):
    """Not even a child that leaves the agents out can serve."""


class Supervisor:
    """Runs one child after the other.

    Args:
        tree: as it is now.
        config: the settings file, if there is one.
        listener: stays open, so that whoever connects while a child is replaced waits for the next one.
        page: the address to show in a browser, or None.
    """

    def __init__(self, tree: SourceTree, config: Path | None, listener: socket.socket, page: str | None) -> None:
        self._tree = tree
        self._config = config
        self._listener = listener
        self._page = page
        self._children: set[Child] = set()
        self._next: Child | None = None
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)

    async def run(self) -> None:
        """Serve until SIGINT or SIGTERM.

        Raises:
            ChildrenFail: nothing can be served.
        """
        leaving = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt there
                loop.add_signal_handler(number, self._hear, leaving)
        try:
            await _either(leaving.wait(), self._serve())
        finally:
            await self._end()

    def _hear(self, leaving: asyncio.Event) -> None:
        if leaving.is_set():  # again: hurry
            for child in self._children:
                child.kill()
        leaving.set()

    async def _serve(self) -> None:
        again, failure = False, None
        while True:  # once for each place where the code lies
            changes = Changes(self._tree.code, self._files())
            again, failure = await _either(changes.watch(), self._serve_tree(changes, again, failure))

    async def _serve_tree(self, changes: Changes, again: bool, failure: str | None) -> tuple[bool, str | None]:
        """Serve until the code is somewhere else; return what the next child has to know."""
        while True:
            child, fresh = await self._started(again, failure)
            saved = await self._saved_or_failed(child, changes)
            if isinstance(saved, int):
                failure = self._failure(saved, failure, fresh)
            else:
                failure = None
                # Editors save by way of files that are gone afterwards.
                names = ", ".join(sorted(path.name for path in saved if path.exists())) or "a file"
                self._console.print(Text(f"\n{names} changed, starting again", "dim"))
                await child.leave()
            self._children.discard(child)
            again = True
            if self._moved():
                return again, failure

    async def _started(self, again: bool, failure: str | None) -> tuple[Child, bool]:
        """Return a child that serves, and whether it was started for that, rather than having waited for it."""
        waiting, self._next = self._next, None
        if waiting is not None and not waiting.alive:
            self._children.discard(waiting)
            waiting = None
        child = waiting or await self._spawned()
        config = str(self._config) if self._config else None
        child.carry_out(Order(str(self._tree.folder), config, child.offered(self._listener), again, failure))
        if self._page:
            open_page(self._page)
            self._page = None
        return child, child is not waiting

    async def _spawned(self) -> Child:
        child = await Child.start(self._listener)
        self._children.add(child)
        return child

    async def _saved_or_failed(self, child: Child, changes: Changes) -> set[Path] | int:
        """Return the files that were saved, or the exit code of a child that ended by itself."""
        answering = asyncio.create_task(answers(self._listener.getsockname()[1]))
        saved, ended = asyncio.create_task(changes.next()), asyncio.create_task(child.ended())
        waiting: set[asyncio.Task[Any]] = {answering, saved, ended}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if answering.done() and not saved.done() and not ended.done():
                self._next = await self._spawned()  # while nobody waits for it
                await asyncio.wait({saved, ended}, return_when=asyncio.FIRST_COMPLETED)
            return saved.result() if saved.done() else ended.result()
        finally:
            await _cancelled(waiting)

    def _failure(self, code: int, before: str | None, fresh: bool) -> str:
        how = f"with exit code {code}" if code >= 0 else f"by signal {-code}"
        if before is not None:
            if not fresh:  # killed, perhaps, with the one before, and not seen to be dead when it got its order
                return before
            raise ChildrenFail(f"the process that serves the page ended {how}")
        failure = f"the agent's process ended {how}"
        self._console.print(Text.assemble(("error: ", "bold red"), failure, "; save a file to start it again"))
        return failure

    def _moved(self) -> bool:
        """Read the tree again and tell whether its code is elsewhere now. What is wrong with it, the child says."""
        before = self._tree
        with suppress(NoAgentHere):
            self._tree = read_tree(before.folder)
        return self._tree.code != before.code

    def _files(self) -> tuple[Path, ...]:
        beside = self._tree.folder.glob("*.py")
        config = [self._config] if self._config else []
        return (self._tree.folder / PYPROJECT, *beside, *config, Path(DOTENV_FILE))

    async def _end(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for child in self._children:
                tasks.create_task(child.leave())


async def answers(port: int) -> None:
    """Wait until somebody answers at the port. It is listened on: a connection waits until it is accepted."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        await reader.read(1)
    finally:
        writer.close()


async def _either(*coroutines: Coroutine[Any, Any, Any]) -> Any:
    """Run coroutines until one is done; return what it returned, or raise what it raised."""
    tasks = {asyncio.create_task(coroutine) for coroutine in coroutines}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(iter(done)).result()
    finally:
        await _cancelled(tasks)


async def _cancelled(tasks: set[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they are over. What they raise is nobody's business any more."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
