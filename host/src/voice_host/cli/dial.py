"""`voice-host dial`: lets an agent of a running host call a telephone number."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import quote
from uuid import uuid4

import typer
from rich.console import Console
from rich.text import Text

from voice_host.cli.exit_codes import FAILED
from voice_host.cli.host_client import NOT_FOUND, HostError, RunningHost, of_running_host
from voice_host.cli.output import JsonOption, fail, print_json, print_line, say_error, say_warning, waiting
from voice_host.observability.printable import printable
from voice_host.settings.phone import LONGEST_CALL_S

POLL_S = 0.5
"""How often the host is asked for news of the call."""

_ANSWERS = {
    "human": "a person answered",
    "machine": "an answering machine answered",
    "machine_end": "an answering machine answered, and records now",
    "fax": "a fax machine answered",
    "unknown": "who answered is not known",
}


class MachineDetection(StrEnum):
    """Answering-machine detection by the carrier."""

    OFF = "off"
    PERSON = "person"
    MESSAGE_END = "message-end"


@of_running_host
async def dial(
    host: RunningHost,
    agent_id: Annotated[str, typer.Argument(metavar="ID", help="The agent that calls, or ID@ALIAS.")],
    number: Annotated[
        str, typer.Argument(metavar="NUMBER", help="The number to call, with its country: +49 30 1234567.")
    ],
    from_number: Annotated[
        str | None,
        typer.Option("--from", metavar="NUMBER", help="The number to call from. Default: the agent's only number."),
    ] = None,
    metadata: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Metadata for the agent (Session.metadata). May be repeated."),
    ] = None,
    machine_detection: Annotated[
        MachineDetection,
        typer.Option(help="Let the carrier find out whether a person or a machine answers, or when a machine records."),
    ] = MachineDetection.OFF,
    ring_s: Annotated[int | None, typer.Option(min=5, max=120, help="How long it rings. Default: 30.")] = None,
    max_call_s: Annotated[
        int | None,
        typer.Option(min=10, max=LONGEST_CALL_S, help="Time limit of the call. Default: phone.outbound.max_call_s."),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait until the call is over, and show what happens.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Let an agent call a telephone number.

    The host must allow the number: see phone.outbound in its settings. Ctrl-C hangs up. The exit code is 0 if somebody
    answered.

    Examples:

    `voice-host dial front-desk +493012345678`

    `voice-host dial front-desk +493012345678 --metadata order=1042 --machine-detection person`

    `voice-host dial front-desk +493012345678 --no-wait --json | jq -r .id`
    """
    body = {
        "to": _number(number),
        "from": None if from_number is None else _number(from_number),
        "metadata": dict(map(_named, metadata or ())),
        "machine_detection": machine_detection.value.replace("-", "_"),
        "ring_s": ring_s,
        "max_call_s": max_call_s,
    }
    calls = f"/agents/{quote(agent_id, safe='@')}/calls"
    with waiting(f"calling {body['to']}"):
        # The key makes a repeated request harmless, also one that a proxy repeats.
        headers = {"Idempotency-Key": uuid4().hex}
        given = {name: value for name, value in body.items() if value is not None}
        call = await host.ask("POST", calls, json=given, headers=headers)
    if wait:
        call = await _followed(host, f"{calls}/{quote(call['id'], safe='')}", call, quiet=as_json)
    if as_json:
        print_json(call)
    elif wait:
        print_line(_ending(call))
    else:
        print_line(f"Calling {call['to']} from {call['from']}: call {call['id']}")
    if call["status"] == "over" and call["answered"] is None:
        raise typer.Exit(FAILED)


def _number(text: str) -> str:
    """Return a number in E.164 form, as people do not write it."""
    number = re.sub(r"\(0\)|[\s().\-/]", "", text)
    if re.fullmatch(r"\+[1-9]\d{1,14}", number) is None:
        fail(f"{text!r} is not a telephone number with its country", "write + and the country code: +49 30 1234567")
    return number


def _named(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        fail(f"the metadata {text!r} is not of the form name=value", "write --metadata name=value")
    return name, value


async def _followed(host: RunningHost, path: str, call: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    """Show what happens in a call until it is over, and return its last state. It is hung up if this is interrupted."""
    if not quiet:
        print_line(f"Calling {call['to']} from {call['from']} (Ctrl-C hangs up)")
    told: list[str] = []
    try:
        with _status(call) as status:
            while True:
                for line in _events(call):
                    if line not in told and not quiet:
                        print_line(line)
                    told.append(line)
                if call["status"] == "over":
                    return call
                await asyncio.sleep(POLL_S)
                call = await host.ask("GET", path)
                status(call)
    except asyncio.CancelledError:
        await _hang_up(host, path)
        raise
    except HostError as error:
        if error.status == NOT_FOUND:
            hint = "it was restarted, and ended the calls that it had made"
            raise HostError(f"{host.where} does not know the call any more", hint) from error
        say_warning("the call may go on")
        raise


async def _hang_up(host: RunningHost, path: str) -> None:
    try:
        await host.ask("DELETE", path)
        print_line("Hung up")
    except HostError as error:
        say_error(f"the call could not be hung up: {error}", error.hint)


@contextlib.contextmanager
def _status(call: Mapping[str, Any]) -> Iterator[Any]:
    """Show on a terminal what the call waits for. Yields a function that is given each new state."""

    def text(call: Mapping[str, Any]) -> Text:
        return Text("ringing ..." if call["status"] == "ringing" else "talking ...")

    with Console(stderr=True, highlight=False).status(text(call)) as status:
        yield lambda call: status.update(text(call))


def _events(call: Mapping[str, Any]) -> list[str]:
    """Return what has happened in a call so far, a line each. A poll may have missed what came between."""
    lines = ["ringing"]
    if call["answered"] is not None:
        lines.append("answered")
    if call["answered_by"] is not None:
        lines.append(_ANSWERS.get(call["answered_by"], call["answered_by"]))
    return lines


def _ending(call: Mapping[str, Any]) -> str:
    if call["answered"] is not None:
        return printable(f"over after {call['duration_s']:.0f} s{_because(call)}")
    words = {"busy": "busy", "no-answer": "no answer", "cancelled": "hung up before anybody answered"}
    return printable(f"{words.get(call['outcome'], 'failed')}{_because(call)}")


def _because(call: Mapping[str, Any]) -> str:
    return f": {call['reason']}" if call["reason"] else ""
