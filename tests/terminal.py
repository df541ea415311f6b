"""Programs that run in a terminal of their own: libraries print there what they do not print into a pipe."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

DEADLINE_S = 60.0

# The program becomes the leader of the terminal, as under a shell: it gets SIGHUP when the terminal is closed.
_LEAD = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.executable, sys.argv[1:])"

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

_QUIETING = ("CI", "PYTEST_VERSION", "PYDANTIC_AI_NO_BANNER", "NO_COLOR")
"""Variables that make libraries say less than they do to a person."""


class Terminal:
    """A `voice-host` that runs in a terminal of 200 columns. `output` is what is to be read there, without colours."""

    def __init__(self, *arguments: str, cwd: Path) -> None:
        environ = {
            name: value
            for name, value in os.environ.items()
            if name not in _QUIETING and not name.startswith(("VOICE_HOST_", "ASSEMBLYAI_"))
        }
        self._screen, theirs = os.openpty()
        command = [sys.executable, "-c", _LEAD, sys.executable, "-m", "voice_host", *arguments]
        self._popen = subprocess.Popen(
            command,
            cwd=cwd,
            env={**environ, "TERM": "xterm-256color", "COLUMNS": "200"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self._read = b""
        self._hung_up = False
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._listen)
        self._reader.start()

    def _listen(self) -> None:
        with suppress(OSError):  # Linux: nobody has the terminal open any more
            while not self._hung_up:
                if not select.select([self._screen], [], [], 0.1)[0]:
                    continue  # only now and then: closing what another thread reads from does not wake it
                if not (piece := os.read(self._screen, 65536)):
                    break
                with self._changed:
                    self._read += piece
                    self._changed.notify_all()

    @property
    def output(self) -> str:
        return _CONTROL.sub("", self._read.decode(errors="replace")).replace("\r\n", "\n")

    def until(self, text: str) -> None:
        """Wait until `text` is to be read."""
        with self._changed:
            assert self._changed.wait_for(lambda: text in self.output, DEADLINE_S), self.output

    def press_ctrl_c(self) -> None:
        os.write(self._screen, b"\x03")

    def hang_up(self) -> None:
        """Close the terminal, as its window is closed."""
        self._hung_up = True
        self._reader.join(DEADLINE_S)
        os.close(self._screen)

    def ended(self) -> int:
        """Wait for its end and return its exit code."""
        code = self._popen.wait(DEADLINE_S)
        self._reader.join(DEADLINE_S)
        return code

    def close(self) -> None:
        if self._popen.poll() is None:
            self._popen.kill()
            self._popen.wait()
        if not self._hung_up:
            self.hang_up()


@contextmanager
def terminal(*arguments: str, cwd: Path) -> Iterator[Terminal]:
    """Run `voice-host` with `arguments` in a terminal."""
    started = Terminal(*arguments, cwd=cwd)
    try:
        yield started
    finally:
        started.close()
