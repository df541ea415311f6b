"""Starting worker processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from tests.processes import parent_of
from voice_host.supervisor.spawn import UNKNOWN_EXIT, CannotSpawn, Spawner, WorkerProcess

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="workers are processes of Linux"),
    pytest.mark.real_time,
]


async def ended(process: WorkerProcess) -> int:
    """Let a worker without an order leave, and return its exit code."""
    process.ends.channel.close()
    os.close(process.ends.stdout)
    os.close(process.ends.stderr)
    return await process.exited


async def test_a_zygote_that_is_gone_is_replaced_once() -> None:
    async with asyncio.timeout(60):
        spawner = Spawner()
        try:
            await spawner.start()
            worker = await spawner.spawn(None)
            os.kill(await asyncio.to_thread(parent_of, worker.pid), signal.SIGKILL)
            worker.ends.channel.close()
            assert await worker.exited == UNKNOWN_EXIT
            os.close(worker.ends.stdout)
            os.close(worker.ends.stderr)
            others = await asyncio.gather(*(spawner.spawn(None) for _ in range(3)))
            parents = {await asyncio.to_thread(parent_of, other.pid) for other in others}
            assert len(parents) == 1
            assert [await ended(other) for other in others] == [0, 0, 0]
        finally:
            await spawner.aclose()


async def test_a_program_that_is_missing_is_said_in_words() -> None:
    async with asyncio.timeout(60):
        with pytest.raises(CannotSpawn, match="/no/such/launcher cannot be started: No such file or directory"):
            await Spawner().spawn(None, ["/no/such/launcher"])


async def test_the_exit_code_of_a_program_of_its_own() -> None:
    async with asyncio.timeout(60):
        worker = await Spawner().spawn(None, ["sh", "-c", "exit 7"])
        assert await ended(worker) == 7
