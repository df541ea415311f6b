"""Where a worker crashed or hung, as faulthandler tells it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from voice_host.supervisor.crash_stack import CrashStack

ABORTED = """\
Fatal Python error: Aborted

Thread 0x00007f0000000001 (most recent call first):
  File "/usr/lib/python3.11/concurrent/futures/thread.py", line 81 in _worker
  File "/site-packages/desk/background.py", line 7 in wait

Current thread 0x00007f0000000002 (most recent call first):
  File "/usr/lib/python3.11/re/__init__.py", line 176 in search
  File "/site-packages/desk/tools.py", line 12 in look_up
  File "/site-packages/voice_host/conversation/tool_work.py", line 40 in run

Extension modules: pydantic_core._pydantic_core (total: 1)
"""


def where(lines: str, entry_point: str = "desk") -> str | None:
    stack = CrashStack(entry_point)
    for line in lines.splitlines():
        stack.take(line)
    return stack.where


def test_the_innermost_line_of_the_agents_own_code_in_each_thread_is_named() -> None:
    both = "desk/tools.py:12 in look_up, desk/background.py:7 in wait"
    assert where(ABORTED) == both
    assert where(ABORTED, "desk.agent:plugin") == both
    assert where(ABORTED.replace("desk/tools", "lib/tools")) == "desk/background.py:7 in wait"


def test_without_a_fatal_error_nothing_is_named() -> None:
    assert where(ABORTED.partition("\n")[2]) is None
    assert where(ABORTED, "another") is None
    assert where("") is None


def test_a_real_crash_is_read(tmp_path: Path) -> None:
    (tmp_path / "desk.py").write_text("import ctypes\ndef crash():\n    ctypes.string_at(0)\n")
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", "import desk; desk.crash()"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert where(done.stderr) == "desk.py:3 in crash"
