"""`voice-host call`: one call from the command line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from voice_host.cli.exit_codes import FAILED
from voice_host.cli.output import ConfigOption, fail, fail_for_extensions, settings_or_exit
from voice_host.settings import TOKEN_VARIABLE


def call(
    agent_id: Annotated[str, typer.Argument(metavar="ID", help="The agent to call.")],
    audio: Annotated[
        list[Path] | None,
        typer.Option(
            exists=True, dir_okay=False, help="A WAV file that is the caller's voice; may be repeated, one turn each."
        ),
    ] = None,
    text: Annotated[list[str] | None, typer.Option(help="A typed turn of the caller; may be repeated.")] = None,
    save: Annotated[Path | None, typer.Option(help="Write what the agent says to this WAV file.")] = None,
    url: Annotated[
        str | None, typer.Option(help="A running host, ws://localhost:8000. Default: a host within this process.")
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
        typer.Option(metavar="NAME=VALUE", help="A parameter for the agent (Session.metadata); may be repeated."),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Make one call and print the transcript, the tools and the latencies.

    Examples:

    `voice-host call front-desk --text "When are you open on Friday?"`

    `voice-host call front-desk --audio question.wav --audio thanks.wav --save answers.wav --url ws://localhost:8000`

    `voice-host call front-desk --text "Hello" --param language=en-gb`
    """
    if not audio and not text:
        fail("there is nothing to say", "give a recording with --audio, or a typed turn with --text")
    if any(not typed.strip() for typed in text or ()):
        fail("a typed turn is empty", "put words behind --text")
    settings = settings_or_exit(config)
    token = token or os.environ.get(TOKEN_VARIABLE)  # by now it may have come from `.env`
    if token and not (token.strip().isascii() and token.strip().isprintable()):
        fail("what was given with --token is no API key or call token", "`voice-host keys create NAME` makes a key")
    # Imported when it is needed: it brings the web framework and the model library along.
    from voice_host.caller.address import WrongAddress
    from voice_host.caller.client import CallFailed
    from voice_host.caller.plan import plan_call
    from voice_host.caller.run import call as run
    from voice_host.caller.wav import CannotSave, WrongAudio
    from voice_host.front.run import CannotServe
    from voice_host.plugins import ExtensionsBroken
    from voice_host.speech.select import ProviderConfigError

    try:
        plan = plan_call(
            agent_id, audio=audio or (), texts=text or (), save=save, url=url, parameters=param or (), token=token
        )
        run(settings, plan)
    except CannotServe as error:
        fail(str(error), error.hint)
    except ExtensionsBroken as error:
        fail_for_extensions(error)
    except (WrongAudio, ProviderConfigError) as error:
        fail(str(error))
    except WrongAddress as error:
        fail(str(error), "--url takes ws://localhost:8000 or the like, --param takes name=value")
    except CannotSave as error:
        fail(str(error), "choose another file with --save")
    except CallFailed as error:
        fail(str(error), error.hint, code=FAILED)
