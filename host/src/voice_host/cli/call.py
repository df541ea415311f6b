"""`voice-host call`: one call from the command line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voice_host.caller.kinds import As
from voice_host.cli.exit_codes import FAILED
from voice_host.cli.output import ConfigOption, fail, host_errors, settings_or_exit
from voice_host.settings import TOKEN_VARIABLE, Settings

if TYPE_CHECKING:
    from voice_host.caller.plan import CallPlan


def call(
    agent_id: Annotated[str, typer.Argument(metavar="ID", help="The agent to call.")],
    audio: Annotated[
        list[Path] | None,
        typer.Option(exists=True, dir_okay=False, help="A WAV file with a turn of the caller. May be repeated."),
    ] = None,
    text: Annotated[list[str] | None, typer.Option(help="A typed turn of the caller. May be repeated.")] = None,
    save: Annotated[Path | None, typer.Option(help="Save what the agent says to this WAV file.")] = None,
    url: Annotated[
        str | None, typer.Option(help="A running host: ws://localhost:8000. Default: a host in this process.")
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            envvar=TOKEN_VARIABLE,
            show_envvar=False,
            help=f"An API key or call token for --url. Default: ${TOKEN_VARIABLE}.",
        ),
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A parameter for the agent (Session.metadata). May be repeated."),
    ] = None,
    as_: Annotated[
        As,
        typer.Option("--as", help="Hear what such a caller hears: a telephone caller, or a client of OpenAI Realtime."),
    ] = As.VOICE_HOST,
    digits: Annotated[
        list[str] | None, typer.Option(help="Telephone keys to press after the recordings. May be repeated.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Call an agent and print the transcript, the tool calls and the latencies.

    Examples:

    `voice-host call front-desk --text "When are you open on Friday?"`

    `voice-host call front-desk --audio question.wav --audio thanks.wav --save answers.wav --url ws://localhost:8000`

    `voice-host call front-desk --text "Hello" --param language=en-gb`

    `voice-host call front-desk --as twilio --audio question.wav --digits 1234# --save heard.wav`
    """
    # Imported lazily: it loads numpy.
    from voice_host.caller.plan import InvalidCall, plan_call

    settings = settings_or_exit(config)
    token = token or os.environ.get(TOKEN_VARIABLE)  # reading the settings may have loaded it from `.env`
    try:
        plan = plan_call(
            agent_id,
            audio=audio or (),
            texts=text or (),
            save=save,
            url=url,
            parameters=param or (),
            token=token,
            as_=as_,
            digits=digits or (),
        )
    except InvalidCall as error:
        fail(str(error), error.hint)
    _call(settings, plan)


def _call(settings: Settings, plan: CallPlan) -> None:
    # Imported lazily: it loads the web framework and the agent runtime.
    from voice_host.caller.line import CallFailed
    from voice_host.caller.run import call as run

    with host_errors():
        try:
            run(settings, plan)
        except CallFailed as error:
            fail(str(error), error.hint, FAILED)
