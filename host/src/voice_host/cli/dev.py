"""`voice-host dev`: the agent of a source tree, started again on every save."""

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
        Path, typer.Argument(metavar="PATH", show_default=False, help="The agent's source tree. Default: here.")
    ] = Path(),
    port: Annotated[int | None, typer.Option(help="The port; 0 takes a free one. Default: 8000.")] = None,
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open the talk page in a browser.")] = False,
    config: ConfigOption = None,
) -> None:
    """Run only the agent of a source tree, and start it again whenever one of its files is saved.

    The package need not be installed. What is wrong with a save is shown here and on the talk page, and the next good
    save is all it takes to go on. It listens to this machine alone.

    Examples:

    `voice-host dev`

    `voice-host dev agents/front-desk --port 9000 --no-open`
    """
    # Imported when it is needed: the event loop and the file watcher are of no use to other verbs.
    import asyncio

    from voice_host.dev.source import NoAgentHere, find_project, read_tree
    from voice_host.dev.supervisor import ChildrenFail, Supervisor

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
        except ChildrenFail as error:
            fail(str(error), "what it said is above", code=FAILED)
