"""`voice-host serve`: run the host."""

from __future__ import annotations

import socket
from enum import StrEnum
from functools import partial
from typing import Annotated

import typer

from voice_host.cli.exit_codes import FAILED
from voice_host.cli.output import ConfigOption, fail, fail_for_extensions, settings_or_exit
from voice_host.front.listener import PortTaken, listen
from voice_host.settings import Settings
from voice_host.settings.model import ServerSettings


class LogFormat(StrEnum):
    """What the log looks like: for people, or one JSON object a line."""

    TEXT = "text"
    JSON = "json"


def serve(
    host: Annotated[str | None, typer.Option(help="The address to listen on. Default: 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="The port; 0 takes a free one. Default: 8000.")] = None,
    agents: Annotated[
        str | None, typer.Option(metavar="A,B", help="Run only these agents. Default: all that are allowed.")
    ] = None,
    config: ConfigOption = None,
    strict: Annotated[bool, typer.Option("--strict", help="Do not start when any agent is broken.")] = False,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen on a public address although anybody may call: without [auth].")
    ] = False,
    log_format: Annotated[LogFormat | None, typer.Option(help="text for people, json for programs.")] = None,
) -> None:
    """Run the host: every installed agent, one WebSocket endpoint each, and a page to talk to them.

    Without any API key it speaks and listens with the embedded demo voice.

    Examples:

    `voice-host serve`

    `voice-host serve --agents front-desk --port 9000 --log-format json`
    """
    settings = settings_or_exit(
        config,
        {"server.host": host, "server.port": port, "server.log_format": log_format, "agents.allow": agents},
    )
    with _listener(settings.server) as listener:
        _serve(settings, listener, strict, insecure)


def _listener(server: ServerSettings) -> socket.socket:
    try:
        return listen(server.host, server.port)
    except PortTaken as error:
        fail(str(error), error.hint)


def _serve(settings: Settings, listener: socket.socket, strict: bool, insecure: bool) -> None:
    # Imported when it is needed: it brings the web framework and the model library along.
    from voice_host.fleet.local import build
    from voice_host.fleet.service import CannotServe, RequiredAgentBroken
    from voice_host.front.run import serve as run
    from voice_host.plugins import ExtensionsBroken
    from voice_host.speech.select import ProviderConfigError, installed_extensions

    try:
        run(
            settings,
            listener,
            load_extensions=installed_extensions,
            build=partial(build, strict=strict),
            insecure=insecure,
        )
    except CannotServe as error:
        fail(str(error), error.hint)
    except ExtensionsBroken as error:
        fail_for_extensions(error)
    except ProviderConfigError as error:
        fail(str(error))
    except RequiredAgentBroken as error:
        fail(str(error), f"`voice-host check {error.agent_id}` shows more", code=FAILED)
