"""Memory that a process holds and does not use. Calls grow into it, and would seem to cost nothing."""

from __future__ import annotations

import ctypes
import gc
import resource
from pathlib import Path

_BLOCK_BYTES = 400
"""Small enough for Python's own allocator, whose pages are of no size in particular."""

_BLOCKS_AT_ONCE = 100
_MOST_BLOCKS = 200_000
_GROWTH_KB = 64
"""Beyond the noise: the allocator has had to ask the system for more."""

_ballast: list[list[bytes]] = []


def resident_kb() -> int:
    """The memory this process holds, in KB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() // 1024


def use_up() -> None:
    """Give back what is free in C's heap, and fill what is free in Python's, for good."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    filling: list[bytes] = [b""] * _MOST_BLOCKS  # its own memory must not be taken for growth
    before_kb = resident_kb()
    for start in range(0, _MOST_BLOCKS, _BLOCKS_AT_ONCE):
        for index in range(start, start + _BLOCKS_AT_ONCE):
            filling[index] = bytes(_BLOCK_BYTES)
        if resident_kb() - before_kb >= _GROWTH_KB:
            break
    _ballast.append(filling)
