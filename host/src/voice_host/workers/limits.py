"""What a worker process limits in itself, before any code of its agent runs."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import resource
import sys
from pathlib import Path

from voice_host.observability.logs import get_logger

log = get_logger(__name__)

MB = 1024 * 1024

SPARE_DATA_BYTES = 512 * MB
"""What may be mapped beyond `memory_mb`, since the limit counts what is reserved and not only what is used: 8 MB for
the stack of each thread, and what allocators keep."""

_PR_SET_CHILD_SUBREAPER = 36

_OOM_SCORE_ADJ = 300
"""The system is to end a worker rather than the front when it runs out of memory. The range is -1000 to 1000."""


def prepare_to_crash() -> None:
    """Let this process crash with a stack trace, without a core dump, and rather than others if memory is short."""
    # A core dump would hold callers' words and keys. The hard limit too, so that no agent allows it again.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Of every thread, on SIGABRT too, with which the front ends a worker that hangs: works while the GIL is held.
    faulthandler.enable(file=sys.__stderr__ or 2, all_threads=True)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(_OOM_SCORE_ADJ))


def adopt_orphans() -> None:
    """Become the parent of processes whose own parent ends, among all that descend from this one (Linux).

    A worker and the zygote both do. So everything that an agent starts stays below its worker, also in a session of its
    own, and becomes the zygote's when the worker ends.
    """
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def limit_memory(memory_mb: int) -> None:
    """Limit the memory of this process.

    The front ends a worker whose memory exceeds its limit, but looks only once a second. `RLIMIT_DATA` is what holds
    until then: memory beyond it is refused, in Python with a `MemoryError`.

    Args:
        memory_mb: the agent's limit in MB.
    """
    most = _mapped_data_bytes() + memory_mb * MB + SPARE_DATA_BYTES
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    if hard == resource.RLIM_INFINITY or most < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _mapped_data_bytes() -> int:
    """Return what `RLIMIT_DATA` counts now: in a forked worker also what the zygote had mapped."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0
