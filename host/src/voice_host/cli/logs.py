"""`voice-host logs`: the log lines about one agent, and what its code prints."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console
from rich.text import Text

from voice_host.cli.host_client import HostError, RunningHost, of_running_host
from voice_host.cli.output import fail, print_json, say_warning
from voice_host.observability.agent_logs import MAX_LINES, SKIPPED
from voice_host.observability.logs import MAX_TRACE_CHARS
from voice_host.observability.printable import printable

STYLES = {"debug": "dim", "info": "", "warning": "yellow", "error": "red", "critical": "bold red"}
"""Of the levels."""

_SHOWN_APART = {"timestamp", "level", "event", "agent_id", "release", "worker", "exception"}


@of_running_host
async def logs(
    host: RunningHost,
    agent_id: Annotated[str, typer.Argument(metavar="AGENT", help="The agent's id.")],
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with the lines that come, until Ctrl-C.")
    ] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, max=MAX_LINES, help="How many of the latest lines.")
    ] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print each line as JSON, with all its fields.")] = False,
) -> None:
    """Show what a running host logs about one agent, and what the agent's code prints.

    It shows the latest lines, also those of workers that have ended or crashed.

    Examples:

    `voice-host logs front-desk --follow`

    `voice-host logs front-desk --json | jq -r 'select(.level == "error") | .event'`
    """
    console = Console(soft_wrap=True, markup=False, highlight=False)
    params = {"lines": str(lines), "follow": str(follow).lower()}
    try:
        async with aclosing(host.stream("GET", f"/agents/{quote(agent_id, safe='')}/logs", params=params)) as found:
            async for line in found:
                if as_json:
                    print_json(line, indent=None)
                    sys.stdout.flush()
                else:
                    console.print(shown(line, times_only=sys.stdout.isatty()))
    except HostError as error:
        if error.status != 404:
            raise
        fail(f"there is no agent {agent_id!r} on {host.where}", "`voice-host top --once` lists the agents")
    if follow:
        say_warning("the host is stopping")


def shown(line: Mapping[str, Any], *, times_only: bool = False) -> Text:
    """Return a log line for people.

    Args:
        line: the fields.
        times_only: whether to show the time of this machine's time zone only, without the date.
    """
    level = str(line.get("level", "info"))
    style = STYLES.get(level, "")
    text = Text()
    text.append(_time(str(line.get("timestamp", "")), times_only), "dim")
    text.append(f" {level:<8}", style or "green")
    if "release" in line:
        text.append(f" {printable(str(line['release']))}/{printable(str(line.get('worker', '-')))}", "cyan")
    if line.get("event") == "printed":
        text.append(f" {printable(str(line.get('text', '')))}", style)
        return text
    if line.get("event") == SKIPPED:
        text.append(f" {line.get('lines')} lines were skipped: they came faster than they could be sent", style)
        return text
    text.append(f" {printable(str(line.get('event', '')))}", f"bold {style}".strip())
    for name in sorted(line.keys() - _SHOWN_APART):
        text.append(f" {printable(name)}=", "dim")
        text.append(_value(line[name]), style)
    if exception := line.get("exception"):
        text.append("\n" + printable(str(exception), max_chars=MAX_TRACE_CHARS, keep="\n"), style)
    return text


def _value(value: object) -> str:
    return printable(value if isinstance(value, str) and " " not in value else repr(value))


def _time(timestamp: str, times_only: bool) -> str:
    try:
        at = datetime.fromisoformat(timestamp)
    except ValueError:
        return printable(timestamp)
    return at.astimezone().strftime("%H:%M:%S.%f")[:-3] if times_only else timestamp
