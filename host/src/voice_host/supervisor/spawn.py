"""Starting worker processes: forked from the zygote, or started afresh with another environment's Python."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from voice_host.observability.logs import get_logger
from voice_host.supervisor.environment import base_environment, environment_elsewhere
from voice_host.workers import confinement
from voice_host.workers.confinement import Confinement

log = get_logger(__name__)

ZYGOTE_START_TIMEOUT_S = 60.0
"""It imports the agent runtime, which takes 2 s, and several times as long on a busy machine without bytecode."""

ZYGOTE_END_TIMEOUT_S = 5.0
"""How long the zygote may take to end before it is killed. It has nothing to do."""

MAX_ANSWER_BYTES = 4096

UNKNOWN_EXIT = 256
"""The exit code of a worker whose zygote has ended, and cannot tell it. No process has this one."""


NOTHING = Confinement()


class CannotSpawn(Exception):
    """A worker process cannot be started. The message says why."""


def confined_python(python: Path | None, wanted: Confinement) -> tuple[str, ...]:
    """Return the beginning of a command that runs Python, confined before it reads anything of its environment."""
    return sys.executable, "-IS", confinement.__file__, wanted.as_json(), str(python or sys.executable)


class Ends(NamedTuple):
    """The front's ends of what connects it to a worker."""

    channel: socket.socket
    stdout: int
    stderr: int


