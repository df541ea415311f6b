"""How many files and sockets this process may have open."""

from __future__ import annotations

import sys

from voice_host.observability.logs import get_logger

log = get_logger(__name__)

WANTED_DESCRIPTORS = 65_536
"""Enough for more connections than one process can serve. The hard limit of some systems is 2**30, and whatever closes
all descriptors of a child one by one would take minutes."""


def raise_descriptor_limit() -> None:
    """Raise the soft limit as far as the hard one allows. Systems start processes with 1,024 or 256."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, WANTED_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError) as error:  # macOS has a limit of its own, below the hard one
            log.warning("descriptor_limit_not_raised", limit=soft, error=str(error))


def descriptor_limit() -> int:
    """Return the soft limit in force."""
    if sys.platform == "win32":
        return WANTED_DESCRIPTORS  # sockets are not counted there
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return WANTED_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft
