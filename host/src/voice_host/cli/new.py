"""`voice-host new`: the package of a new agent."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer
from packaging.version import Version

from voice_host.cli.output import fail, print_line
from voice_host.plugins.installing import command, installer, pip_version
from voice_host.scaffold import CannotScaffold, NameRefused, Names, names_for, scaffold

_PIP_WITH_GROUPS = Version("25.1")


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The agent's id, such as front-desk.")],
    parent: Annotated[
        Path,
        typer.Option(
            "--dir",
            metavar="DIR",
            show_default=False,
            help="Where to create the folder NAME. Default: here.",
        ),
    ] = Path(),
) -> None:
    """Create the package of a new agent in the folder NAME.

    It can be installed, tested and talked to at once: pyproject.toml with the entry point, typed configuration, tools
    and callbacks in src/, tests that need no API key, a README, and a CI workflow. Existing files are never
    overwritten.

    Examples:

    `voice-host new front-desk`

    `voice-host new front-desk --dir ~/agents`
    """
    try:
        names = names_for(name)
        folder = parent.expanduser() / names.agent_id
        files = scaffold(names, folder)
    except (NameRefused, CannotScaffold) as error:
        fail(str(error), error.hint)
    print_line(f"Created the agent {names.agent_id} in {folder}:\n")
    for file in files:
        print_line(f"  {file.relative_to(folder).as_posix()}")
    print_line(_next_commands(names, folder))


def _next_commands(names: Names, folder: Path) -> str:
    place, project = shlex.quote(str(folder)), shlex.quote(str(folder / "pyproject.toml"))
    path = folder if folder.is_absolute() else f"./{folder}"  # otherwise uv takes a name with a space for a requirement
    install = f"{installer()} -e {shlex.quote(str(path))} --group {project}:dev"
    if install.startswith("uv ") or (pip_version() or _PIP_WITH_GROUPS) >= _PIP_WITH_GROUPS:
        steps = [install]
    else:
        steps = [f"{installer()} --upgrade pip", install]
    return "\n".join(
        (
            "\nNext:\n",
            f"  {command('voice-host')} dev {place}",
            "      talk to it; it restarts whenever you save",
            *(f"  {step}" for step in steps),
            "      install it here, with the tools for its tests and checks",
            f"  {command('pytest')} {place}",
            f"  {command('voice-host')} check {names.agent_id}",
        )
    )
