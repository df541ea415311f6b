"""The child: serves one state of the source tree until its parent is gone or wants it gone.

It begins with what takes long, before it is told what to serve: so a child can wait, ready, for the next save.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from fastapi import FastAPI
from rich.console import Console

from voice_host.dev.channel import ServeRequest, receive_socket
from voice_host.dev.report import say_outcome
from voice_host.dev.restart_notice import add_restart_notice
from voice_host.dev.source import PYPROJECT, UNKNOWN_VERSION, NoAgentHere, SourceTree, put_on_path, read_tree
from voice_host.fleet.local import build
from voice_host.fleet.service import AgentService
from voice_host.front.app import create_host_app
from voice_host.front.event_loop import run_in_event_loop
from voice_host.front.process import HostServer
from voice_host.front.run import LOOPBACK_NAMES, leave_abandoned_tools, serve_agents
from voice_host.observability.logs import allow_loggers, configure_logging
from voice_host.plugins import (
    BrokenAgent,
    DiscoveredAgent,
    Extensions,
    ExtensionsBroken,
    LoadedAgent,
    Phase,
    discover_agents,
    load_agent,
)
from voice_host.settings import AuthSettings, Settings, SettingsError, known_secrets, load_settings
from voice_host.speech.select import installed_extensions

Outcomes = list[LoadedAgent | BrokenAgent]


def main() -> None:
    """Wait for an order and carry it out."""
    line = sys.stdin.buffer.readline()
    if not line:
        return
    threading.Thread(target=_leave_with_the_parent, args=(sys.stdin.buffer,), daemon=True).start()
    order = ServeRequest.decode(line)
    settings, outcomes = _outcomes(order)
    _serve(order, settings, outcomes)
    leave_abandoned_tools()


def _leave_with_the_parent(orders: BinaryIO) -> None:
    """End like at SIGTERM once the parent closes its end, which the system does when the parent dies."""
    while orders.read(1):
        pass
    # Before the host serves it kills this process, whatever the agent's code is busy with.
    signal.raise_signal(signal.SIGTERM)


class _Server(HostServer):
    """Sets an event when it is told to leave."""

    def __init__(
        self,
        app: FastAPI,
        agents: AgentService,
        settings: Settings,
        started: Callable[[], None],
        leaving: asyncio.Event,
    ) -> None:
        super().__init__(app, agents, settings, started)
        self._leaving = leaving

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        asyncio.get_running_loop().call_soon_threadsafe(self._leaving.set)
        super().handle_exit(sig, frame)


def _serve(order: ServeRequest, settings: Settings, outcomes: Outcomes) -> None:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    with receive_socket(order.listener) as listener:
        url = f"http://localhost:{listener.getsockname()[1]}"
        extensions, outcomes = extensions_or_broken(settings, outcomes, Path(order.folder))
        agents = build(settings, extensions, agents=outcomes)
        app = create_host_app(agents, _open(settings), allowed_hosts=LOOPBACK_NAMES, tracebacks=True)
        leaving = asyncio.Event()
        add_restart_notice(app, leaving)

        def started() -> None:
            say_outcome(agents.report, url, console, again=order.restarted)

        server = _Server(app, agents, settings, started, leaving)
        run_in_event_loop(serve_agents(agents, server, listener, settings))


def _outcomes(order: ServeRequest) -> tuple[Settings, Outcomes]:
    """Return the settings and the agents. What is wrong with the tree or the settings is shown as a broken agent."""
    folder = Path(order.folder)
    try:
        settings = load_settings(Path(order.config) if order.config else None, options={"server.host": "127.0.0.1"})
        server = settings.server
        # Whoever calls here is the developer, who wants to read what the agent's code raised.
        configure_logging(server.log_format, server.log_level, messages=True, secrets=known_secrets(settings))
        tree = read_tree(folder)
    except SettingsError as error:
        return Settings(), [_broken(folder, "; ".join(map(str, error.problems)), "correct the settings and save them")]
    except NoAgentHere as error:
        return settings, [_broken(folder, str(error), error.hint)]
    put_on_path(tree)
    allow_loggers(tree.entry_points.values())
    if order.failure:
        return settings, [BrokenAgent(found, Phase.IMPORTED, order.failure) for found in _discovered(tree)]
    return settings, _loaded(tree, settings)


def _open(settings: Settings) -> Settings:
    """Return the settings without what protects a host that others reach."""
    server = settings.server.model_copy(update={"allowed_origins": ()})
    return settings.model_copy(update={"auth": AuthSettings(), "server": server})


def extensions_or_broken(settings: Settings, outcomes: Outcomes, folder: Path) -> tuple[Extensions | None, Outcomes]:
    """Return the extensions, for their speech services, and the agents. A broken extension is shown in their place."""
    try:
        return installed_extensions(settings), outcomes
    except ExtensionsBroken as error:
        hint = error.broken[0].hint or "`voice-host check` shows more"
        return None, [_broken(folder, str(error), hint)]


def _loaded(tree: SourceTree, settings: Settings) -> Outcomes:
    return [
        load_agent(outcome, settings.for_agent(outcome.id).settings)
        if isinstance(outcome, DiscoveredAgent)
        else outcome
        for outcome in discover_agents()
        if outcome.id in tree.entry_points
    ]


def _discovered(tree: SourceTree) -> list[DiscoveredAgent]:
    return [
        DiscoveredAgent(agent_id, tree.name, tree.version, value, None) for agent_id, value in tree.entry_points.items()
    ]


def _broken(folder: Path, error: str, hint: str) -> BrokenAgent:
    """An agent whose id nobody knows goes by the name of its folder."""
    found = DiscoveredAgent(folder.name, PYPROJECT, UNKNOWN_VERSION, "", None)
    return BrokenAgent(found, Phase.DISCOVERED, error, hint)


if __name__ == "__main__":
    main()
