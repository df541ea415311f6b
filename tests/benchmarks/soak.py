"""`uv run python -m tests.benchmarks.soak [--calls N] [--at-most-s S] [--at-once N] [--plot FILE]`

Calls of every fate against a host in a process of its own, and what that process holds after each batch of them. Linux
only. A thousand calls take about four minutes; all traffic stays on loopback.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.benchmarks.processes import Child, child
from tests.benchmarks.soak_calls import FATES, PATIENCE_S, Services, services
from tests.benchmarks.soak_plot import svg
from tests.benchmarks.subjects.soak_host import RESUME_GRACE_S

BATCH = 60
"""Calls between two looks at the process: each fate four times."""

CALL_LIMIT_S = 4 * PATIENCE_S
WARM_UP_BATCHES = 2
"""Caches fill and lazy parts are imported in these; from then on nothing may grow."""

BREATH = 2
"""Descriptors by which a pool of open connections may differ from one moment to the next."""


@dataclass(frozen=True)
class Sample:
    """What the host held when a batch of calls was over."""

    calls: int
    at_s: float
    rss_mb: float
    descriptors: int
    threads: int
    tasks: int


async def census(host: Child, calls: int, started_s: float) -> Sample:
    """Wait until no session is left, or long enough, and count."""
    deadline_s = time.monotonic() + 10 * RESUME_GRACE_S + 10
    while True:
        line = await host.ask({"do": "census"}, "census")
        if not line["sessions"] or time.monotonic() > deadline_s:
            break
        await asyncio.sleep(0.2)
    await asyncio.sleep(0.5)  # sockets that were told to close
    line = await host.ask({"do": "census"}, "census")
    at_s = time.monotonic() - started_s
    return Sample(calls, at_s, line["rss_kb"] / 1024, line["descriptors"], line["threads"], line["tasks"])


async def soak(calls: int, at_most_s: float, at_once: int) -> tuple[list[Sample], Counter[str]]:
    """Run the calls. Returns a sample for each batch, and the calls that failed by fate."""
    failed: Counter[str] = Counter()
    samples: list[Sample] = []
    async with services() as s:
        ports = [int(url.split(":")[2].partition("/")[0]) for url in (s.stt.url, s.llm.base_url, s.tts.url)]
        cores = frozenset(os.sched_getaffinity(0))
        async with child("tests.benchmarks.subjects.soak_host", *ports, cores=cores) as (host, ready):
            url = f"ws://127.0.0.1:{ready['port']}/agents/soak/session"
            started_s = time.monotonic()
            for begun in range(0, calls, BATCH):
                await _batch(s, url, at_once, failed)
                samples.append(await census(host, begun + BATCH, started_s))
                print(_row(samples[-1]), flush=True)
                _forget(s)
                if time.monotonic() - started_s > at_most_s:
                    break
    return samples, failed


async def _batch(s: Services, url: str, at_once: int, failed: Counter[str]) -> None:
    places = asyncio.Semaphore(at_once)

    async def one(number: int) -> None:
        fate = FATES[number % len(FATES)]
        async with places:
            try:
                async with asyncio.timeout(CALL_LIMIT_S):
                    await fate(s, url)
            except Exception as error:  # noqa: BLE001 (counted; the table says of which fate)
                failed[f"{fate.__name__}: {type(error).__name__} {str(error)[:120]}"] += 1

    await asyncio.gather(*(one(number) for number in range(BATCH)))


def _forget(s: Services) -> None:
    """The simulators remember everything; a long run need not."""
    s.stt.sessions.clear()
    s.tts.utterances.clear()
    s.tts.faults.clear()
    s.llm.requests.clear()
    s.model_faults.clear()


def _row(sample: Sample) -> str:
    return (
        f"| {sample.calls} | {sample.at_s:.0f} | {sample.rss_mb:.1f} | {sample.descriptors} | {sample.threads} "
        f"| {sample.tasks} |"
    )


def verdict(samples: list[Sample]) -> list[str]:
    """Say what grew after the warm-up; nothing should."""
    settled = samples[WARM_UP_BATCHES:] or samples
    first, last = settled[0], settled[-1]
    part = max(1, len(settled) // 3)
    grown = []
    for what in ("descriptors", "tasks"):
        # Pools of open connections breathe: the last third is compared with the first, not one sample with another.
        before = median(getattr(sample, what) for sample in settled[:part])
        after = median(getattr(sample, what) for sample in settled[-part:])
        if after > before + BREATH:
            grown.append(f"{what}: {before} -> {after}")
    calls = max(1, last.calls - first.calls)
    print(f"\nmemory: {1024 * (last.rss_mb - first.rss_mb) / calls:+.2f} KB a call over the last {calls} calls")
    return grown


def _expects_cut_answers(record: logging.LogRecord) -> bool:
    """Keep quiet that the simulated gateway breaks an answer off, as it is told to. It runs here, not in the host."""
    return record.getMessage() != "ASGI callable returned without completing response."


def main() -> None:
    logging.getLogger("uvicorn.error").addFilter(_expects_cut_answers)
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.soak", description="Look for what stays behind.")
    parser.add_argument("--calls", type=int, default=1020, metavar="N")
    parser.add_argument("--at-most-s", type=float, default=300.0, metavar="S", help="begin no batch after that")
    parser.add_argument("--at-once", type=int, default=12, metavar="N")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write the drawing (SVG)")
    options = parser.parse_args()
    print("| Calls | s | Memory, MB | Descriptors | Threads | Tasks |\n| --- | --- | --- | --- | --- | --- |")
    samples, failed = asyncio.run(soak(options.calls, options.at_most_s, options.at_once))
    grown = verdict(samples)
    for what, count in failed.most_common():
        print(f"failed {count}x {what}")
    if options.plot:
        options.plot.write_text(svg([(s.calls, s.rss_mb, s.descriptors, s.tasks) for s in samples]), encoding="utf-8")
    if grown:
        sys.exit("grew: " + ", ".join(grown))


if __name__ == "__main__":
    main()
