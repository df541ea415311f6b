"""A limit on code that cannot be asked to hurry: an agent's import, say."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_AGAIN_S = 1.0


class TookTooLong(BaseException):
    """Raised in the middle of what took too long. No `Exception`, so that few handlers keep it to themselves."""


@contextmanager
def time_limit(limit_s: float) -> Iterator[None]:
    """Raise `TookTooLong` in the code within after `limit_s`, and every second from then on, in case it is swallowed.

    It interrupts Python code and what waits in the system (sleeping, a socket, a lock), not a library's own
    computation. It works in the main thread of a POSIX system; elsewhere there is no limit.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_: int, __: FrameType | None) -> None:
        raise TookTooLong(f"it took longer than {limit_s:g} s")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, limit_s, _AGAIN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
