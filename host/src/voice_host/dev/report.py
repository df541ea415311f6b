"""What a child says on the terminal when it begins to serve."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from voice_host.fleet.local import Host
from voice_host.front.banner import print_banner, print_broken
from voice_host.plugins import BrokenAgent

ADVICE = "correct it and save: the agent restarts"
"""For `voice-host check` an agent has to be installed, and here it need not be."""


def say_outcome(host: Host, url: str, console: Console, *, again: bool) -> None:
    """Say which agents are ready and which are broken and why; the first time also where to talk and over what."""
    if not again:
        print_banner(host, url, console, advice=ADVICE, tracebacks=True)
        return
    for agent in host.agents.values():
        if isinstance(agent, BrokenAgent):
            print_broken(agent, console, ADVICE, tracebacks=True)
        else:
            console.print(Text.assemble((agent.loaded.id, "bold"), " is ", ("ready", "green")))
