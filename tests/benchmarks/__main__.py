"""`uv run python -m tests.benchmarks [--quick] [--only SECTION,...] [--json FILE] [--plot FILE]`

Linux only: processes are pinned to cores. About ten minutes, or one with `--quick`. All traffic stays on loopback.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
from pathlib import Path

from tests.benchmarks import protocols
from tests.benchmarks.plan import FULL, QUICK, SECTIONS, SUBJECTS, profile, run, trace
from tests.benchmarks.plot import svg
from tests.benchmarks.report import markdown
from tests.benchmarks.results import as_json
from tests.benchmarks.tracer import text


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Measure the host.")
    parser.add_argument("--quick", action="store_true", help="one minute instead of ten, without `connect`, `capacity`")
    parser.add_argument("--only", type=_sections, metavar="SECTION,...", help=f"of {', '.join(SECTIONS)}")
    parser.add_argument("--subject", choices=SUBJECTS, help="only this one, without ratios")
    parser.add_argument("--calls", type=_counts, metavar="N,...", help="steps of `capacity`")
    parser.add_argument("--at-most-s", type=float, metavar="S", help="report what there is after so many seconds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write the drawing (SVG)")
    parser.add_argument("--profile", metavar="FILE", help="instead: profile the host during ten calls (for pstats)")
    parser.add_argument("--trace", type=int, metavar="N", help="instead: show what holds the loop while N calls talk")
    parser.add_argument("--protocols", action="store_true", help="instead: compare the client protocols with our own")
    options = parser.parse_args()
    if options.protocols:
        print(f"\n{protocols.run(protocols.QUICK if options.quick else protocols.FULL)}")
        return
    if options.trace:
        found = asyncio.run(trace(options.subject or "host", options.trace))
        if options.json:
            options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(text(found))
        return
    if options.profile:
        asyncio.run(profile(options.profile))
        return
    plan = QUICK if options.quick else FULL
    if options.only:
        plan = dataclasses.replace(plan, sections=options.only)
    if options.calls:
        plan = dataclasses.replace(plan, capacity_steps=options.calls, floor_steps=options.calls)
    if options.at_most_s:
        plan = dataclasses.replace(plan, at_most_s=options.at_most_s)
    results = asyncio.run(run(plan, (options.subject,) if options.subject else SUBJECTS))
    if options.json:
        options.json.write_text(json.dumps(as_json(results), indent=1) + "\n", encoding="utf-8")
    if options.plot:
        options.plot.write_text(svg(results), encoding="utf-8")
    print(f"\n{markdown(results)}")


def _sections(value: str) -> tuple[str, ...]:
    chosen = tuple(part.strip() for part in value.split(","))
    if unknown := set(chosen) - set(SECTIONS):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: sections are {', '.join(SECTIONS)}")
    return chosen


def _counts(value: str) -> tuple[int, ...]:
    return tuple(int(part) for part in value.split(","))


if __name__ == "__main__":
    main()
