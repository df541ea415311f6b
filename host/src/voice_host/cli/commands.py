"""The commands of `voice-host`, and what they have in common."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from voice_host.cli.agents import agents
from voice_host.cli.call import call
from voice_host.cli.check import check
from voice_host.cli.config import config
from voice_host.cli.deploy import deploy
from voice_host.cli.dev import dev
from voice_host.cli.dial import dial
from voice_host.cli.exit_codes import INTERRUPTED
from voice_host.cli.keys import keys
from voice_host.cli.logs import logs
from voice_host.cli.new import new
from voice_host.cli.output import print_line, say_interrupted
from voice_host.cli.releases import promote, releases, reload, remove, rollback, traffic
from voice_host.cli.restart import restart
from voice_host.cli.serve import serve
from voice_host.cli.top import top

_EPILOG = (
    "Exit codes: 0 success; 1 something failed or is broken; "
    "2 nothing was tried, because an option, an agent id or the settings are wrong; 130 interrupted."
)


class _Commands(TyperGroup):
    """Handles Ctrl-C before typer does, whose versions treat it differently."""

    def invoke(self, ctx: Any) -> Any:  # click's context, or that of typer's copy of click
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            say_interrupted()
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(
    cls=_Commands,
    name="voice-host",
    help="One server for many voice agents: install them with pip, talk to them over a WebSocket.",
    epilog=_EPILOG,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    add_completion=False,
)

_DEPLOYING = (deploy, releases, promote, rollback, traffic, remove)
for _command in (serve, agents, top, logs, restart, check, config, call, dial, new, dev, *_DEPLOYING, reload):
    app.command(epilog=_EPILOG)(_command)
app.add_typer(keys, epilog=_EPILOG)


def _show_version(wanted: bool) -> None:
    if wanted:
        print_line(f"voice-host {version('voice-host')} (voice-host-sdk {version('voice-host-sdk')})")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the versions and exit.")
    ] = False,
) -> None:
    pass
