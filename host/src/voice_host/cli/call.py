"""`voice-host call`: one call from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voice_host.cli.output import FAILED, ConfigOption, fail, settings_or_exit


def call(
    agent_id: Annotated[str, typer.Argument(metavar="ID", help="The agent to call.")],
    audio: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A WAV file, PCM16 mono, that is the caller's voice."),
    ] = None,
    text: Annotated[list[str] | None, typer.Option(help="A typed turn of the caller; may be repeated.")] = None,
    save: Annotated[Path | None, typer.Option(help="Write what the agent says to this WAV file.")] = None,
    url: Annotated[
        str | None, typer.Option(help="A running host, ws://localhost:8000. Default: a host within this process.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Make one call and print the transcript, the tools and the latencies.

    Examples:

    `voice-host call front-desk --text "When are you open on Friday?"`

    `voice-host call front-desk --audio question.wav --save answer.wav --url ws://localhost:8000`
    """
    if audio is None and not text:
        fail("there is nothing to say", "give a recording with --audio, or a typed turn with --text")
    settings = settings_or_exit(config)
    # Imported when it is needed: it brings the web framework and the model library along.
    from voice_host.caller.client import CallFailed
    from voice_host.caller.run import call as run
    from voice_host.caller.wav import WrongAudio
    from voice_host.providers.select import ProviderConfigError
    from voice_host.server.run import CannotServe

    try:
        run(settings, agent_id, audio=audio, texts=tuple(text or ()), save=save, url=url)
    except CannotServe as error:
        fail(str(error), error.hint)
    except (WrongAudio, ProviderConfigError) as error:
        fail(str(error))
    except CallFailed as error:
        fail(str(error), code=FAILED)
