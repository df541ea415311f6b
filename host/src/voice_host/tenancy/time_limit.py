"""A time limit on synchronous code, such as the import of an agent."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_AGAIN_S = 1.0


class TookTooLong(BaseException):
    """Raised in the code that takes too long. Not an `Exception`, so that few handlers swallow it."""


@contextmanager
def time_limit(limit_s: float) -> Iterator[None]:
    """Raise `TookTooLong` in the enclosed code after `limit_s`, and then every second in case it was swallowed.

    It interrupts Python code and system calls (sleeping, a socket, a lock), but not native code of a library. It works
    in the main thread on POSIX; elsewhere there is no limit.
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
