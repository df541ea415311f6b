"""`uv run python -m tests.benchmarks.many_agents [--agents N]`: a host with many agents, each in a worker of its own.

Starts `voice-host serve` with generated agents, and tells how long that took, what its processes take while nobody
calls, and after each agent was called once. Linux only; a minute and a half.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from websockets.sync.client import ClientConnection, connect

from tests.benchmarks.process_tree import Used, role, used
from tests.benchmarks.startup import environ, installed, is_ready
from tests.processes import descendants

SETTLE_S, IDLE_S = 10.0, 30.0
READY_TIMEOUT_S = 600.0
ROLES = ("front", "zygote", "worker", "speech")

Snapshot = dict[int, tuple[str, Used]]
"""The role of each process, and what it has used."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.many_agents", description="Start many agents.")
    parser.add_argument("--agents", type=int, default=100)
    count = parser.parse_args().agents
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores; {count} agents and the example\n")
    with hosting(count) as (host, port):
        began_s = time.perf_counter()
        while not is_ready(port):
            if host.poll() is not None or time.perf_counter() - began_s > READY_TIMEOUT_S:
                raise SystemExit("the host did not get ready")
            time.sleep(0.02)
        print(f"ready after {time.perf_counter() - began_s:.1f} s")
        time.sleep(SETTLE_S)
        idle(host.pid)
        memory(host.pid, "before the first call")
        began_s = time.perf_counter()
        for number in range(count):
            call(port, f"agent-{number}")
        print(f"{count} agents called, one after the other, in {time.perf_counter() - began_s:.1f} s")
        time.sleep(SETTLE_S / 2)
        memory(host.pid, "after a call to each")


@contextmanager
def hosting(count: int) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run a host with so many agents."""
    folder = installed(count)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    host = subprocess.Popen(
        [sys.executable, "-m", "voice_host", "serve", "--port", str(port)],
        env=environ(folder),
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield host, port
    finally:
        host.terminate()
        host.wait()


def call(port: int, agent_id: str) -> None:
    """Call an agent, ask it something, and hang up when the answer was spoken."""
    with connect(f"ws://127.0.0.1:{port}/agents/{agent_id}/session", proxy=None) as call:
        until(call, "ready")
        call.send(json.dumps({"type": "text", "text": "What are your opening hours on Friday?"}))
        until(call, "chat")
        until(call, "tts_done")


def until(call: ClientConnection, kind: str) -> None:
    while True:
        frame = call.recv(60)
        if isinstance(frame, str) and json.loads(frame)["type"] == kind:
            return


def snapshot(pid: int, *, with_memory: bool = False) -> Snapshot:
    return {each: (role(each), used(each, memory=with_memory)) for each in descendants(pid)}


def memory(pid: int, when: str) -> None:
    """Print what the processes hold: PSS, which counts shared memory once, and USS, without it."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for what, now in snapshot(pid, with_memory=True).values():
        for place, value in enumerate((1, now.pss_kb, now.private_kb)):
            sums[what][place] += value
            sums["all"][place] += value
    print(f"\n| {when} | processes | PSS, MB | USS, MB | USS each, MB |\n| --- | --- | --- | --- | --- |")
    for what in (*(name for name in ROLES if name in sums), "all"):
        count, pss_kb, uss_kb = sums[what]
        print(f"| {what} | {count} | {pss_kb / 1024:.0f} | {uss_kb / 1024:.0f} | {uss_kb / 1024 / count:.1f} |")
    print()


def idle(pid: int) -> None:
    """Print how much of a core the processes use while nobody calls."""
    before, began_s = snapshot(pid), time.perf_counter()
    time.sleep(IDLE_S)
    seconds = time.perf_counter() - began_s
    shares: dict[str, float] = defaultdict(float)
    for each, (what, now) in snapshot(pid).items():
        if each in before:
            shares[what] += (now.cpu_s - before[each][1].cpu_s) / seconds * 100
    listed = ", ".join(f"{what} {share:.2f}" for what, share in shares.items())
    print(f"idle: {sum(shares.values()):.2f} % of a core ({listed})")


if __name__ == "__main__":
    main()
