"""`voice-host deploy`: deploys an agent on a running host."""

from __future__ import annotations

import re
import tarfile
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import IO, Annotated, Any

import typer
from rich.console import Console
from rich.status import Status
from rich.text import Text

from voice_host.cli.exit_codes import FAILED
from voice_host.cli.host_client import HostError, RunningHost, of_running_host
from voice_host.cli.output import JsonOption, fail, print_json, print_line
from voice_host.observability.printable import printable
from voice_host.settings.agent import PRODUCTION

LEFT_OUT = ("__pycache__", "node_modules")
"""Folders that are not part of an agent's source; nor are environments, and what begins with a dot (`.git`, `.env`)."""

LEFT_OUT_ABOVE = ("build", "dist", "voice-host-data")
"""Folders beside `pyproject.toml` that are not; in a package these are names like others."""

KEPT = (".gitignore",)
"""Build tools read it."""


@of_running_host
async def deploy(
    host: RunningHost,
    what: Annotated[
        str,
        typer.Argument(
            metavar="WHAT", help="A wheel, the folder of an agent's source, or a requirement such as night-desk==1.4."
        ),
    ],
    agent_id: Annotated[
        str | None, typer.Option("--agent", metavar="ID", help="The agent, if the package has several.")
    ] = None,
    to: Annotated[
        str, typer.Option(metavar="ALIAS", help="Try it out as AGENT@ALIAS. Default: production.")
    ] = PRODUCTION,
    percent: Annotated[
        int | None, typer.Option(min=0, max=100, metavar="N", help="Its share of production's calls. Default: all.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Deploy an agent on a running host, without interrupting a call.

    The host builds an environment for it, checks it there as `voice-host check` does, starts it, and sends it new
    calls. Calls under way finish with the release that they began with. If any step fails, nothing has changed; if this
    command is interrupted before the release gets calls, the deployment is undone.

    Examples:

    `voice-host deploy dist/night_desk-1.4.0-py3-none-any.whl`

    `voice-host deploy ./night-desk --to staging`

    `voice-host deploy night-desk==1.4.0 --percent 10 --url https://voice.example.com`
    """
    params = {"agent": agent_id, "to": to, "percent": percent}
    given: dict[str, Any] = {name: value for name, value in params.items() if value is not None}
    with _package(what) as (names, body):
        options = {"params": given | names} | ({"data": body} if body is not None else {})
        last = await _followed(host.stream("POST", "/deployments", **options))
    if last["kind"] != "deployed":
        fail(f"{last.get('error')}", _hint(last), FAILED)
    release = last["release"]
    if as_json:
        print_json(release)
        return
    name, of = release["name"], release["agent_id"]
    if to != PRODUCTION:
        print_line(f"Deployed {of} {name}. Call it as {of}@{to}; `voice-host promote {of} {to}` puts it in production.")
    else:
        share = "all" if percent is None else f"{percent} % of the"
        back = f" `voice-host rollback {of}` goes back." if last.get("rollback") else ""
        print_line(f"Deployed {of} {name}. It gets {share} new calls.{back}")


def _hint(last: Mapping[str, Any]) -> str:
    return "; ".join(part for part in (last.get("hint"), "nothing has changed") if part)


@contextmanager
def _package(what: str) -> Iterator[tuple[dict[str, str], IO[bytes] | None]]:
    """Yield the parameters that name a package, and the body of the request: a wheel, or an archive of a folder."""
    # Imported lazily: only this command needs it.
    from voice_host.releases.package import PackageRequirement, SourceFolder, read_package
    from voice_host.releases.steps import DeployRefused

    try:
        package = read_package(what, Path.cwd())
    except DeployRefused as refused:
        fail(refused.message, refused.hint)
    if isinstance(package, PackageRequirement):
        yield {"requirement": package.text}, None
        return
    try:
        if isinstance(package, SourceFolder):
            with tempfile.TemporaryFile() as archive:
                _pack(package.path, archive)
                yield {"filename": f"{_file_name(package.path)}.tar.gz"}, archive
        else:
            with package.path.open("rb") as wheel:
                yield {"filename": package.path.name}, wheel
    except OSError as error:
        fail(f"{what} cannot be read: {error.strerror or type(error).__name__}")


def _file_name(folder: Path) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", folder.resolve().name).strip(".-") or "agent"


def _pack(folder: Path, archive: IO[bytes]) -> None:
    """Write a compressed archive of a source folder, and go back to its beginning."""

    def wanted(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        name = Path(member.name).name
        hidden = name.startswith(".") and member.name != "." and name not in KEPT
        environment = member.isdir() and (folder / member.name / "pyvenv.cfg").exists()
        by_name = name in LEFT_OUT or name.endswith(".egg-info") or member.name.removeprefix("./") in LEFT_OUT_ABOVE
        left_out = hidden or environment or (member.isdir() and by_name)
        return None if left_out else member

    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        tar.add(folder, arcname=".", filter=wanted)
    archive.seek(0)


async def _followed(lines: AsyncIterator[dict[str, Any]]) -> dict[str, Any]:
    """Show each step of a deployment as it happens. Returns the last line."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    with console.status(Text("sending")) as status:
        async with aclosing(lines) as received:  # type: ignore[type-var]
            async for line in received:
                if line.get("kind") != "step":
                    return line
                _show_step(line["step"], console, status)
    raise HostError("the host stopped before the deployment was over", "`voice-host releases` shows what runs")


def _show_step(step: Mapping[str, Any], console: Console, status: Status) -> None:
    name, detail = printable(step["name"]), printable(step.get("detail", ""))
    if step["state"] == "started":
        status.update(Text(f"{name} {detail}"))
        return
    mark, style = ("ok", "green") if step["state"] == "done" else ("failed", "bold red")
    took = f"{step['seconds']:.1f} s"
    console.print(Text.assemble((f"{mark:6}", style), f" {took:>7}  ", (f"{name:10}", "bold"), f" {detail}"))