class WorkerProcess:
    """A worker's process.

    Attributes:
        pid: its id, and that of its process group.
        ends: the front's ends; whoever has this object closes them.
        exited: its exit code, once it has ended; negative: the number of the signal that ended it. It may be
            `UNKNOWN_EXIT`.
    """

    def __init__(self, pid: int, ends: Ends) -> None:
        self.pid = pid
        self.ends = ends
        self.exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process. Ignored if it has ended."""
        if not self.exited.done():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill_group(self) -> None:
        """Kill the process, if it has not ended, and all processes that it has started and left."""
        self.signal(signal.SIGKILL)  # it may not have made its group yet
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def kill_if_running(self) -> None:
        """Kill the process and its group, unless it has ended."""
        if not self.exited.done():
            self.kill_group()

    def set_exited(self, code: int) -> None:
        """Note the exit code."""
        if not self.exited.done():
            self.exited.set_result(code)


class Spawner:
    """Starts worker processes. Belongs to one event loop."""

    def __init__(self) -> None:
        self._zygote: _Zygote | None = None
        self._starting = asyncio.Lock()

    async def start(self) -> None:
        """Start the zygote. Call this before the listener serves, so that the zygote does not inherit connections.

        Raises:
            CannotSpawn: it does not start.
        """
        await self._started()

    async def _started(self) -> _Zygote:
        """Return the zygote; start one if there is none, or it has ended."""
        async with self._starting:
            if self._zygote is None or self._zygote.is_gone:
                self._zygote = await _Zygote.start()
            return self._zygote

    async def spawn(
        self, python: Path | None, launcher: Sequence[str] = (), wanted: Confinement = NOTHING
    ) -> WorkerProcess:
        """Start a worker process.

        Args:
            python: the interpreter of its environment. None: the host's own, so that it is forked, unless there is a
                launcher.
            launcher: a command that starts it.
            wanted: what it gives up before Python reads that environment. One that is forked does so itself.

        Raises:
            CannotSpawn: it cannot be started.
        """
        try:
            with _Pipes() as pipes:
                if python is None and not launcher:
                    return await self._forked(pipes, wanted)
                variables = base_environment() if python is None else environment_elsewhere()
                return _executed([*launcher, *confined_python(python, wanted)], pipes, variables)
        except OSError as error:
            raise CannotSpawn(f"there are no resources for a process: {error.strerror or error}") from error

    async def _forked(self, pipes: _Pipes, wanted: Confinement) -> WorkerProcess:
        """Fork a worker. If there is no zygote and none can be started, start the worker without one."""
        try:
            zygote = await self._started()
        except CannotSpawn as error:
            log.error("zygote_not_started", error=str(error))
            return _executed(confined_python(None, wanted), pipes, base_environment())
        return await zygote.fork(pipes)

    async def aclose(self) -> None:
        """End the zygote. Workers go on, and end by themselves."""
        if self._zygote is not None:
            await self._zygote.aclose()
            self._zygote = None


class _Pipes:
    """What connects a worker and the front. The worker's ends are closed at the end; the front's, unless taken."""

    def __init__(self) -> None:
        ours, self.channel = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        out, self.stdout = os.pipe()
        err, self.stderr = os.pipe()
        self._ours = Ends(ours, out, err)
        self._taken = False

    @property
    def theirs(self) -> tuple[int, int, int]:
        return self.channel.fileno(), self.stdout, self.stderr

    def take(self) -> Ends:
        self._taken = True
        return self._ours

    def __enter__(self) -> _Pipes:
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()
        os.close(self.stdout)
        os.close(self.stderr)
        if not self._taken:
            self._ours.channel.close()
            os.close(self._ours.stdout)
            os.close(self._ours.stderr)


def _executed(command: Sequence[str], pipes: _Pipes, variables: Mapping[str, str]) -> WorkerProcess:
    channel = pipes.channel.fileno()
    try:
        started = subprocess.Popen(
            [*command, "-P", "-m", "voice_host.workers.main", str(channel)],
            stdin=subprocess.DEVNULL,
            stdout=pipes.stdout,
            stderr=pipes.stderr,
            pass_fds=[channel],
            env=variables,
        )
    except OSError as error:
        raise CannotSpawn(f"{command[0]} cannot be started: {error.strerror or error}") from error
    process = WorkerProcess(started.pid, pipes.take())
    _when_readable(os.pidfd_open(started.pid), lambda: process.set_exited(started.wait()))
    return process


def _when_readable(descriptor: int, then: Callable[[], None]) -> None:
    """Call a function once a descriptor is readable, and close the descriptor."""
    loop = asyncio.get_running_loop()

    def readable() -> None:
        loop.remove_reader(descriptor)
        os.close(descriptor)
        then()

    loop.add_reader(descriptor, readable)


class _Zygote:
    """The front's end of the zygote, see `workers.zygote`."""

    def __init__(self, requests: socket.socket, process: subprocess.Popen[bytes]) -> None:
        self._requests = requests
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._forks: dict[int, tuple[asyncio.Future[WorkerProcess], _Pipes]] = {}
        self._number = 0
        self._workers: dict[int, WorkerProcess] = {}
        self.is_gone = False
        requests.setblocking(False)
        self._loop.add_reader(requests.fileno(), self._readable)

    @classmethod
    async def start(cls) -> _Zygote:
        """Start a zygote, and wait until it forks."""
        try:
            zygote = cls(*_zygote_process())
        except OSError as error:
            raise CannotSpawn(f"the zygote cannot be started: {error.strerror or error}") from error
        try:
            async with asyncio.timeout(ZYGOTE_START_TIMEOUT_S):
                await zygote._ready
        except TimeoutError:
            zygote._process.kill()
            raise CannotSpawn(f"the zygote was not ready within {ZYGOTE_START_TIMEOUT_S:.0f} s") from None
        return zygote

    async def fork(self, pipes: _Pipes) -> WorkerProcess:
        self._number += 1
        number = self._number
        forked: asyncio.Future[WorkerProcess] = self._loop.create_future()
        self._forks[number] = (forked, pipes)
        try:
            socket.send_fds(self._requests, [json.dumps({"fork": number}).encode()], pipes.theirs)
        except OSError as error:
            del self._forks[number]
            raise CannotSpawn(f"the zygote takes no request: {error.strerror or error}") from error
        return await asyncio.shield(forked)

    def _readable(self) -> None:
        try:
            data = self._requests.recv(MAX_ANSWER_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._lost()
            return
        self._answered(json.loads(data))

    def _answered(self, answer: dict[str, Any]) -> None:
        match answer:
            case {"ready": True}:
                self._ready.set_result(None)
            case {"forked": int(number), "pid": int(pid)}:
                forked, pipes = self._forks.pop(number)
                self._workers[pid] = process = WorkerProcess(pid, pipes.take())
                forked.set_result(process)
            case {"failed": int(number), "error": str(error)}:
                forked, _ = self._forks.pop(number)
                forked.set_exception(CannotSpawn(f"no process can be forked: {error}"))
            case {"exited": int(pid), "code": int(code)}:
                if pid in self._workers:
                    self._workers.pop(pid).set_exited(code)

    def _lost(self) -> None:
        """The zygote has ended. Its workers go on; when they end, the ends of their channels tell."""
        self.is_gone = True
        self._loop.remove_reader(self._requests.fileno())
        self._requests.close()
        if self._process.poll() is None:  # its sockets are closed a moment before it is gone
            _when_readable(os.pidfd_open(self._process.pid), self._reap)
        else:
            self._reap()
        error = CannotSpawn("the process that forks workers has ended")
        waiting: list[asyncio.Future[Any]] = [self._ready, *(forked for forked, _ in self._forks.values())]
        self._forks.clear()
        for future in waiting:
            if not future.done():
                future.set_exception(error)
        for pid, process in self._workers.items():
            _when_exited(pid, process)

    def _reap(self) -> None:
        log.error("zygote_ended", code=self._process.wait())

    async def aclose(self) -> None:
        """Let the zygote end."""
        if not self.is_gone:
            self._loop.remove_reader(self._requests.fileno())
            self._requests.close()
            self.is_gone = True
        try:
            await asyncio.to_thread(self._process.wait, ZYGOTE_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)


def _zygote_process() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "voice_host.workers.zygote", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            env=base_environment(),
        )
    return ours, process


def _when_exited(pid: int, process: WorkerProcess) -> None:
    """Note the end of a worker whose zygote is gone. Its exit code is unknown."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        process.set_exited(UNKNOWN_EXIT)
        return
    _when_readable(descriptor, lambda: process.set_exited(UNKNOWN_EXIT))


def describe_exit(code: int) -> str:
    """Return an exit code in words: `exit code 1`, or the name of the signal that ended the process."""
    if code >= 0:
        return "an unknown exit code" if code == UNKNOWN_EXIT else f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
