"""The one clock of calls: the event loop's own."""

from __future__ import annotations

import asyncio


def now_s() -> float:
    """Return the running event loop's time in seconds; on a common loop the same as `time.monotonic()`.

    Deadlines are given to the loop (`call_at`, `asyncio.timeout`), so what is compared with them is read from it too.
    A loop may run in virtual time: `voice_host.testing` does, and a conversation of minutes passes in milliseconds.

    Raises:
        RuntimeError: no event loop runs in this thread.
    """
    return asyncio.get_running_loop().time()
