"""The host with its agent in a worker process, as `voice-host serve` runs it; in two with `two_workers`."""

from __future__ import annotations

import os
import resource
import sys
import time
from itertools import islice

from tests.benchmarks.child import Line, Parent, own_usage
from tests.benchmarks.process_tree import used
from tests.benchmarks.subjects.host import host_settings, serve
from tests.processes import descendants
from voice_host.plugins import Extensions
from voice_host.sessions.observers import Observers
from voice_host.supervisor.service import WorkerAgents, build
from voice_host.tenancy.event_loop import run_in_event_loop


def usage() -> Line:
    """What all processes of the host use, and what the front alone does."""
    front, total = own_usage(), own_usage()
    for pid in islice(descendants(os.getpid()), 1, None):
        others = used(pid)
        total["cpu_s"] += others.cpu_s
        total["waited_s"] += others.waited_s
        total["rss_kb"] += others.rss_kb
    mine = used(os.getpid())
    switches = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
    front |= {"read_calls": mine.read_calls, "write_calls": mine.write_calls, "switches": switches}
    return {**total, "front": front}


async def main(workers: int, *ports: int) -> None:
    parent = Parent(usage)
    with host_settings(*ports, toml=f"[agent.benchmark]\nworkers = {workers}\n") as settings:
        agents = build(settings, Extensions([]), observers=Observers([]), strict=True)

        async def obey(line: Line) -> None:
            if line["do"] == "restart":
                parent.tell({"told": "restarted", "ms": await restart_ms(agents)})

        await serve(parent, agents, settings, obey)


async def restart_ms(agents: WorkerAgents) -> float:
    """Return the ms until a new worker takes calls."""
    began_s = time.perf_counter()
    await agents.restart("benchmark")
    return (time.perf_counter() - began_s) * 1000


if __name__ == "__main__":
    run_in_event_loop(main(1, *map(int, sys.argv[1:])))
