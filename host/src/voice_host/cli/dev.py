"""`voice-host dev`: the agents of a source tree, restarted on every save."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from voice_host.cli.exit_codes import FAILED
from voice_host.cli.output import ConfigOption, fail, settings_or_exit
from voice_host.front.listener import PortTaken, listen
from voice_host.settings import CONFIG_VARIABLE, DEFAULT_FILE, process_environment

ADDRESS = "127.0.0.1"


def dev(
    path: Annotated[
        Path,
        typer.Argument(metavar="PATH", show_default=False, help="The agent's source tree. Default: this folder."),
    ] = Path(),
    port: Annotated[int | None, typer.Option(help="The port; 0 takes a free one. Default: 8000.")] = None,
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open the talk page in a browser.")] = False,
    config: ConfigOption = None,
) -> None:
    """Run the agent of a source tree, and restart it whenever one of its files is saved.

    The package need not be installed, and no other agent runs. Errors are shown here and on the talk page; the next
    good save continues. The host accepts connections from this machine only.

    Examples:

    `voice-host dev`

    `voice-host dev agents/front-desk --port 9000 --no-open`
    """
    # Imported lazily: no other command needs the file watcher.
    import asyncio

    from voice_host.dev.source import NoAgentHere, find_project, read_tree
    from voice_host.dev.supervisor import HostFailed, Supervisor

    try:
        folder = find_project(path)
        tree = read_tree(folder)
    except NoAgentHere as error:
        fail(str(error), error.hint)
    named = CONFIG_VARIABLE in process_environment().variables
    if config is None and not named and (folder / DEFAULT_FILE).is_file():
        config = folder / DEFAULT_FILE
    settings = settings_or_exit(config, {"server.host": ADDRESS, "server.port": port})
    try:
        listener = listen(ADDRESS, settings.server.port)
    except PortTaken as error:
        fail(str(error), error.hint)
    with listener, suppress(KeyboardInterrupt):
        page = None if no_open else f"http://localhost:{listener.getsockname()[1]}"
        try:
            asyncio.run(Supervisor(tree, settings.path, listener, page).run())
        except HostFailed as error:
            fail(str(error), "see its output above", code=FAILED)
