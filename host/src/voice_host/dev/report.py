"""What a child says on the terminal when it begins to serve."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from voice_host.fleet.service import FleetReport
from voice_host.front.banner import print_banner, print_broken

ADVICE = "correct it and save: the agent restarts"
"""For `voice-host check` an agent has to be installed, and here it need not be."""


def say_outcome(report: FleetReport, url: str, console: Console, *, again: bool) -> None:
    """Say which agents are ready and which are broken and why; the first time also where to talk and over what."""
    if not again:
        print_banner(report, url, console, advice=ADVICE, tracebacks=True)
        return
    for agent in report.agents.values():
        if agent.status == "ready":
            console.print(Text.assemble((agent.id, "bold"), " is ", ("ready", "green")))
        else:
            print_broken(agent, console, ADVICE, tracebacks=True)
