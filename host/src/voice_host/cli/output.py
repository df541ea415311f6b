"""Printing on a terminal: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from voice_host.cli.exit_codes import FAILED, USAGE
from voice_host.observability.printable import printable
from voice_host.settings import Settings, SettingsError, load_settings

_PIPED_COLUMNS = 160

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="The settings file. Default: $VOICE_HOST_CONFIG, then ./voice-host.toml."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]


def say_error(message: str, hint: str | None = None) -> None:
    """Print an error to stderr, followed by what to do next."""
    _stderr(Text.assemble(("error: ", "bold red"), printable(message, keep="\n")))
    if hint:
        _stderr(Text.assemble(("  next: ", "bold"), printable(hint, keep="\n")))


def say_interrupted() -> None:
    """Print to stderr that Ctrl-C ended the command."""
    _stderr(Text("interrupted"))


def say_warning(message: str) -> None:
    """Print a warning to stderr."""
    _stderr(Text.assemble(("warning: ", "bold yellow"), printable(message, keep="\n")))


def fail(message: str, hint: str | None = None, code: int = USAGE) -> NoReturn:
    """Print an error and exit."""
    say_error(message, hint)
    raise typer.Exit(code)


@contextmanager
def host_errors() -> Iterator[None]:
    """Print the error with which a host fails to start, and exit."""
    # Imported lazily, when the command has loaded the host anyway.
    from voice_host.fleet.service import CannotServe, RequiredAgentBroken
    from voice_host.plugins import ExtensionsBroken
    from voice_host.speech.builtin import ProviderConfigError

    try:
        yield
    except CannotServe as error:
        fail(str(error), error.hint)
    except ProviderConfigError as error:
        fail(str(error))
    except RequiredAgentBroken as error:
        fail(str(error), f"`voice-host check {error.agent_id}` shows more", FAILED)
    except ExtensionsBroken as error:
        for broken in error.broken:
            say_error(str(broken), broken.hint or "`voice-host check` shows more")
        raise typer.Exit(FAILED) from error


def settings_or_exit(config: Path | None, options: dict[str, Any] | None = None) -> Settings:
    """Return the settings. If they are invalid, print all problems and exit with `USAGE`."""
    try:
        settings = load_settings(config, options=options)
    except SettingsError as error:
        for problem in error.problems:
            say_error(str(problem))
        fail(f"the settings cannot be used: {_count(len(error.problems))}", "correct them and run it again")
    for warning in settings.warnings:
        say_warning(str(warning))
    return settings


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show on a terminal what the command waits for."""
    with Console(stderr=True, highlight=False).status(Text(printable(f"{what} ..."))):
        yield


def print_json(value: object, *, indent: int | None = 2) -> None:
    """Print a value as JSON. `indent`: None puts it on one line."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    sys.stdout.write("".join(c if c == "\n" or printable(c) == c else f"\\u{ord(c):04x}" for c in text) + "\n")


def print_table(columns: Iterable[str], rows: Iterable[Iterable[str | Text]]) -> None:
    """Print a table as wide as the terminal, or wide enough for grep if stdout is a pipe."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(_cell, row))
    Console(width=None if sys.stdout.isatty() else _PIPED_COLUMNS).print(table)


def print_line(text: str) -> None:
    """Print text to stdout, without wrapping or markup."""
    Console(soft_wrap=True, markup=False, highlight=False).print(printable(text, keep="\n"))


def _cell(cell: str | Text) -> Text:
    """Return a cell without control characters. It may come from any package, and is not parsed as markup."""
    if isinstance(cell, Text):
        return Text(printable(cell.plain), style=cell.style)
    return Text(printable(cell))


def _count(problems: int) -> str:
    return "1 problem" if problems == 1 else f"{problems} problems"


def _stderr(text: Text) -> None:
    Console(stderr=True, soft_wrap=True, highlight=False).print(text)
