"""A child process, seen from its parent."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress

from voice_host.dev.channel import ServeRequest, inherited_descriptors, share_socket
from voice_host.settings import environment_for_children

STOP_TIMEOUT_S = 8.0
"""How long a child may take to end its calls and run `on_shutdown` before it is killed."""


class Child:
    """A child that has been started. It loads the libraries, and then waits for a request to serve."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, listener: socket.socket) -> Child:
        """Start a child. It inherits stdout and stderr."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "voice_host.dev.child"),
            stdin=asyncio.subprocess.PIPE,
            pass_fds=inherited_descriptors(listener),
            env=environment_for_children(),
            # In a process group of its own, so that Ctrl-C in the terminal reaches the parent alone.
            process_group=0 if os.name == "posix" else None,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        return cls(process)

    def serve(self, request: ServeRequest) -> None:
        """Send a request. The child may have ended already: `wait` tells."""
        with suppress(OSError, RuntimeError):  # RuntimeError: uvloop's for a closed pipe
            self._stdin.write(request.encode())

    def share(self, listener: socket.socket) -> str | int:
        """Return the socket's reference for a request to this child."""
        return share_socket(listener, self._process.pid)

    @property
    def alive(self) -> bool:
        """Whether it is not yet known to have ended."""
        return self._process.returncode is None

    async def wait(self) -> int:
        """Wait until it has ended and return its exit code; negative: the signal that killed it."""
        return await self._process.wait()

    async def stop(self) -> None:
        """Let it end its calls and exit; kill it if it does not, or if this is cancelled."""
        with suppress(OSError, RuntimeError):
            self._stdin.close()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
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
    def _stdin(self) -> asyncio.StreamWriter:
        assert self._process.stdin is not None
        return self._process.stdin
