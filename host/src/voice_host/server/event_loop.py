"""The event loop that the process runs on: uvloop where there is one, else asyncio's own."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any

from voice_host.logs import get_logger

log = get_logger(__name__)


def run_in_event_loop(main: Coroutine[Any, Any, None]) -> None:
    """Run the process's coroutine to its end, as `asyncio.run` does; but for Ctrl-C, nothing ends it sooner.

    A task that raises `SystemExit` or `KeyboardInterrupt` ends its event loop. The host awaits plugins' code where such
    an exception goes no further; a task or a callback that a plugin makes by itself is awaited by nobody.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        loop = runner.get_loop()
        work = loop.create_task(main, name="main")
        with _CtrlC(lambda: loop.call_soon_threadsafe(work.cancel)) as ctrl_c:
            while True:
                try:
                    return loop.run_until_complete(work)
                except asyncio.CancelledError:
                    if ctrl_c.presses:
                        raise KeyboardInterrupt from None
                    raise
                except (SystemExit, KeyboardInterrupt) as stray:
                    if work.done() or ctrl_c.presses:
                        raise
                    log.error("stray_exit_ignored", error=type(stray).__name__, exc_info=stray)


class _CtrlC:
    """Within it, the first SIGINT calls `first`, and the next one raises `KeyboardInterrupt`; as `asyncio.Runner` does.

    Only in place of Python's own handler, which only the main thread may replace.
    """

    def __init__(self, first: Callable[[], object]) -> None:
        self.presses = 0
        self._first = first
        self._installed = False

    def __enter__(self) -> _CtrlC:
        main_thread = threading.current_thread() is threading.main_thread()
        if main_thread and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._press)
            self._installed = True
        return self

    def __exit__(self, *_: object) -> None:
        if self._installed and signal.getsignal(signal.SIGINT) == self._press:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _press(self, number: int, frame: FrameType | None) -> None:
        self.presses += 1
        if self.presses > 1:
            raise KeyboardInterrupt
        self._first()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # Windows, PyPy
        return None

    class Loop(uvloop.Loop):
        """uvloop with an exact clock. Its own is read once a round and counts whole ms: too coarse for latencies."""

        def time(self) -> float:
            return time.monotonic()

    return Loop
