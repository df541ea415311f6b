"""The child: it serves the source tree as it is now, until the parent stops it or ends.

Importing this module takes long. A spare child does it in advance, and then waits for a request.
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
from rich.text import Text

from voice_host.dev.channel import ServeRequest, receive_socket
from voice_host.dev.restart_notice import add_restart_notice
from voice_host.dev.source import PYPROJECT, UNKNOWN_VERSION, NoAgentHere, SourceTree, put_on_path, read_tree
from voice_host.fleet.local import build
from voice_host.fleet.service import AgentService, FleetReport
from voice_host.front.app import create_host_app
from voice_host.front.banner import print_banner, print_broken
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
from voice_host.tenancy.event_loop import run_in_event_loop

Outcomes = list[LoadedAgent | BrokenAgent]

_ADVICE = "correct it and save: the agent restarts"
"""Instead of `voice-host check`, for which the agent has to be installed."""


def main() -> None:
    """Wait for a request, and serve."""
    line = sys.stdin.buffer.readline()
    if not line:
        return
    threading.Thread(target=_exit_with_parent, args=(sys.stdin.buffer,), daemon=True).start()
    request = ServeRequest.decode(line)
    settings, outcomes = _load(request)
    _serve(request, settings, outcomes)
    leave_abandoned_tools()


def _exit_with_parent(stdin: BinaryIO) -> None:
    """Raise SIGTERM when stdin ends: the parent has closed it, or has ended."""
    while stdin.read(1):
        pass
    # Until the host serves, this kills the process, even if the agent's code hangs.
    signal.raise_signal(signal.SIGTERM)


class _Server(HostServer):
    """Sets an event when it is told to stop."""

    def __init__(
        self,
        app: FastAPI,
        agents: AgentService,
        settings: Settings,
        started: Callable[[], None],
        stopping: asyncio.Event,
    ) -> None:
        super().__init__(app, agents, settings, started)
        self._stopping = stopping

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        asyncio.get_running_loop().call_soon_threadsafe(self._stopping.set)
        super().handle_exit(sig, frame)


def _serve(request: ServeRequest, settings: Settings, outcomes: Outcomes) -> None:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    with receive_socket(request.listener) as listener:
        url = f"http://localhost:{listener.getsockname()[1]}"
        extensions, outcomes = extensions_or_broken(settings, outcomes, Path(request.folder))
        agents = build(settings, extensions, agents=outcomes)
        app = create_host_app(agents, _open(settings), allowed_hosts=LOOPBACK_NAMES, tracebacks=True)
        stopping = asyncio.Event()
        add_restart_notice(app, stopping)

        def started() -> None:
            _print_agents(agents.report, url, console, restarted=request.restarted)

        server = _Server(app, agents, settings, started, stopping)
        run_in_event_loop(serve_agents(agents, server, listener, settings))


def _print_agents(report: FleetReport, url: str, console: Console, *, restarted: bool) -> None:
    """Print which agents are ready, and why others are broken; after the first start also the address and services."""
    if not restarted:
        print_banner(report, url, console, advice=_ADVICE, tracebacks=True)
        return
    for agent in report.agents.values():
        if agent.status == "ready":
            console.print(Text.assemble((agent.id, "bold"), " is ", ("ready", "green")))
        else:
            print_broken(agent, console, _ADVICE, tracebacks=True)


def _load(request: ServeRequest) -> tuple[Settings, Outcomes]:
    """Return the settings and the agents. Errors in the source tree or the settings become a broken agent."""
    folder = Path(request.folder)
    try:
        settings = load_settings(Path(request.config) if request.config else None, options={"server.host": "127.0.0.1"})
        server = settings.server
        # The caller is the developer, who wants to see the messages of exceptions.
        configure_logging(server.log_format, server.log_level, messages=True, secrets=known_secrets(settings))
        tree = read_tree(folder)
    except SettingsError as error:
        return Settings(), [_broken(folder, "; ".join(map(str, error.problems)), "correct the settings and save them")]
    except NoAgentHere as error:
        return settings, [_broken(folder, str(error), error.hint)]
    put_on_path(tree)
    allow_loggers(tree.entry_points.values())
    if request.failure:
        return settings, [BrokenAgent(found, Phase.IMPORTED, request.failure) for found in _discovered(tree)]
    return settings, _load_agents(tree, settings)


def _open(settings: Settings) -> Settings:
    """Return the settings without authentication and allowed origins: only this machine can connect."""
    server = settings.server.model_copy(update={"allowed_origins": ()})
    return settings.model_copy(update={"auth": AuthSettings(), "server": server})


def extensions_or_broken(settings: Settings, outcomes: Outcomes, folder: Path) -> tuple[Extensions | None, Outcomes]:
    """Return the extensions, whose speech services are used, and the agents. A broken extension replaces the agents."""
    try:
        return installed_extensions(settings), outcomes
    except ExtensionsBroken as error:
        hint = error.broken[0].hint or "`voice-host check` shows more"
        return None, [_broken(folder, str(error), hint)]


def _load_agents(tree: SourceTree, settings: Settings) -> Outcomes:
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
    """Return a broken agent that is named after the folder, since its id is unknown."""
    found = DiscoveredAgent(folder.name, PYPROJECT, UNKNOWN_VERSION, "", None)
    return BrokenAgent(found, Phase.DISCOVERED, error, hint)


if __name__ == "__main__":
    main()
