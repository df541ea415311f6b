"""`voice-host check`: every phase of every agent and every extension."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import Annotated

import typer
from rich.text import Text

from voice_host.cli.checkup import Status, Verdict, check_agents, required_but_absent
from voice_host.cli.exit_codes import FAILED
from voice_host.cli.output import (
    ConfigOption,
    JsonOption,
    fail,
    print_json,
    print_table,
    say_error,
    say_warning,
    settings_or_exit,
)
from voice_host.plugins import absent_agents, discover_agents, not_installed, nothing_to_run
from voice_host.plugins.installing import installer

_STYLES: dict[Status, str] = {"ok": "green", "broken": "bold red", "not allowed": "dim", "disabled": "dim"}


def check(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="The agents to check. Default: all of them.")
    ] = None,
    as_json: JsonOption = False,
    timeout_s: Annotated[
        float, typer.Option("--timeout-s", min=0.1, help="Seconds that one agent's import and hooks may take.")
    ] = 60.0,
    config: ConfigOption = None,
) -> None:
    """Take agents through every phase, `on_startup` and `on_shutdown` included, and say what fails.

    The platform's extensions are checked too. It imports them and the agents and runs their code. Exit code 1 if any
    of them is broken.

    Examples:

    `voice-host check`

    `voice-host check front-desk --json`
    """
    settings = settings_or_exit(config)
    # Imported here: `voice-host --help` should not wait for it.
    from voice_host.cli.extension_checkup import check_extensions

    outcomes = discover_agents()
    installed = {outcome.id for outcome in outcomes}
    for agent_id in ids or ():
        if agent_id not in installed:
            fail(not_installed(agent_id, installed), "see `voice-host agents`")
    absent = absent_agents(settings, installed)
    # What an agent prints must not end up in our JSON.
    with contextlib.redirect_stdout(sys.stderr):
        extensions, working = check_extensions(settings)
        verdicts = asyncio.run(check_agents(settings, outcomes, ids or None, working, limit_s=timeout_s))
    if ids:  # whoever asks about certain agents hears of those that keep all of them from running
        extensions = [verdict for verdict in extensions if verdict.status == "broken"]
    verdicts += required_but_absent(absent) if not ids else []
    if as_json:
        print_json([verdict.as_data() for verdict in [*extensions, *verdicts]])
    else:
        _print(extensions, "extension")
        _print(verdicts, "id")
    for agent in absent:
        (say_error if agent.required else say_warning)(str(agent))
    if not verdicts:
        fail("no agents are installed, so nothing was checked", f"install one with `{installer()} NAME`", FAILED)
    if all(verdict.status == "not allowed" for verdict in verdicts):
        fail(nothing_to_run(settings, len(installed)), "without `allow` every installed agent may run", FAILED)
    if any(verdict.status == "broken" for verdict in [*extensions, *verdicts]):
        raise typer.Exit(FAILED)


def _print(verdicts: list[Verdict], kind: str) -> None:
    if verdicts:
        print_table(
            [kind, "phase", "status", "import ms", "error"],
            (
                [
                    verdict.id,
                    verdict.phase,
                    Text(verdict.status, style=_STYLES[verdict.status]),
                    "-" if verdict.import_ms is None else f"{verdict.import_ms:.0f}",
                    verdict.details(),
                ]
                for verdict in verdicts
            ),
        )
    for verdict in verdicts:
        for warning in verdict.warnings:
            say_warning(f"{verdict.id}: {warning}")
