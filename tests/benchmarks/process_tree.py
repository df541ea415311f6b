"""What the processes of a host take, read from /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass

from tests.processes import read, text, threads

TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Used:
    """CPU time of a process so far, and its memory.

    Attributes:
        cpu_s: of threads that have ended, too, to a hundredth of a second.
        waited_s: how long it was ready and others had the core, of the threads that there are.
        pss_kb: with its share of what others use, too. `private_kb`: what its end would give back.
        read_calls, write_calls: system calls that read or write, on sockets, too.
        switches: how often it waited for something.
    """

    cpu_s: float
    waited_s: float
    rss_kb: int
    pss_kb: int
    private_kb: int
    read_calls: int
    write_calls: int
    switches: int


def used(pid: int, *, memory: bool = False) -> Used:
    """Return what a process has used; nothing if it has ended. `memory`: reading it takes a millisecond."""
    waited_ns = sum(int(found.split()[1]) for thread in threads(pid) if (found := text(thread / "schedstat")))
    stat = read(pid, "stat").rpartition(")")[2].split()
    io, status = _fields(read(pid, "io")), _fields(read(pid, "status"))
    rollup = _fields(read(pid, "smaps_rollup")) if memory else {}
    return Used(
        cpu_s=(int(stat[11]) + int(stat[12])) * TICK_S if stat else 0.0,
        waited_s=waited_ns / 1e9,
        rss_kb=status.get("VmRSS", 0),
        pss_kb=rollup.get("Pss", 0),
        private_kb=rollup.get("Private_Clean", 0) + rollup.get("Private_Dirty", 0),
        read_calls=io.get("syscr", 0),
        write_calls=io.get("syscw", 0),
        switches=status.get("voluntary_ctxt_switches", 0),
    )


def role(pid: int) -> str:
    """Return which of a host's processes it is: `front`, `zygote`, `worker`, `speech` or `other`."""
    command = read(pid, "cmdline").replace("\0", " ")
    for part, name in (("process", "speech"), ("workers.main", "worker"), ("serve", "front"), ("subjects", "front")):
        if f"{part} " in command:
            return name
    if "workers.zygote" in command:
        parent = _fields(read(pid, "status")).get("PPid", 0)
        return "worker" if "workers.zygote" in read(parent, "cmdline") else "zygote"
    return "other"


def _fields(text: str) -> dict[str, int]:
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        words = value.split()
        if words and words[0].isdigit():
            found[name] = int(words[0])
    return found
