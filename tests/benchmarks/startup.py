"""`uv run python -m tests.benchmarks.startup [--runs N]`: how long the command line and the host take to start.

With one installed agent and with fifty, which import nothing of their own beside the SDK. A run is a process from its
start to its end, or, for `serve`, until `GET /ready` answers 200. The numbers are medians. A few minutes.
"""

from __future__ import annotations

import argparse
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from tests.sample_plugins import PluginFolder

COUNTS = (1, 50)
READY_TIMEOUT_S = 60.0
HELLO = """
from voice_host_sdk import AgentConfig, hookimpl

def opening_hours(day: str) -> str:
    \"\"\"Tell the opening hours of a day.\"\"\"
    return "At nine."

@hookimpl
def agent_config(settings):
    return AgentConfig(title="Hello", tools=[opening_hours])
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.startup", description="Measure start-up.")
    parser.add_argument("--runs", type=int, default=7, help="of which the median is taken")
    runs = parser.parse_args().runs
    folders = {count: installed(count) for count in COUNTS}
    rows: list[tuple[str, Callable[[Path], float]]] = [
        ("`python -c pass`", lambda folder: _seconds(["-c", "pass"], folder)),
        ("`voice-host --help`", lambda folder: _seconds(["-m", "voice_host", "--help"], folder)),
        ("`voice-host agents`", lambda folder: _seconds(["-m", "voice_host", "agents"], folder)),
        ("`voice-host new`", _new),
        ("importing pydantic-ai and FastAPI", lambda folder: _seconds(["-c", "import pydantic_ai, fastapi"], folder)),
        ("`voice-host serve`, until ready", _serve),
    ]
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores; seconds, median (fastest-slowest) of {runs}\n")
    print("| | " + " | ".join(f"{count} agent{'s' if count > 1 else ''}" for count in COUNTS) + " |")
    print("| --- |" + " --- |" * len(COUNTS))
    for name, measure in rows:
        cells = []
        for count in COUNTS:
            measure(folders[count])  # bytecode and the file cache
            seconds = sorted(measure(folders[count]) for _ in range(runs))
            cells.append(f"{statistics.median(seconds):.2f} ({seconds[0]:.2f}-{seconds[-1]:.2f})")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def installed(count: int) -> Path:
    folder = PluginFolder(Path(tempfile.mkdtemp(prefix=f"voice-host-{count}-agents-")))
    for number in range(count):
        folder.install(f"agent-{number}", HELLO)
    return folder.path


def environ(folder: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("VOICE_HOST_", "ASSEMBLYAI_"))}
    return kept | {"PYTHONPATH": str(folder)}


def _seconds(arguments: list[str], folder: Path) -> float:
    begin_s = time.perf_counter()
    subprocess.run([sys.executable, *arguments], env=environ(folder), cwd=folder, capture_output=True, check=True)
    return time.perf_counter() - begin_s


def _new(folder: Path) -> float:
    with tempfile.TemporaryDirectory() as where:
        return _seconds(["-m", "voice_host", "new", "some-agent", "--dir", where], folder)


def _serve(folder: Path) -> float:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    arguments = ["-m", "voice_host", "serve", "--port", str(port)]
    begin_s = time.perf_counter()
    host = subprocess.Popen(
        [sys.executable, *arguments],
        env=environ(folder),
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not is_ready(port):
            if host.poll() is not None or time.perf_counter() - begin_s > READY_TIMEOUT_S:
                raise SystemExit("the host did not get ready")
            time.sleep(0.01)
        return time.perf_counter() - begin_s
    finally:
        host.terminate()
        host.wait()


def is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


if __name__ == "__main__":
    main()
