"""`voice-host restart`: new worker processes for one agent of a running host."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from voice_host.cli.host_client import RunningHost, of_running_host
from voice_host.cli.output import print_line


@of_running_host
async def restart(
    host: RunningHost,
    agent_id: Annotated[str, typer.Argument(metavar="AGENT", help="The agent's id.")],
) -> None:
    """Replace the worker processes of an agent, without dropping a call.

    New workers take the new calls; the old ones finish theirs. An agent that is broken is tried again. If the new
    workers do not start, nothing changes.

    Examples:

    `voice-host restart front-desk`
    """
    found = await host.ask("POST", f"/agents/{quote(agent_id, safe='')}/restart")
    workers = "1 new worker takes" if found["workers"] == 1 else f"{found['workers']} new workers take"
    print_line(f"{agent_id}: {workers} its calls; those that are under way go on where they are")
