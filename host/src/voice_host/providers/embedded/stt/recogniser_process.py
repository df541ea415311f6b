"""One recogniser process, seen from the host."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from pathlib import Path

from voice_host.providers.embedded.stt import recogniser_worker as protocol
from voice_host.settings import ResilienceSettings


class RecogniserDied(Exception):
    """The process ended or got stuck before it answered."""


class RecogniserProcess:
    """A process with a loaded model. One request at a time; the pool sees to that.

    Attributes:
        busy: whether it works on a request; kept by the pool.
        listener: whose streamed utterance it holds, if any; kept by the pool.
    """

    def __init__(self, process: asyncio.subprocess.Process, answer_timeout_s: float) -> None:
        self._process = process
        self._answer_timeout_s = answer_timeout_s
        self.busy = False
        self.listener: object | None = None

    @classmethod
    async def start(cls, resilience: ResilienceSettings) -> RecogniserProcess:
        """Start a process and wait for its model (about 0.5 s).

        Args:
            resilience: `embedded_answer_timeout_s` must be enough for an utterance of 30 s, the longest, which decodes
                at about 0.3 of real time: beyond it the process is stuck.

        Raises:
            RecogniserDied: it ended before it was ready.
        """
        # By path and with -P: neither the host's package nor the caller's __main__ is imported. A session of its own
        # keeps the terminal's Ctrl-C away even while the interpreter starts.
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            str(Path(protocol.__file__)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        recogniser = cls(process, resilience.embedded_answer_timeout_s)
        try:
            await recogniser._reply(resilience.embedded_start_timeout_s)
        except BaseException:
            await recogniser.aclose()
            raise
        return recogniser

    @property
    def pid(self) -> int:
        return self._process.pid

    async def request(self, command: bytes, pcm: bytes) -> str:
        """Send PCM16 mono at 16 kHz and return the words.

        Raises:
            RecogniserDied: the process is of no use any more; close it.
        """
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(protocol.HEADER.pack(len(pcm), command) + pcm)
            await stdin.drain()
        except OSError as error:
            raise RecogniserDied from error
        return await self._reply(self._answer_timeout_s)

    async def _reply(self, timeout_s: float) -> str:
        stdout = self._process.stdout
        assert stdout is not None
        try:
            async with asyncio.timeout(timeout_s):
                (length,) = protocol.LENGTH.unpack(await stdout.readexactly(protocol.LENGTH.size))
                return (await stdout.readexactly(length)).decode()
        except (asyncio.IncompleteReadError, OSError, TimeoutError) as error:
            raise RecogniserDied from error

    async def aclose(self) -> None:
        """End the process, which holds nothing worth keeping, and wait until it is gone."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        await self._process.wait()
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is not None:
            stdin.close()
        if stdout is not None:
            await stdout.read()  # to the end of file, which closes the pipe
