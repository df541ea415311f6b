"""`voice-host serve`: run the host."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Collection
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from voice_host.cli.output import ConfigOption, fail, host_errors, settings_or_exit
from voice_host.front.listener import PortTaken, listen
from voice_host.settings import Settings, load_settings
from voice_host.settings.model import ServerSettings

if TYPE_CHECKING:
    from voice_host.fleet.service import AgentService
    from voice_host.plugins import Extensions
    from voice_host.sessions.observers import Observers


class LogFormat(StrEnum):
    """The format of the log: text for people, or one JSON object per line."""

    TEXT = "text"
    JSON = "json"


def serve(
    host: Annotated[str | None, typer.Option(help="The address to listen on. Default: 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="The port; 0 takes a free one. Default: 8000.")] = None,
    agents: Annotated[
        str | None, typer.Option(metavar="A,B", help="Run only these agents. Default: all allowed agents.")
    ] = None,
    config: ConfigOption = None,
    strict: Annotated[bool, typer.Option("--strict", help="Do not start if any agent is broken.")] = False,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Allow a public address without [auth]: anybody can call.")
    ] = False,
    log_format: Annotated[LogFormat | None, typer.Option(help="text is for people, json for programs.")] = None,
) -> None:
    """Run the host: a WebSocket endpoint for each installed agent, and a page to talk to them.

    Without any API key it speaks and listens with demo speech on this machine.

    Examples:

    `voice-host serve`

    `voice-host serve --agents front-desk --port 9000 --log-format json`
    """
    options = {"server.host": host, "server.port": port, "server.log_format": log_format, "agents.allow": agents}
    settings = settings_or_exit(config, options)
    with _listener(settings.server) as listener:
        _serve(settings, listener, strict, insecure, partial(load_settings, settings.path, options=options))


def _listener(server: ServerSettings) -> socket.socket:
    try:
        return listen(server.host, server.port)
    except PortTaken as error:
        fail(str(error), error.hint)


def _serve(
    settings: Settings, listener: socket.socket, strict: bool, insecure: bool, load: Callable[[], Settings]
) -> None:
    # Imported lazily: it loads the web framework, and the agent runtime if agents run in this process.
    from voice_host.front.run import serve as run
    from voice_host.speech.select import installed_extensions

    build = _workers if settings.agents.isolation == "process" else _in_process
    with host_errors():
        run(
            settings,
            listener,
            load_extensions=installed_extensions,
            build=partial(build, strict=strict),
            insecure=insecure,
            load=load,
        )


def _in_process(
    settings: Settings, extensions: Extensions, *, observers: Observers, strict: bool, deployed: Collection[str]
) -> AgentService:
    from voice_host.fleet.local import build

    return build(settings, extensions, observers=observers, strict=strict)


def _workers(
    settings: Settings, extensions: Extensions, *, observers: Observers, strict: bool, deployed: Collection[str]
) -> AgentService:
    from voice_host.fleet.service import CannotServe
    from voice_host.speech.select import SpeechServices
    from voice_host.supervisor.service import build
    from voice_host.workers.confinement import make_undumpable

    if sys.platform != "linux":
        raise CannotServe('[agents] isolation = "process" needs Linux', 'remove it, or set it to "none"')
    make_undumpable()  # workers may run as the same user
    SpeechServices(settings, extensions).require_named()
    return build(settings, extensions, observers=observers, strict=strict, deployed=deployed)
