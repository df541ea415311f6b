"""`uv run python -m tests.benchmarks [--quick] [--json FILE] [--plot FILE] [--profile FILE]`

Linux only: processes are pinned to cores. About ten minutes, or one with `--quick`. All traffic stays on loopback.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

from tests.benchmarks.plan import FULL, QUICK, profile, run
from tests.benchmarks.plot import svg
from tests.benchmarks.report import markdown
from tests.benchmarks.results import as_json


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Measure the host.")
    parser.add_argument("--quick", action="store_true", help="one minute instead of ten, without the search for calls")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write the drawing (SVG)")
    parser.add_argument("--profile", metavar="FILE", help="instead: profile the host during ten calls (for pstats)")
    options = parser.parse_args()
    if options.profile:
        asyncio.run(profile(options.profile))
        return
    results = asyncio.run(run(QUICK if options.quick else FULL))
    if options.json:
        options.json.write_text(json.dumps(as_json(results), indent=1) + "\n", encoding="utf-8")
    if options.plot:
        options.plot.write_text(svg(results), encoding="utf-8")
    print(f"\n{markdown(results)}")


if __name__ == "__main__":
    main()
