"""What a worker process limits in itself."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="worker processes need Linux")

LIMIT = "from voice_host.workers.limits import limit_memory, prepare_to_crash; prepare_to_crash()\n"


def run(code: str, memory_mb: int | None = None) -> subprocess.CompletedProcess[str]:
    code = LIMIT + (f"limit_memory({memory_mb})\n" if memory_mb else "") + code
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def test_memory_beyond_the_limit_is_refused() -> None:
    done = run("try:\n    bytearray(700_000_000)\nexcept MemoryError:\n    print('refused')", memory_mb=64)
    assert done.stdout == "refused\n"


def test_memory_within_the_limit_is_not() -> None:
    done = run("used = bytearray(60_000_000); print('used')", memory_mb=64)
    assert done.stdout == "used\n"


def test_without_a_limit_there_is_none() -> None:
    done = run("reserved = bytearray(700_000_000); print('used')")
    assert done.stdout == "used\n"


def test_sigabrt_names_the_line_of_every_thread_although_the_gil_is_held() -> None:
    hold = (
        "import ctypes, os, signal, subprocess, sys, threading\n"
        "def tool():\n"
        "    ctypes.PyDLL(None).sleep(60)\n"
        "subprocess.Popen([sys.executable, '-c', f'import os, time; time.sleep(1); os.kill({os.getpid()}, 6)'])\n"
        "thread = threading.Thread(target=tool); thread.start(); thread.join()"
    )
    done = run(hold)
    assert done.returncode == -signal.SIGABRT
    assert 'File "<string>", line 4 in tool' in done.stderr


def test_a_process_that_aborts_leaves_no_core_dump() -> None:
    done = run("import resource; print(resource.getrlimit(resource.RLIMIT_CORE))")
    assert done.stdout == "(0, 0)\n"
