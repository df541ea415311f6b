"""`voice-host top`: what runs now, as a live table."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live

from voice_host.cli.host_client import HostError, RunningHost, of_running_host
from voice_host.cli.output import JsonOption, print_json
from voice_host.cli.top_table import Listed, TopTable, Usage

PIPED_COLUMNS = 160

NOTE = "time to first audio and errors: of the last 5 minutes"


@of_running_host
async def top(
    host: RunningHost,
    once: Annotated[
        bool, typer.Option("--once", help="Print the table once. Default if stdout is not a terminal.")
    ] = False,
    interval: Annotated[float, typer.Option(min=0.5, max=60, help="Seconds between two looks.")] = 2.0,
    as_json: JsonOption = False,
) -> None:
    """Show agents, releases and workers of a running host: calls, time to first audio, errors, memory and CPU.

    Ctrl-C ends it.

    Examples:

    `voice-host top`

    `voice-host top --json | jq '.[] | select(.status == "broken")'`
    """
    agents = await _agents(host)
    if as_json:
        print_json(agents)
    elif once or not sys.stdout.isatty():
        console = Console(width=None if sys.stdout.isatty() else PIPED_COLUMNS, highlight=False)
        console.print(TopTable(agents, Usage.since_start(agents), NOTE), height=None)
    else:
        await _live(host, agents, interval)


async def _live(host: RunningHost, agents: Sequence[Listed], interval_s: float) -> None:
    """Show the table until Ctrl-C."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGINT, stop.set)
    note = f"{NOTE}   Ctrl-C ends"
    usage, at_s = Usage.since_start(agents), loop.time()
    with Live(TopTable(agents, usage, note), console=Console(highlight=False), screen=True) as live:
        while not await _set_within(stop, interval_s):
            problem = None
            try:
                before, agents = agents, await _agents(host)
            except HostError as error:
                if error.status is not None:
                    raise
                problem = f"{error}; trying again"
            else:
                now_s = loop.time()
                usage, at_s = Usage.between(before, agents, now_s - at_s), now_s
            live.update(TopTable(agents, usage, note, problem))


async def _agents(host: RunningHost) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await host.ask("GET", "/agents")
    return found


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
