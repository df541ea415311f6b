"""The host's process for speech that runs on this machine, started when a worker first wants it."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from voice_host.auth.agent_key import agent_key
from voice_host.backoff import backoff_s
from voice_host.clock import now_s
from voice_host.observability.logs import get_logger
from voice_host.settings import ServerSettings, SpeechProcessSpec, built_in_services
from voice_host.supervisor.environment import base_environment
from voice_host.tasks import in_background

log = get_logger(__name__)

RESTART_FIRST_S = 0.1
RESTART_MAX_S = 30.0
STEADY_S = 60.0
"""A process that lived so long counts as working."""
STOP_TIMEOUT_S = 2.0
"""It ends at once when it is told to; one that does not is killed."""

_SOCKET = "speech.sock"
_BACKLOG = 1024
"""Connections of workers that may wait while the process starts. Beyond it, connecting fails at once."""


class SpeechProcess:
    """Owns the Unix socket that workers connect to, and starts the process for the first connection.

    The process gets the listening socket, as from systemd or inetd. So a connection is never refused while the process
    starts, and after its death the next connection brings it back: it waits in the socket, which stays with the front.

    The process has a group of its own and only what it needs of the environment. It ends with the host, or by itself
    when no worker is connected. If the host is killed, it serves the workers until they have left.

    Args:
        spec: what to start; default: that of the built-in services.
    """

    def __init__(self, settings: ServerSettings, spec: SpeechProcessSpec | None = None) -> None:
        self._settings = settings
        self._spec = spec or next((each.process for each in built_in_services() if each.process is not None), None)
        self._secret = secrets.token_bytes(32)
        self._folder: Path | None = None
        self._listening: socket.socket | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._running: asyncio.Task[None] | None = None
        self._failures = 0

    @property
    def socket_path(self) -> str | None:
        """The socket, for `Order.speech_socket`. None: there is none; see `open`."""
        return str(self._folder / _SOCKET) if self._folder is not None else None

    @property
    def pid(self) -> int | None:
        """The process that runs now."""
        return self._process.pid if self._process is not None else None

    def key_for(self, agent_id: str) -> str:
        """Return what shows the process that a worker runs that agent, for `Order.speech_key`."""
        return agent_key(self._secret, agent_id)

    async def open(self) -> None:
        """Listen, unless the service cannot run on this machine. Nothing is started yet.

        If no socket can be made, for example since no folder for temporary files is writable, workers load the models
        themselves.
        """
        await asyncio.to_thread(self._listen)
        if self._listening is not None:
            self._wait_for_worker()

    def _listen(self) -> None:
        if self._spec is None or self._spec.problem() is not None:
            return
        listening = socket.socket(socket.AF_UNIX)
        try:
            self._folder = Path(tempfile.mkdtemp(prefix="voice-host-"))
            path = self._folder / _SOCKET
            listening.bind(str(path))
            path.chmod(0o666)  # workers may run as other users: the key decides
            self._folder.chmod(0o711)
        except OSError as error:
            log.warning("speech_process_off", reason=f"no socket can be made in {tempfile.gettempdir()}: {error}")
            listening.close()
            self._remove_folder()
            return
        listening.setblocking(False)
        listening.listen(_BACKLOG)
        self._listening = listening

    def _remove_folder(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    async def aclose(self) -> None:
        """End the process and remove the socket. Idempotent."""
        if self._listening is None:
            return
        asyncio.get_running_loop().remove_reader(self._listening)
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait((self._running,))
        self._listening.close()
        self._listening = None
        await asyncio.to_thread(self._remove_folder)

    def _wait_for_worker(self) -> None:
        assert self._listening is not None
        asyncio.get_running_loop().add_reader(self._listening, self._worker_waits)

    def _worker_waits(self) -> None:
        assert self._listening is not None
        asyncio.get_running_loop().remove_reader(self._listening)  # the process accepts it, and all that follow
        self._running = in_background(self._run(self._listening), "speech-process")

    async def _run(self, listening: socket.socket) -> None:
        """Run the process until it ends, and then wait for the next worker; longer each time it fails."""
        began_s = now_s()
        exit_code = await self._run_once(listening)
        lived_s = now_s() - began_s
        if exit_code == 0:
            self._failures = 0
            log.info("speech_process_ended", reason="no worker uses it")
        else:
            self._failures = 1 if lived_s > STEADY_S else self._failures + 1
            wait_s = backoff_s(self._failures, first_s=RESTART_FIRST_S, max_s=RESTART_MAX_S)
            log.error(
                "speech_process_lost", exit_code=exit_code, lived_s=round(lived_s, 1), again_in_s=round(wait_s, 1)
            )
            await asyncio.sleep(wait_s)
        self._wait_for_worker()

    async def _run_once(self, listening: socket.socket) -> int | None:
        assert self._spec is not None
        arguments = (str(listening.fileno()), self._settings.log_format, self._settings.log_level)
        try:
            process = self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", self._spec.module, *arguments),
                stdin=asyncio.subprocess.PIPE,
                pass_fds=(listening.fileno(),),
                env=base_environment(),
                start_new_session=True,
            )
        except OSError as error:
            log.error("speech_process_not_started", error=str(error))
            return None
        log.info("speech_process_started", pid=process.pid)
        assert process.stdin is not None
        try:
            process.stdin.write(self._secret.hex().encode() + b"\n")
            return await process.wait()
        finally:
            self._process = None
            await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Tell a process to end, or else kill it with all that it started."""
    assert process.stdin is not None
    with suppress(OSError, RuntimeError):  # it has ended; the RuntimeError is uvloop's
        process.stdin.write(b"end\n")
        process.stdin.close()
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        log.warning("speech_process_killed", pid=process.pid)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
