"""The event loop of the process: uvloop if available, otherwise asyncio's own."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any

from voice_host.observability.logs import get_logger
from voice_host.tenancy import look_up

log = get_logger(__name__)


def run_in_event_loop(main: Coroutine[Any, Any, None]) -> None:
    """Run the main coroutine to its end, as `asyncio.run` does. Only Ctrl-C ends it earlier.

    A task that raises `SystemExit` or `KeyboardInterrupt` stops the event loop. The host catches these where it awaits
    a plugin's code, but cannot in tasks and callbacks that a plugin creates itself, so it continues. So it does when a
    plugin calls `stop()` of the event loop.
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
                except RuntimeError:  # the event loop was stopped, or `main` has raised it
                    if work.done():
                        raise
                    log.error("stray_stop_ignored", hint="a plugin has stopped the event loop: it must not")


class _CtrlC:
    """Lets the first SIGINT call `first`, and the next one raise `KeyboardInterrupt`, as in `asyncio.Runner`.

    It replaces only Python's default handler, and only in the main thread.
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
        """uvloop with an exact clock and the name resolution of `look_up`.

        uvloop reads its clock once per iteration, in whole ms, which is too coarse for latencies.
        """

        def time(self) -> float:
            return time.monotonic()

        async def getaddrinfo(self, host: Any, port: Any, **hints: int) -> list[Any]:
            if _is_address(host):
                return await super().getaddrinfo(host, port, **hints)
            return await look_up(host, port, **hints)

        async def create_connection(
            self, protocol_factory: Callable[[], Any], host: Any = None, port: Any = None, **options: Any
        ) -> tuple[Any, Any]:
            connect = super().create_connection
            if _is_address(host):
                return await connect(protocol_factory, host, port, **options)
            if options.get("ssl") and options.get("server_hostname") is None:
                options["server_hostname"] = host
            hints = {name: options.pop(name, 0) for name in ("family", "proto", "flags")}
            failures = []
            for *_, address in await self.getaddrinfo(host, port, type=socket.SOCK_STREAM, **hints):
                try:
                    return await connect(protocol_factory, *address[:2], **options)
                except ssl.SSLError:
                    raise
                except OSError as error:
                    failures.append(error)
            raise failures[0] if len(failures) == 1 else OSError("; ".join(map(str, failures)))

    return Loop


def _is_address(host: Any) -> bool:
    """Whether there is no name to resolve: an IP address, or no host at all."""
    if not host:
        return True
    try:
        ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host)
    except ValueError:
        return False
    return True
