"""`voice-host new`: the package of a new agent."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer
from packaging.version import Version

from voice_host.cli.output import fail, print_line
from voice_host.installing import command, installer, pip_version
from voice_host.scaffold import CannotScaffold, NameRefused, Names, names_for, scaffold

_PIP_WITH_GROUPS = Version("25.1")


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The agent's id, for example front-desk.")],
    parent: Annotated[
        Path,
        typer.Option("--dir", metavar="DIR", show_default=False, help="Where the folder NAME is made. Default: here."),
    ] = Path(),
) -> None:
    """Make the package of a new agent, in the folder NAME.

    It is ready to be installed, tested and talked to: pyproject.toml with the entry point, src/ with configuration,
    tools and callbacks, all typed, tests that need no key, a README, and a workflow for continuous integration.
    Existing files are never overwritten.

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
    print_line(f"Made the agent {names.agent_id} in {folder}:\n")
    for file in files:
        print_line(f"  {file.relative_to(folder).as_posix()}")
    print_line(_next_commands(names, folder))


def _next_commands(names: Names, folder: Path) -> str:
    place, project = shlex.quote(str(folder)), shlex.quote(str(folder / "pyproject.toml"))
    path = folder if folder.is_absolute() else f"./{folder}"  # uv takes a name with a blank for a requirement otherwise
    install = f"{installer()} -e {shlex.quote(str(path))} --group {project}:dev"
    if install.startswith("uv ") or (pip_version() or _PIP_WITH_GROUPS) >= _PIP_WITH_GROUPS:
        steps = [install]
    else:
        steps = [f"{installer()} --upgrade pip", install]
    return "\n".join(
        (
            "\nNext:\n",
            f"  {command('voice-host')} dev {place}",
            "      talk to it; it starts again whenever you save",
            *(f"  {step}" for step in steps),
            "      install it here, with what its tests and checks need",
            f"  {command('pytest')} {place}",
            f"  {command('voice-host')} check {names.agent_id}",
        )
    )
