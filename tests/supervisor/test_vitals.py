"""Memory and CPU time of other processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from voice_host.supervisor.vitals import cpu_wait_s, own_memory_bytes, vitals

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

MB = 1024 * 1024


@contextmanager
def process(code: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that runs `code`, prints a line and waits."""
    running = subprocess.Popen(
        [sys.executable, "-c", f"{code}\nprint(flush=True); input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert running.stdout is not None
        running.stdout.readline()
        yield running
    finally:
        running.kill()
        running.communicate()


def test_memory_that_is_used_is_seen() -> None:
    with process("import os; used = os.urandom(50_000_000)") as running:
        seen = vitals(running.pid)
        own = own_memory_bytes(running.pid)
    assert seen is not None
    assert own is not None
    assert 50 * MB < own <= seen.rss_bytes + MB
    assert own < 90 * MB


def test_memory_shared_with_a_parent_is_not_a_processs_own() -> None:
    fork = "import os, sys; used = os.urandom(50_000_000)\nif os.fork():\n    os.wait(); sys.exit()\nprint(os.getpid())"
    with process(fork) as running:  # the first line is the child's process id
        children = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(running.pid)], capture_output=True, text=True, check=True
        )
        child = int(children.stdout)
        seen, own = vitals(child), own_memory_bytes(child)
    assert seen is not None
    assert own is not None
    assert seen.rss_bytes > 50 * MB
    assert own < 30 * MB


def test_cpu_time_is_seen() -> None:
    with process("import time\nwhile time.process_time() < 0.3: pass") as running:
        seen = vitals(running.pid)
        waited_s = cpu_wait_s(running.pid)
    assert seen is not None
    assert seen.cpu_s >= 0.29
    assert waited_s > 0


def test_a_process_that_has_ended_has_none() -> None:
    with process("") as running:
        pass
    assert vitals(running.pid) is None
    assert own_memory_bytes(running.pid) is None
    assert cpu_wait_s(running.pid) == 0.0
