"""The parent: it keeps the socket, watches the files, and replaces the child after each save."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from voice_host.dev.channel import ServeRequest
from voice_host.dev.file_watcher import FileWatcher
from voice_host.dev.process import Child
from voice_host.dev.source import PYPROJECT, NoAgentHere, SourceTree, read_tree
from voice_host.settings import DOTENV_FILE

_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")


class HostFailed(Exception):
    """Even a child that loads no agents cannot serve."""


class Supervisor:
    """Runs one child after the other.

    Args:
        tree: the source tree, as it is now.
        config: the settings file, if there is one.
        listener: stays open, so that connections made while a child is replaced wait for the next one.
        page: the address to open in a browser, or None.
    """

    def __init__(self, tree: SourceTree, config: Path | None, listener: socket.socket, page: str | None) -> None:
        self._tree = tree
        self._config = config
        self._listener = listener
        self._page = page
        self._children: set[Child] = set()
        self._spare: Child | None = None
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)

    async def run(self) -> None:
        """Serve until SIGINT or SIGTERM.

        Raises:
            HostFailed: even without agents nothing can be served.
        """
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt there
                loop.add_signal_handler(number, self._on_signal, stopping)
        try:
            await _first(stopping.wait(), self._serve())
        finally:
            await self._stop_children()

    def _on_signal(self, stopping: asyncio.Event) -> None:
        if stopping.is_set():  # the second signal
            for child in self._children:
                child.kill()
        stopping.set()

    async def _serve(self) -> None:
        restarted, failure = False, None
        while True:  # a new watcher whenever the code has moved to other folders
            watcher = FileWatcher(self._tree.code, self._files())
            restarted, failure = await _first(watcher.watch(), self._serve_tree(watcher, restarted, failure))

    async def _serve_tree(self, watcher: FileWatcher, restarted: bool, failure: str | None) -> tuple[bool, str | None]:
        """Serve until the code moves to other folders; return `restarted` and `failure` for the next child."""
        while True:
            child, is_new = await self._start_child(restarted, failure)
            saved = await self._saved_or_ended(child, watcher)
            if isinstance(saved, int):
                failure = self._failure(saved, failure, is_new)
            else:
                failure = None
                # Editors also report temporary files, which no longer exist.
                names = ", ".join(sorted(path.name for path in saved if path.exists())) or "a file"
                self._console.print(Text(f"\n{names} changed, restarting", "dim"))
                await child.stop()
            self._children.discard(child)
            restarted = True
            if self._moved():
                return restarted, failure

    async def _start_child(self, restarted: bool, failure: str | None) -> tuple[Child, bool]:
        """Let a child serve; return it, and whether it is new rather than the spare one."""
        spare, self._spare = self._spare, None
        if spare is not None and not spare.alive:
            self._children.discard(spare)
            spare = None
        child = spare or await self._spawn()
        config = str(self._config) if self._config else None
        child.serve(ServeRequest(str(self._tree.folder), config, child.share(self._listener), restarted, failure))
        if self._page:
            open_page(self._page)
            self._page = None
        return child, child is not spare

    async def _spawn(self) -> Child:
        child = await Child.start(self._listener)
        self._children.add(child)
        return child

    async def _saved_or_ended(self, child: Child, watcher: FileWatcher) -> set[Path] | int:
        """Return the files that were saved, or the exit code of a child that ended by itself."""
        answering = asyncio.create_task(wait_for_answer(self._listener.getsockname()[1]))
        saved, ended = asyncio.create_task(watcher.next()), asyncio.create_task(child.wait())
        waiting: set[asyncio.Task[Any]] = {answering, saved, ended}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if answering.done() and not saved.done() and not ended.done():
                self._spare = await self._spawn()  # after the start, which it would slow down
                await asyncio.wait({saved, ended}, return_when=asyncio.FIRST_COMPLETED)
            return saved.result() if saved.done() else ended.result()
        finally:
            await _cancel(waiting)

    def _failure(self, code: int, before: str | None, is_new: bool) -> str:
        how = f"with exit code {code}" if code >= 0 else f"by signal {-code}"
        if before is not None:
            if not is_new:  # the spare child may have been killed along with the previous one, unnoticed
                return before
            raise HostFailed(f"the process that serves the page ended {how}")
        failure = f"the agent's process ended {how}"
        self._console.print(Text.assemble(("error: ", "bold red"), failure, "; save a file to restart it"))
        return failure

    def _moved(self) -> bool:
        """Read the tree again and return whether its code has moved. Errors in it are reported by the child."""
        before = self._tree
        with suppress(NoAgentHere):
            self._tree = read_tree(before.folder)
        return self._tree.code != before.code

    def _files(self) -> tuple[Path, ...]:
        modules = self._tree.folder.glob("*.py")
        config = [self._config] if self._config else []
        return (self._tree.folder / PYPROJECT, *modules, *config, Path(DOTENV_FILE))

    async def _stop_children(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for child in self._children:
                tasks.create_task(child.stop())


def open_page(url: str) -> None:
    """Open a page in the user's browser, unless the only one is a browser in this terminal."""
    if sys.platform == "linux" and not any(os.environ.get(name) for name in _DISPLAYS):
        return
    # In a thread, because some browsers block until they are closed.
    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()


async def wait_for_answer(port: int) -> None:
    """Wait until a request is answered. The port is listened on already, so the connection waits in the backlog."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        await reader.read(1)
    finally:
        writer.close()


async def _first(*coroutines: Coroutine[Any, Any, Any]) -> Any:
    """Run coroutines until one is done; return its result, or raise its exception."""
    tasks = {asyncio.create_task(coroutine) for coroutine in coroutines}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(iter(done)).result()
    finally:
        await _cancel(tasks)


async def _cancel(tasks: set[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they have ended. Their exceptions are ignored."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
