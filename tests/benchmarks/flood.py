"""`uv run python -m tests.benchmarks.flood [--seconds S]`

What one flooding connection does to everybody else: how long `/health` takes, and how late the audio of a call is,
without a flood and during each kind of flood. Linux only; all traffic stays on loopback, and each flood ends by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx2
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.benchmarks.processes import child
from tests.benchmarks.soak_calls import Services, services
from tests.fuzz.raw import BINARY, PING, PONG, TEXT, frame
from tests.simulators.gateway import GatewayRequest
from tests.simulators.gateway_script import Reply

LONG_ANSWER = "We are open from nine to five on every day of the week but Sunday. " * 12
SAMPLE_RATE = 24_000
PROBE_S = 0.02
WARM_UP_S = 2.0
"""The first call of a process imports what it needs."""

FLOODS = {
    "pings": frame(PING, b""),
    "pongs": frame(PONG, b""),
    "audio of one byte": frame(BINARY, b"x"),
    "`{}`": frame(TEXT, b"{}"),
}


async def health(url: str, until_s: float) -> list[float]:
    """Ask for `/health` again and again. Returns how long each answer took, in ms."""
    took = []
    async with httpx2.AsyncClient(base_url=url, timeout=60) as http:
        while time.monotonic() < until_s:
            began_s = time.monotonic()
            (await http.get("/health")).raise_for_status()
            took.append((time.monotonic() - began_s) * 1000)
            await asyncio.sleep(PROBE_S)
    return took


async def call(url: str, until_s: float) -> list[float]:
    """Listen to a long reply. Returns how late each frame of audio came, in ms: the earliest frame sets the pace."""
    late: list[float] = []
    async with connect(url, compression=None) as ws:
        await ws.send(json.dumps({"type": "text", "text": "When?"}))
        heard_s, due_s = 0.0, None
        with suppress(TimeoutError):
            async with asyncio.timeout(until_s - time.monotonic()):
                async for message in ws:
                    if isinstance(message, bytes):
                        now_s = time.monotonic()
                        due_s = now_s - heard_s if due_s is None else min(due_s, now_s - heard_s)
                        late.append((now_s - heard_s - due_s) * 1000)
                        heard_s += len(message) / 2 / SAMPLE_RATE
    return late


async def flood(port: int, path: str, unit: bytes, until_s: float) -> None:
    """Let a process of its own flood the host."""
    seconds = f"{until_s - time.monotonic():.2f}"
    arguments = ("127.0.0.1", str(port), path, unit.hex(), seconds)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.benchmarks.subjects.flooder", *arguments
    )
    await process.wait()


@asynccontextmanager
async def host_with_services() -> AsyncIterator[int]:
    """A host in a process of its own. Yields its port."""

    def answer(_: GatewayRequest) -> Reply:
        return Reply([word + " " for word in LONG_ANSWER.split()])

    async with services() as s:
        made: Services = s
        made.tts.ms_per_word = 300
        made.llm.handle(answer)
        ports = [int(url.split(":")[2].partition("/")[0]) for url in (s.stt.url, s.llm.base_url, s.tts.url)]
        cores = frozenset(os.sched_getaffinity(0))
        async with child("tests.benchmarks.subjects.soak_host", *ports, cores=cores) as (_, ready):
            yield ready["port"]


async def measure(port: int, seconds: float, path: str = "", unit: bytes = b"") -> str:
    """Measure once; returns the cells of a row."""
    until_s = time.monotonic() + seconds
    async with asyncio.TaskGroup() as tasks:
        probing = tasks.create_task(health(f"http://127.0.0.1:{port}", until_s))
        calling = tasks.create_task(call(f"ws://127.0.0.1:{port}/agents/soak/session", until_s))
        if unit:
            tasks.create_task(flood(port, path, unit, until_s))
    took, late = sorted(probing.result()), sorted(calling.result())
    return f"{took[len(took) // 2]:.1f} | {took[-1]:.1f} | {late[len(late) // 2]:.1f} | {late[-1]:.1f}"


async def main(seconds: float) -> None:
    print("| Flood | `/health` p50, ms | max | audio late by, p50, ms | max |")
    print("| --- | --- | --- | --- | --- |")
    async with host_with_services() as port:
        await measure(port, WARM_UP_S)
        print(f"| none | {await measure(port, seconds)} |", flush=True)
        paths = {"refused": "/agents/nobody/session", "in a call": "/agents/soak/session"}
        for (where, path), (what, unit) in itertools.product(paths.items(), FLOODS.items()):
            with suppress(ConnectionClosed):
                print(f"| {what}, {where} | {await measure(port, seconds, path, unit)} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.flood", description=(__doc__ or "").split("\n\n")[1]
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each flood lasts (default: 5)")
    asyncio.run(main(parser.parse_args().seconds))
