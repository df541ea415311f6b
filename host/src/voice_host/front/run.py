"""Runs the host until it is stopped: the body of `voice-host serve`."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Protocol
from urllib.parse import urlsplit

from fastapi import FastAPI
from rich.console import Console

from voice_host.auth.authentication import Authentication, build_authentication
from voice_host.auth.key_file import KeyFileError
from voice_host.auth.key_ring import RECHECK_S, KeyRing
from voice_host.fleet.availability import targets_of
from voice_host.fleet.service import AgentService, CannotServe, log_report
from voice_host.front.app import create_host_app, host_admission
from voice_host.front.banner import print_banner
from voice_host.front.connections import raise_descriptor_limit
from voice_host.front.data_directory import DataDirectory, open_data_directory
from voice_host.front.extensions import running_extensions
from voice_host.front.listener import is_loopback
from voice_host.front.process import HostServer
from voice_host.front.reload import LiveSettings, Load
from voice_host.front.routes import listed
from voice_host.observability.agent_logs import AgentLogs
from voice_host.observability.logs import allow_loggers, configure_logging, get_logger
from voice_host.observability.recent import STEP_S
from voice_host.observability.transcript_log import log_transcripts
from voice_host.phone.calls import PhoneCalls
from voice_host.phone.checking import check_phone
from voice_host.phone.service import PhoneService
from voice_host.plugins import BrokenAgent, BrokenExtension, Extensions, discover_agents, discover_extensions
from voice_host.releases.deployments import Deployments
from voice_host.releases.environments import Environments
from voice_host.releases.store import ReleaseStore
from voice_host.sessions.observers import Observers
from voice_host.sessions.sweeper import Sweeper
from voice_host.settings import Settings, known_secrets
from voice_host.supervisor.service import WorkerAgents
from voice_host.tasks import report_unhandled
from voice_host.tenancy import AgentThreads, CodeOwners, watching
from voice_host.tenancy.event_loop import run_in_event_loop
from voice_host.tenancy.printed import printing_into_the_log
from voice_host_sdk import Authenticator

log = get_logger(__name__)

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]", "::1")


class Build(Protocol):
    """Creates the agents of a host, such as `voice_host.fleet.local.build`."""

    def __call__(
        self, settings: Settings, extensions: Extensions, *, observers: Observers, deployed: Collection[str]
    ) -> AgentService: ...


def serve(
    settings: Settings,
    listener: socket.socket,
    *,
    load_extensions: Callable[[Settings], Extensions],
    build: Build,
    insecure: bool = False,
    load: Load | None = None,
) -> None:
    """Serve calls on `listener` until SIGINT or SIGTERM. The caller closes the socket.

    Args:
        settings: the platform's settings.
        listener: the listening socket.
        load_extensions: loads the platform's extensions.
        build: creates the agents.
        insecure: whether to serve other machines without authentication.
        load: reads the settings again, on SIGHUP, if agents run in worker processes. Otherwise SIGHUP ends the host.

    Raises:
        CannotServe, ExtensionsBroken, ProviderConfigError, RequiredAgentBroken: the host cannot start.
    """
    server = settings.server
    console = Console(file=sys.stderr, highlight=False, soft_wrap=True)
    logs = AgentLogs()
    configure_logging(
        server.log_format, server.log_level, messages=server.log_transcripts, secrets=known_secrets(settings), kept=logs
    )
    with printing_into_the_log():
        log_transcripts(server.log_transcripts)
        raise_descriptor_limit()
        allow_loggers(plugin_entry_points())
        logs.open(agent.id for agent in discover_agents())
        extensions = load_extensions(settings)
        authentication = checked_authentication(settings, extensions.authenticators, insecure=insecure)
        with open_data_directory(settings) as data:
            host = _put_together(settings, extensions, authentication, build=build, load=load, data=data, logs=logs)
            access = who_may_call(authentication, server.host)
            started = partial(_say_started, settings, host.agents, listener, console, access)
            http = HostServer(
                host.app,
                host.agents,
                settings,
                started,
                drain_timeout_s=server.drain_timeout_s,
                data=data,
                logs=logs,
                reload=host.live.reload if load is not None and isinstance(host.agents, WorkerAgents) else None,
                settle=host.phone.settle,
            )

            async def run() -> None:
                try:
                    async with running_extensions(extensions, host.observers, settings):
                        await serve_agents(host.agents, http, listener, settings, keys=authentication.keys)
                finally:
                    await host.stop()

            run_in_event_loop(run())
    leave_abandoned_tools()


@dataclass(frozen=True)
class _Host:
    """The parts of a host that were put together and have not started."""

    agents: AgentService
    observers: Observers
    live: LiveSettings
    deployments: Deployments | str
    phone: PhoneService
    app: FastAPI

    async def stop(self) -> None:
        """Stop what has been started, deployments first: they start agents."""
        if isinstance(self.deployments, Deployments):
            await self.deployments.stop()
        await self.agents.stop()
        await self.phone.aclose()


def _put_together(
    settings: Settings,
    extensions: Extensions,
    authentication: Authentication,
    *,
    build: Build,
    load: Load | None,
    data: DataDirectory | None,
    logs: AgentLogs,
) -> _Host:
    observers = Observers(extensions.observers, timeout_s=settings.agents.callback_timeout_s)
    store = None if data is None else ReleaseStore(data.path)
    agents = build(settings, extensions, observers=observers, deployed=store.read() if store else ())
    live = LiveSettings(settings, load, agents if isinstance(agents, WorkerAgents) else None)
    deployments = deployments_of(agents, live, store, extensions)
    admission = host_admission(live)
    phone = PhoneService(settings.phone, PhoneCalls(agents, admission, lambda: live.current.phone))
    app = create_host_app(
        agents,
        settings,
        authentication=authentication,
        admission=admission,
        extensions=extensions,
        allowed_hosts=allowed_hosts(settings),
        logs=logs,
        live=live,
        deployments=deployments,
        phone=phone,
    )
    return _Host(agents, observers, live, deployments, phone, app)


def deployments_of(
    agents: AgentService, live: LiveSettings, store: ReleaseStore | None, extensions: Extensions
) -> Deployments | str:
    """Return the deployments of a host, which then start its releases, or why it has none."""
    if not isinstance(agents, WorkerAgents):
        return 'nothing can be deployed on this host: all agents run in its own process ([agents] isolation = "none")'
    if store is None:
        return "nothing can be deployed on this host: it has no data directory, and its log says why"

    def allowed(agent_id: str) -> bool:
        settings = live.current
        return settings.agents.allows(agent_id) and settings.for_agent(agent_id).enabled

    speech = [each.discovered.distribution for each in extensions.with_speech]
    environments = Environments(store.data_dir, agents.order, speech)
    deployments = Deployments(store, environments, agents, allowed=allowed)
    agents.start_releases, agents.start_again = deployments.start, deployments.start_again
    return deployments


def _say_started(
    settings: Settings, agents: AgentService, listener: socket.socket, console: Console, access: str | None
) -> None:
    host = settings.server.host
    name = "localhost" if host == "127.0.0.1" else f"[{host}]" if ":" in host else host
    url = f"http://{name}:{listener.getsockname()[1]}"
    found = agents.report.agents.values()
    answering = {agent.id: targets_of(agent) if agent.status == "ready" else None for agent in found}
    phone = check_phone(settings, answering)
    if settings.server.log_format == "json":
        webhooks = {"webhooks": [address for _, address in phone.webhooks]} if phone.webhooks else {}
        log.info("serving", url=url, agents=list(map(listed, found)), access=access, **webhooks)
        for problem in phone.problems:
            log.warning("phone_settings", problem=problem)
    else:
        print_banner(agents.report, url, console, access, phone=phone)


def plugin_entry_points() -> set[str]:
    """Return the entry points of installed agents and extensions."""
    agents = (each.discovered if isinstance(each, BrokenAgent) else each for each in discover_agents())
    extensions = (each.discovered if isinstance(each, BrokenExtension) else each for each in discover_extensions())
    return {*(agent.entry_point for agent in agents), *(extension.entry_point for extension in extensions)}


def leave_abandoned_tools() -> None:
    """Exit at once if a sync tool that timed out still runs, since Python would wait for its thread."""
    if any(thread.name.startswith("tools-") for thread in threading.enumerate()):
        logging.shutdown()
        os._exit(0)


def checked_authentication(
    settings: Settings, authenticators: Mapping[str, Authenticator], *, insecure: bool
) -> Authentication:
    """Return the authentication of requests.

    Raises:
        CannotServe: the key file cannot be used, or other machines can reach the host and there is no authentication.
    """
    try:
        authentication = build_authentication(settings, authenticators)
    except KeyFileError as error:
        raise CannotServe(str(error), "`voice-host keys list` reads the same file") from error
    if not authentication.required and not insecure and not is_loopback(settings.server.host):
        raise CannotServe(
            f"{settings.server.host} can be reached from other machines, and there is no authentication",
            'put [auth] keys_file = "keys.json" into voice-host.toml and run `voice-host keys create NAME`; '
            "or allow everybody with --insecure",
        )
    return authentication


def who_may_call(authentication: Authentication, address: str) -> str | None:
    """Return a note for the operator about who may call, if one is needed."""
    if authentication.lacks_keys:
        return "Callers need an API key, and there are none yet: `voice-host keys create NAME` creates one."
    if not authentication.required and not is_loopback(address):
        return f"Anybody who reaches {address} can call, see the agents and read the metrics (--insecure)."
    return None


def allowed_hosts(settings: Settings) -> tuple[str, ...]:
    """Return the names that requests may have in their `Host` header."""
    if settings.server.allowed_hosts is not None:
        return settings.server.allowed_hosts
    if not is_loopback(settings.server.host):
        return ("*",)
    public = urlsplit(settings.phone.public_url or "").hostname  # carriers come through a proxy or a tunnel
    return (*LOOPBACK_NAMES, public) if public else LOOPBACK_NAMES


async def serve_agents(
    agents: AgentService, http: HostServer, listener: socket.socket, settings: Settings, *, keys: KeyRing | None = None
) -> None:
    """Start the agents, serve until `http` is stopped, and stop the agents.

    Args:
        keys: the API keys, whose calls end if they are revoked with `--end-calls`; None: there are none.
    """
    loop = asyncio.get_running_loop()
    loop.set_default_executor(AgentThreads())
    loop.set_exception_handler(report_unhandled)
    try:
        try:
            await agents.start()
        finally:
            log_report(agents.report)
        found = agents.report.agents.values()
        imported = {agent.id: agent.entry_point for agent in found if agent.entry_point and agent.import_ms is not None}
        owners = CodeOwners(imported)
        async with (
            watching(owners, settings.server.loop_blocked_ms),
            ending_revoked_calls(keys, agents),
            recording(agents),
        ):
            await http.serve(sockets=[listener])
    finally:
        await agents.stop()


@asynccontextmanager
async def recording(agents: AgentService) -> AsyncIterator[None]:
    """Record the agents' figures for those of the last minutes, while the context is active."""

    async def record() -> None:
        await asyncio.to_thread(agents.figures.record)

    sweeper = Sweeper("figures", STEP_S, record)
    sweeper.start()
    try:
        yield
    finally:
        await sweeper.stop()


@asynccontextmanager
async def ending_revoked_calls(keys: KeyRing | None, agents: AgentService) -> AsyncIterator[None]:
    """End the calls of keys that are revoked with `voice-host keys revoke --end-calls`, while the context is active.

    It checks every second, since a call may have been admitted just before its key was revoked, and begin afterwards.
    """
    if keys is None:
        yield
        return

    async def end_calls() -> None:
        if revoked := await keys.calls_ended():
            agents.revoke(revoked)

    sweeper = Sweeper("revoked-calls", RECHECK_S, end_calls)
    sweeper.start()
    try:
        yield
    finally:
        await sweeper.stop()
