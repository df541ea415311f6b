"""The real host in a process of its own, as `voice-host serve` starts it, with embedded speech and the demo model."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.ports import free_port

READY_WITHIN_S = 60.0

_KEPT = {"PATH", "HOME", "LANG", "SYSTEMROOT", "TMPDIR", "VIRTUAL_ENV", "PYTHON_DOTENV_DISABLED"}


@contextmanager
def real_host(folder: Path, toml: str = "") -> Iterator[str]:
    """Serve the example agent `front-desk`, without any API key of a service. Yields `http://127.0.0.1:port`.

    Args:
        folder: where it runs, and has its settings file and `host.log`.
        toml: its settings.
    """
    (folder / "voice-host.toml").write_text(toml, encoding="utf-8")
    port = free_port()
    command = [sys.executable, "-m", "voice_host", "serve", "--port", str(port), "--agents", "front-desk"]
    environment = {name: value for name, value in os.environ.items() if name in _KEPT}
    log = folder / "host.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        _wait_until_ready(f"http://127.0.0.1:{port}", process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"the host ended with {process.returncode}:\n{log.read_text()}")
        try:
            with urllib.request.urlopen(f"{url}/ready", timeout=2):
                return
        except urllib.error.HTTPError as not_yet:
            not_yet.close()
        except OSError:
            pass  # it does not listen yet
        time.sleep(0.1)
    pytest.fail(f"the host was not ready within {READY_WITHIN_S} s:\n{log.read_text()}")
