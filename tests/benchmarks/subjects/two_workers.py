"""The host with its agent in two worker processes."""

from __future__ import annotations

import sys

from tests.benchmarks.subjects.workers import main
from voice_host.tenancy.event_loop import run_in_event_loop

if __name__ == "__main__":
    run_in_event_loop(main(2, *map(int, sys.argv[1:])))
