"""`python -m voice_host.workers.check`: takes an agent through every phase, in the environment it is installed in.

The front starts it with that environment's interpreter. It reads an `Order`, one line of stdin, and writes a `Started`
to stdout; what the agent prints goes to stderr. It exits when stdin ends, since then the front is gone. The argument is
how many seconds the import and the hooks may take.
"""

from __future__ import annotations

import asyncio
import faulthandler
import json
import os
import sys
import threading
from typing import BinaryIO, NoReturn

from voice_host.fleet.check import check_agents
from voice_host.fleet.installed import agent_of
from voice_host.fleet.report import AgentReport
from voice_host.plugins import BrokenAgent, DiscoveredAgent, Phase, discover_agents
from voice_host.releases.release import Release
from voice_host.settings.transfer import received_settings
from voice_host.speech.host_process import SpeechAddress, use_speech_process
from voice_host.speech.select import installed_extensions
from voice_host.workers.messages import PROTOCOL, Order, Started


def main() -> NoReturn:
    """Check the agent of the order in stdin, and exit."""
    faulthandler.enable()
    output = os.dup(1)
    os.dup2(2, 1)
    said = sys.stdin.buffer.readline()
    threading.Thread(target=_exit_with_the_front, args=(sys.stdin.buffer,), daemon=True).start()
    if json.loads(said).get("protocol") == PROTOCOL:
        order = Order.model_validate_json(said)
        os.environ.update(order.variables)
        answer = Started(report=check(order, limit_s=float(sys.argv[1]))).model_dump_json()
    else:
        answer = json.dumps({"protocol": PROTOCOL})
    with os.fdopen(output, "w", encoding="utf-8") as stdout:
        stdout.write(answer)
    sys.stderr.flush()
    os._exit(0)  # whatever the agent has left running


def _exit_with_the_front(stdin: BinaryIO) -> None:
    while stdin.read(1):
        pass
    os._exit(1)


def check(order: Order, *, limit_s: float) -> AgentReport:
    """Return what `voice-host check` says about the agent of an order. It must be installed in this environment."""
    settings = received_settings(order.settings, order.keys)
    if order.speech_socket is not None:
        use_speech_process(SpeechAddress(order.speech_socket, order.release.agent_id, order.speech_key))
    extensions = installed_extensions(settings)  # those of `[extensions] allow` that this environment has
    [report] = asyncio.run(
        check_agents(settings, [_find(order.release)], {order.release.agent_id}, extensions, limit_s=limit_s)
    )
    return report


def _find(release: Release) -> DiscoveredAgent | BrokenAgent:
    found = next((agent for agent in discover_agents() if agent.id == release.agent_id), None)
    if found is None:
        return BrokenAgent(
            agent_of(release), Phase.DISCOVERED, f"it is not installed in {sys.prefix}", "install it there"
        )
    return found


if __name__ == "__main__":
    main()
