"""The server process: sockets, signals, start-up and graceful shutdown."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import uvicorn
from fastapi import FastAPI

from voice_host.fleet.service import AgentService
from voice_host.front.connections import connection_options, operator_protocol
from voice_host.front.data_directory import DataDirectory
from voice_host.front.reload import ReloadFailed
from voice_host.observability.agent_logs import AgentLogs
from voice_host.observability.logs import get_logger
from voice_host.settings import Settings
from voice_host.tasks import in_background
from voice_host.tenancy.garbage import spare_calls_from_full_collections

log = get_logger(__name__)

HURRY = {"hint": "a second signal (Ctrl-C) ends the calls at once"}


class HostServer(uvicorn.Server):
    """A uvicorn server that drains its calls on the first signal, ends them on the second and exits on the third.

    uvicorn itself would close every WebSocket with 1012 at once, and exit with the signal's exit code.

    Args:
        drain_timeout_s: how long calls may continue. None: they end at once, and draining is not logged, for commands
            that the user has just ended in the terminal.
        data: the directory with the Unix socket, which is served too; None: there is none.
        logs: those that clients follow until the host stops.
        reload: reads the settings again, on SIGHUP; None: SIGHUP drains like the others.
        settle: waits for what must still be served once all calls have ended; None: nothing.
    """

    def __init__(
        self,
        app: FastAPI,
        agents: AgentService,
        settings: Settings,
        started: Callable[[], None] = lambda: None,
        *,
        drain_timeout_s: float | None = None,
        data: DataDirectory | None = None,
        logs: AgentLogs | None = None,
        reload: Callable[[], Awaitable[object]] | None = None,
        settle: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,  # it would print query strings, which may contain tokens
                timeout_graceful_shutdown=math.ceil(settings.server.stop_timeout_s),
                lifespan="off",
                server_header=False,
                **connection_options(settings),
            )
        )
        self._agents = agents
        self._started = started
        self._drain_timeout_s = drain_timeout_s
        self._data = data
        self._logs = logs
        self._reload = reload
        self._settle = settle
        self._terminals = [descriptor for descriptor in range(3) if os.isatty(descriptor)]
        self._signals = 0
        self._draining: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to serve, and call `started`. From then on calls are taken and signals are handled."""
        await super().startup(sockets)
        if self._data is not None and self._data.listener is not None:
            self.servers.append(await self._serve_operator(self._data.listener, self._data.token))
        spare_calls_from_full_collections()
        self._started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop to serve, after waiting for what is being answered."""
        if self._logs is not None:
            self._logs.close()
        await super().shutdown(sockets)

    async def _serve_operator(self, listener: socket.socket, token: str) -> asyncio.Server:
        protocol = operator_protocol(token)

        def create_protocol() -> asyncio.Protocol:
            return protocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

        return await asyncio.get_running_loop().create_unix_server(create_protocol, sock=listener)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle SIGHUP beside the signals that uvicorn handles, unless it is ignored, as under `nohup`."""
        with super().capture_signals():
            if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGHUP"):
                yield
                return
            before = signal.getsignal(signal.SIGHUP)
            if before is not signal.SIG_IGN:
                signal.signal(signal.SIGHUP, self.handle_exit if self._reload is None else self._handle_reload)
            try:
                yield
            finally:
                signal.signal(signal.SIGHUP, before)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGINT, SIGTERM and SIGHUP: drain; a second one: end all calls; a third one: exit at once."""
        self._signals += 1
        # A signal handler may run between any two instructions, so the work is left to the event loop.
        loop = asyncio.get_running_loop()
        if self._signals == 1:
            loop.call_soon_threadsafe(self._begin_drain)
        elif self._signals == 2:
            loop.call_soon_threadsafe(self._agents.hurry)
        else:
            self.should_exit = self.force_exit = True

    def _handle_reload(self, sig: int, frame: FrameType | None) -> None:
        """SIGHUP: read the settings again; but if the terminal was closed, drain."""
        if self._terminals and not any(map(os.isatty, self._terminals)):
            self.handle_exit(sig, frame)
            return
        asyncio.get_running_loop().call_soon_threadsafe(self._begin_reload)

    def _begin_reload(self) -> None:
        if self._reload is not None and not self._signals:
            in_background(self._reload_settings(self._reload), "reload")

    async def _reload_settings(self, reload: Callable[[], Awaitable[object]]) -> None:
        with suppress(ReloadFailed):  # which is logged
            await reload()

    def _begin_drain(self) -> None:
        self._draining = in_background(self._drain(), "drain")

    async def _drain(self) -> None:
        if self._drain_timeout_s is not None:
            calls = self._agents.connected
            log.info("draining", calls=calls, timeout_s=self._drain_timeout_s, **(HURRY if calls else {}))
        try:
            await self._agents.drain(self._drain_timeout_s or 0)
            if self._settle is not None:
                await self._settle()
        finally:
            self.should_exit = True
