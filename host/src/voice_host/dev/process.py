"""One child process, seen from its parent."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress

from voice_host.dev.handover import inheritable, offered
from voice_host.dev.order import Order
from voice_host.settings import environment_for_children

LEAVE_WITHIN_S = 8.0
"""How long a child may take to end its calls and the agents' `on_shutdown`; then it is killed."""


class Child:
    """A child that has been started. It waits for an order first."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, listener: socket.socket) -> Child:
        """Start a child. What it prints goes where this process prints."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "voice_host.dev.child"),
            stdin=asyncio.subprocess.PIPE,
            pass_fds=inheritable(listener),
            env=environment_for_children(),
            # Ctrl-C at the terminal is the parent's to hear.
            process_group=0 if os.name == "posix" else None,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        return cls(process)

    def carry_out(self, order: Order) -> None:
        """Let it serve. It may have died already: `ended` tells."""
        with suppress(OSError, RuntimeError):  # uvloop's for a pipe that is closed
            self._input.write(order.line())

    def offered(self, listener: socket.socket) -> str | int:
        """Return what an order calls the socket."""
        return offered(listener, self._process.pid)

    @property
    def alive(self) -> bool:
        """Whether it has not been seen to end."""
        return self._process.returncode is None

    async def ended(self) -> int:
        """Wait until it is gone and return its exit code; negative: the signal that killed it."""
        return await self._process.wait()

    async def leave(self) -> None:
        """Let it end its calls and go; kill it when it does not, or when this is cancelled."""
        with suppress(OSError, RuntimeError):
            self._input.close()
        try:
            async with asyncio.timeout(LEAVE_WITHIN_S):
                await self._process.wait()
        except TimeoutError:
            pass
        finally:
            self.kill()
        await self._process.wait()

    def kill(self) -> None:
        """Kill it, and on POSIX whatever the agents started in its process group."""
        with suppress(ProcessLookupError):
            if os.name == "posix":
                os.killpg(self._process.pid, signal.SIGKILL)
            elif self._process.returncode is None:
                self._process.kill()

    @property
    def _input(self) -> asyncio.StreamWriter:
        assert self._process.stdin is not None
        return self._process.stdin
