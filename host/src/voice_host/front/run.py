"""Runs the host until it is told to stop: the body of `voice-host serve`."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
import threading
from collections.abc import Mapping

from rich.console import Console

from voice_host.auth.gate import Gate, build_gate
from voice_host.auth.key_file import KeyFileError
from voice_host.fleet.local import Host
from voice_host.front.app import create_host_app
from voice_host.front.banner import print_banner
from voice_host.front.descriptors import raise_descriptor_limit
from voice_host.front.event_loop import run_in_event_loop
from voice_host.front.listener import is_loopback
from voice_host.front.printed import printing_into_the_log
from voice_host.front.process import HostServer
from voice_host.front.revoked_calls import ending_revoked_calls
from voice_host.observability.logs import allow_loggers, configure_logging, get_logger
from voice_host.observability.transcript_log import log_transcripts
from voice_host.plugins import (
    BrokenAgent,
    BrokenExtension,
    LoadedAgent,
    absent_agents,
    discover_agents,
    discover_extensions,
    load_agents,
)
from voice_host.settings import Settings, known_secrets
from voice_host.speech.select import SpeechServices, installed_extensions
from voice_host.tasks import report_unhandled
from voice_host.tenancy import AgentThreads, CodeOwners, watching
from voice_host_sdk import Authenticator

log = get_logger(__name__)

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]", "::1")


class CannotServe(Exception):
    """The host cannot start. The message says why, `hint` what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def serve(settings: Settings, listener: socket.socket, *, strict: bool, insecure: bool = False) -> None:
    """Take calls at `listener` until SIGINT, SIGTERM or SIGHUP. The caller closes it.

    Args:
        settings: what the platform said.
        listener: the socket that callers come in by.
        strict: every broken agent is fatal.
        insecure: whether anybody may come in from outside, where the settings ask nobody who they are.

    Raises:
        CannotServe, ExtensionsBroken, ProviderConfigError, RequiredAgentBroken: before anything is served.
    """
    server = settings.server
    console = Console(file=sys.stderr, highlight=False, soft_wrap=True)
    configure_logging(
        server.log_format, server.log_level, messages=server.log_transcripts, secrets=known_secrets(settings)
    )
    with printing_into_the_log():
        _serve(settings, listener, console, strict=strict, insecure=insecure)
    leave_given_up_tools()


def _serve(settings: Settings, listener: socket.socket, console: Console, *, strict: bool, insecure: bool) -> None:
    server = settings.server
    log_transcripts(server.log_transcripts)
    raise_descriptor_limit()
    allow_loggers(plugin_entry_points())
    extensions = installed_extensions(settings)
    gate = decided_gate(settings, extensions.authenticators, insecure=insecure)
    speech = SpeechServices(settings, extensions)
    speech.require_named()
    outcomes = loaded_agents(settings)
    host = Host(settings, speech, extensions=extensions, strict=strict, installed=len(discover_agents()))
    port = listener.getsockname()[1]
    name = f"[{server.host}]" if ":" in server.host else server.host
    url = f"http://{'localhost' if name == '127.0.0.1' else name}:{port}"
    app = create_host_app(
        host,
        gate=gate,
        auth=settings.auth,
        allowed_hosts=allowed_hosts(settings),
        allowed_origins=server.allowed_origins,
    )

    def started() -> None:
        if server.log_format == "json":
            log.info("serving", url=url, agents=host.describe(), access=who_may_call(gate, server.host))
        else:
            print_banner(host, url, console, who_may_call(gate, server.host))

    http = HostServer(app, host, started, drain_timeout_s=server.drain_timeout_s)
    run_in_event_loop(serve_host(host, outcomes, http, listener, gate=gate, loop_blocked_ms=server.loop_blocked_ms))


def plugin_entry_points() -> set[str]:
    """Return the entry points of installed agents and extensions."""
    agents = (each.discovered if isinstance(each, BrokenAgent) else each for each in discover_agents())
    extensions = (each.discovered if isinstance(each, BrokenExtension) else each for each in discover_extensions())
    return {*(agent.entry_point for agent in agents), *(extension.entry_point for extension in extensions)}


def leave_given_up_tools() -> None:
    """End the process at once if a sync tool that was given up still runs: Python would wait for it."""
    if any(thread.name.startswith("tools-") for thread in threading.enumerate()):
        logging.shutdown()
        os._exit(0)


def decided_gate(settings: Settings, authenticators: Mapping[str, Authenticator], *, insecure: bool) -> Gate:
    """Return the gate; where callers may come from outside, somebody must have decided who they are.

    Raises:
        CannotServe: nobody has, or the key file cannot be used.
    """
    try:
        gate = build_gate(settings, authenticators)
    except KeyFileError as error:
        raise CannotServe(str(error), "`voice-host keys list` reads the same file") from error
    if not gate.closed and not insecure and not is_loopback(settings.server.host):
        raise CannotServe(
            f"{settings.server.host} can be reached from outside, and nothing says who may call",
            'put [auth] keys_file = "keys.json" into voice-host.toml and run `voice-host keys create NAME`; '
            "or let anybody in with --insecure",
        )
    return gate


def who_may_call(gate: Gate, address: str) -> str | None:
    """Return what an operator should know about the door; None when there is nothing to know."""
    if gate.lacks_keys:
        return "Callers are asked for a key, and there are no API keys yet: `voice-host keys create NAME` makes one."
    if not gate.closed and not is_loopback(address):
        return f"Anybody who reaches {address} can call, see the agents and read the metrics (--insecure)."
    return None


def loaded_agents(settings: Settings) -> list[LoadedAgent | BrokenAgent]:
    """Discover and load the agents the settings allow.

    Raises:
        CannotServe: an agent that is required, or that was asked for, is not installed or not allowed.
    """
    for absent in absent_agents(settings, {agent.id for agent in discover_agents()}):
        if absent.required:
            raise CannotServe(str(absent), "install it, or take it out of agents.required")
        if settings.came_from("agents", "allow").kind == "option":
            raise CannotServe(str(absent), "`voice-host agents` lists what is installed")
        meant = {"did_you_mean": absent.suggestion} if absent.suggestion else {}
        log.warning("agent_not_installed", agent_id=absent.id, where=absent.where, **meant)
    for agent_id in settings.agents.required:
        if not settings.agents.allows(agent_id):
            raise CannotServe(f"agent {agent_id!r} is required but not allowed", "add it to agents.allow or --agents")
    return load_agents(settings)


def allowed_hosts(settings: Settings) -> tuple[str, ...]:
    """The names by which this host may be addressed."""
    if settings.server.allowed_hosts is not None:
        return settings.server.allowed_hosts
    return LOOPBACK_NAMES if is_loopback(settings.server.host) else ("*",)


async def serve_host(
    host: Host,
    outcomes: list[LoadedAgent | BrokenAgent],
    http: HostServer,
    listener: socket.socket,
    *,
    gate: Gate | None = None,
    loop_blocked_ms: int,
) -> None:
    """Start the host, serve until `http` is told to end, and stop the host."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(AgentThreads())
    loop.set_exception_handler(report_unhandled)
    loaded = [outcome.discovered for outcome in outcomes if isinstance(outcome, LoadedAgent)]
    owners = CodeOwners({agent.id: agent.entry_point for agent in loaded})
    try:
        await host.start(outcomes)
        async with watching(owners, loop_blocked_ms), ending_revoked_calls(gate or Gate(), host):
            await http.serve(sockets=[listener])
    finally:
        await host.stop()
