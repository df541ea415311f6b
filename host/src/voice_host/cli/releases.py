"""`voice-host releases`, `promote`, `rollback`, `traffic`, `remove`, `reload`: the releases of a running host."""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.text import Text

from voice_host.cli.host_client import RunningHost, of_running_host
from voice_host.cli.output import JsonOption, fail, print_json, print_line, print_table, waiting
from voice_host.settings.agent import PRODUCTION

AgentArgument = Annotated[str, typer.Argument(metavar="AGENT", help="The id of the agent.")]

_STYLES = {"ready": "green", "starting": "yellow", "retiring": "yellow", "broken": "bold red", "stopped": "dim"}

_SHARE = re.compile(r"(?P<name>[^=]+)=(?P<share>\d{1,3})%?")


@of_running_host
async def releases(
    host: RunningHost,
    agent_id: Annotated[
        str | None, typer.Argument(metavar="[AGENT]", help="The id of the agent. Default: all agents.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the releases of a running host: their share of the calls, their aliases, and whether they run.

    Examples:

    `voice-host releases`

    `voice-host releases night-desk --json | jq -r '.[] | select(.traffic > 0) | .name'`
    """
    found = await host.ask("GET", "/deployments" if agent_id is None else f"{_of(agent_id)}/releases")
    _show(found, as_json)


@of_running_host
async def promote(
    host: RunningHost,
    agent_id: AgentArgument,
    release: Annotated[str, typer.Argument(metavar="RELEASE", help="A release, or an alias that names one.")],
    to: Annotated[
        str, typer.Option(metavar="ALIAS", help="An alias that names the release from now on. Default: production.")
    ] = PRODUCTION,
    as_json: JsonOption = False,
) -> None:
    """Send all new calls of an agent, or those of an alias, to one release. Calls under way continue where they are.

    A release that was tried out under an alias gets production's settings when it is promoted.

    Examples:

    `voice-host promote night-desk staging`

    `voice-host promote night-desk 1.4.0 --to staging`
    """
    method, path = ("POST", "promote") if to == PRODUCTION else ("PUT", f"aliases/{quote(to, safe='')}")
    with waiting(f"promoting {release}"):
        found = await host.ask(method, f"{_of(agent_id)}/{path}", json={"release": release})
    _show(found, as_json)


@of_running_host
async def rollback(host: RunningHost, agent_id: AgentArgument, as_json: JsonOption = False) -> None:
    """Send new calls of an agent where they went before the last change of its traffic.

    Calls under way continue where they are. Repeat it to go back further; `voice-host promote` goes forward again.
    Aliases stay as they are.

    Example:

    `voice-host rollback night-desk`
    """
    with waiting("rolling back"):
        found = await host.ask("POST", f"{_of(agent_id)}/rollback")
    _show(found, as_json)


@of_running_host
async def traffic(
    host: RunningHost,
    agent_id: AgentArgument,
    shares: Annotated[
        list[str], typer.Argument(metavar="RELEASE=PERCENT...", help="The share of each release; 100 together.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Split new calls of an agent between releases. All calls of one caller go to the same release.

    A share of 0 keeps a release running, so that it can be called as AGENT@RELEASE.

    Example:

    `voice-host traffic night-desk 1.3.0=90 1.4.0=10`
    """
    wanted = _shares(shares)
    with waiting("changing the traffic"):
        found = await host.ask("PUT", f"{_of(agent_id)}/traffic", json=wanted)
    _show(found, as_json)


@of_running_host
async def remove(
    host: RunningHost,
    agent_id: AgentArgument,
    what: Annotated[str, typer.Argument(metavar="RELEASE", help="A deployed release that is not in use, or an alias.")],
) -> None:
    """Remove a release that is not in use, with its environment, or an alias.

    A removed release cannot be rolled back to. Of the releases that are not in use, the host keeps five by itself.

    Examples:

    `voice-host remove night-desk 1.2.0`

    `voice-host remove night-desk staging`
    """
    kind = "releases" if what[:1].isdigit() else "aliases"
    await host.ask("DELETE", f"{_of(agent_id)}/{kind}/{quote(what, safe='')}")
    print_line(f"Removed {what} of {agent_id}.")


@of_running_host
async def reload(host: RunningHost, as_json: JsonOption = False) -> None:
    """Read the settings of a running host again: its file, `.env` and the files of secrets.

    Agents whose settings changed get new workers; calls under way finish with the old ones. If the settings are
    invalid, nothing changes. The host cannot see variables that were set after its start.

    Example:

    `voice-host reload`
    """
    with waiting("reloading"):
        found = await host.ask("POST", "/reload")
    if as_json:
        print_json(found)
        return
    if found["changed"]:
        print_line(f"New settings for {', '.join(found['changed'])}.")
    if found["taken_over"]:
        print_line(f"Changed, and in effect: {', '.join(found['taken_over'])}")
    if found["needs_restart"]:
        print_line(f"Changed, but only in effect after a restart of the host: {', '.join(found['needs_restart'])}")
    if not any(found.values()):
        print_line("No settings have changed.")


def _of(agent_id: str) -> str:
    return f"/agents/{quote(agent_id, safe='')}"


def _shares(texts: list[str]) -> dict[str, int]:
    shares: dict[str, int] = {}
    for text in texts:
        match = _SHARE.fullmatch(text)
        if match is None:
            fail(f"{text!r} is not a share", "write RELEASE=PERCENT, e.g. 1.3.0=90 1.4.0=10")
        if match["name"] in shares:
            fail(f"{match['name']} has two shares", "give each release one")
        shares[match["name"]] = int(match["share"])
    if (total := sum(shares.values())) != 100:
        fail(f"the shares add up to {total} %, not 100 %", "write e.g. 1.3.0=90 1.4.0=10")
    return shares


def _show(found: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json(found)
    elif found:
        print_table(["agent", "release", "calls of", "traffic", "status", "calls", "deployed"], map(_row, found))
    else:
        print_line("No agent is installed or deployed. `voice-host deploy WHAT` deploys one.")


def _row(release: dict[str, Any]) -> list[str | Text]:
    called = [*([PRODUCTION] if release["traffic"] else []), *release["aliases"]]
    deployed = release["deployed"]
    return [
        release["agent"],
        release["name"],
        ", ".join(called) or ("-  (rollback)" if release["rollback"] else "-"),
        f"{release['traffic']} %" if release["traffic"] else "-",
        Text(release["status"], style=_STYLES.get(release["status"], "")),
        str(release["calls"]),
        deployed.partition(".")[0].replace("T", " ") if deployed else "installed",
    ]
