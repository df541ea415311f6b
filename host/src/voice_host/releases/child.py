"""Running a program to its end, in a process group of its own, with a time limit."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

MAX_OUTPUT_BYTES = 1024 * 1024
"""The most that is kept of each stream, from its end."""

NICENESS = 10
"""Of the programs, so that compiling does not take the CPU from calls."""

_REST_S = 1.0
"""How long to wait for the rest of the output, if a process that has left the group still holds the pipe."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A program that has ended.

    Attributes:
        code: its exit code; negative: the signal that ended it.
        stdout, stderr: the end of what it wrote, with characters replaced that are not UTF-8.
    """

    code: int
    stdout: str
    stderr: str

    @property
    def how(self) -> str:
        """How it ended, in words: `ended by SIGKILL`, `exited with 1`."""
        if self.code >= 0:
            return f"exited with {self.code}"
        with suppress(ValueError):
            return f"ended by {signal.Signals(-self.code).name}"
        return f"ended by signal {-self.code}"


async def run_child(
    command: Sequence[str],
    *,
    folder: Path,
    variables: Mapping[str, str],
    limit_s: float,
    input_bytes: bytes = b"",
) -> Ended:
    """Run a program, and return what it wrote. It and all that it started are gone afterwards, cancelled or not.

    Args:
        command: the program's path and arguments.
        folder: its working directory.
        variables: its whole environment.
        input_bytes: what it reads from stdin, which stays open while it runs: its end tells that this process is gone.

    Raises:
        TimeoutError: it took longer than `limit_s`.
        OSError: it cannot be started.
    """
    async with _output() as (stdout, out), _output() as (stderr, err):
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env=dict(variables),
            stdin=asyncio.subprocess.PIPE,
            stdout=out,
            stderr=err,
            start_new_session=True,  # uvloop knows no `process_group`
        )
        with suppress(OSError):
            os.setpriority(os.PRIO_PGRP, process.pid, NICENESS)
        try:
            async with asyncio.timeout(limit_s), asyncio.TaskGroup() as tasks:
                tasks.create_task(_write(process.stdin, input_bytes))
                code = await process.wait()
        finally:
            if process.stdin is not None:
                process.stdin.close()
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # and what it has started
            await asyncio.shield(process.wait())
    return Ended(code, *[bytes(kept).decode(errors="replace") for kept in (stdout, stderr)])


@asynccontextmanager
async def _output() -> AsyncIterator[tuple[bytearray, int]]:
    """Yield the end of what is written to a pipe, and the descriptor to write to.

    A pipe that asyncio makes for a process would let `wait()` wait for everybody who has inherited it.
    """
    reading, writing = os.pipe()
    stream = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(reading, "rb", 0)
    )
    kept = bytearray()

    async def read() -> None:
        while chunk := await stream.read(65536):
            kept.extend(chunk)
            del kept[:-MAX_OUTPUT_BYTES]

    task = asyncio.create_task(read())
    try:
        yield kept, writing
        os.close(writing)
        writing = -1
        await asyncio.wait({task}, timeout=_REST_S)
    finally:
        if writing >= 0:
            os.close(writing)
        task.cancel()
        transport.close()


async def _write(stream: asyncio.StreamWriter | None, content: bytes) -> None:
    assert stream is not None
    with suppress(ConnectionError):  # it did not read it
        stream.write(content)
        await stream.drain()
