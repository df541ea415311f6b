"""`voice-host keys`: API keys."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.text import Text

from voice_host.auth.api_keys import DEFAULT_SCOPES, SCOPES, ApiKey, Scope, new_key
from voice_host.auth.key_file import KeyFile, KeyFileError
from voice_host.cli.exit_codes import FAILED
from voice_host.cli.output import (
    ConfigOption,
    JsonOption,
    fail,
    print_json,
    print_line,
    print_table,
    say_warning,
    settings_or_exit,
)
from voice_host.plugins import discover_agents, not_installed
from voice_host.settings import did_you_mean, explain

keys = typer.Typer(
    name="keys",
    help="Create, list and revoke API keys. Their hashes are kept in `[auth] keys_file`.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


@keys.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the key is for, e.g. booking-site.")],
    agents: Annotated[
        str | None, typer.Option(metavar="A,B", help="Limit the key to these agents. Default: all agents.")
    ] = None,
    scopes: Annotated[str, typer.Option(metavar="A,B", help=f"What the key allows: {', '.join(SCOPES)}.")] = ",".join(
        DEFAULT_SCOPES
    ),
    expires_in: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="How long it is valid: 90d, 12h, 30m. Default: until it is revoked."),
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Create a key and show it once. A running host accepts it within a second.

    Examples:

    `voice-host keys create booking-site --agents front-desk --expires-in 90d`

    `voice-host keys create prometheus --scopes metrics`

    `voice-host keys create release-pipeline --scopes deploy,logs --agents front-desk`
    """
    file = _key_file(config)
    try:
        key, text = new_key(
            name,
            now=datetime.now(UTC),
            expires_in=_duration(expires_in),
            agents=_agents(agents),
            scopes=_scopes(scopes),
        )
    except ValidationError as error:
        for problem in explain(error, ApiKey):
            fail(f"the key cannot be created: {problem}")
        raise
    try:
        file.add(key)
    except KeyFileError as error:
        fail(str(error), code=FAILED)
    installed = {agent.id for agent in discover_agents()}
    for agent_id in key.agents or ():
        if agent_id not in installed:  # it may be installed later
            say_warning(not_installed(agent_id, installed))
    if as_json:
        print_json(_row(key) | {"key": text})
        return
    print_line(text)
    say_warning(f"this is the only time the key is shown; `voice-host keys revoke {key.id}` revokes it")


@keys.command(name="list")
def list_keys(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List the keys, without their secrets.

    Examples:

    `voice-host keys list`

    `voice-host keys list --json | jq -r '.[] | select(.expired) | .id'`
    """
    file = _key_file(config)
    try:
        rows = [_row(key) for key in file.read()]
    except KeyFileError as error:
        fail(str(error), code=FAILED)
    if as_json:
        print_json(rows)
    elif rows:
        print_table(["id", "name", "scopes", "agents", "created", "expires"], map(_cells, rows))
    else:
        print_line(f"There are no keys in {file.path}. `voice-host keys create NAME` creates one.")


@keys.command()
def revoke(
    which: Annotated[str, typer.Argument(metavar="KEY", help="The id or the name of the key.")],
    end_calls: Annotated[
        bool, typer.Option("--end-calls", help="End calls that began with the key or its call tokens.")
    ] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Revoke a key and the call tokens made with it. A running host notices within a second.

    Connected calls continue, unless `--end-calls` is given.

    Examples:

    `voice-host keys revoke booking-site`

    `voice-host keys revoke booking-site --end-calls`
    """
    file = _key_file(config)
    try:
        key = file.revoke(_id_of(which), end_calls=end_calls)
    except LookupError as error:
        known = {name for key in file.read() for name in (key.id, key.name)}
        fail(
            str(error.args[0]), did_you_mean(which, known) if len(which) <= 100 else "`voice-host keys list` shows them"
        )
    except KeyFileError as error:
        fail(str(error), code=FAILED)
    if as_json:
        print_json(_row(key))
    else:
        calls = " Running hosts end its calls within a few seconds." if end_calls else ""
        print_line(f"Revoked {key.id} ({key.name}).{calls}")


def _key_file(config: Path | None) -> KeyFile:
    settings = settings_or_exit(config)
    if settings.keys_file is None:
        fail(
            "no key file is configured",
            'put [auth] keys_file = "keys.json" into voice-host.toml, or set VOICE_HOST_AUTH__KEYS_FILE',
        )
    return KeyFile(settings.keys_file)


def _id_of(which: str) -> str:
    """Return the id if `which` is a whole key, so that no message shows the secret part."""
    match = re.match(r"\s*vh_([a-z0-9]{12})_", which)
    return match[1] if match else which


def _split(text: str | None) -> list[str] | None:
    return [part.strip() for part in text.split(",") if part.strip()] if text is not None else None


def _agents(text: str | None) -> list[str] | None:
    wanted = _split(text)
    if wanted == []:  # an unset variable in a script must not create a key for all agents
        fail("--agents names no agent, so the key would be useless", "name some, or leave --agents out for all of them")
    return wanted


def _scopes(text: str) -> list[Scope]:
    wanted = _split(text) or []
    known: dict[str, Scope] = {scope: scope for scope in SCOPES}
    for scope in wanted:
        if scope not in known:
            fail(f"there is no scope {scope!r}", did_you_mean(scope, known))
    if not wanted:
        fail("--scopes names no scope, so the key would be useless", f"name some of {', '.join(SCOPES)}")
    return [known[scope] for scope in wanted]


def _duration(text: str | None) -> timedelta | None:
    if text is None:
        return None
    match = re.fullmatch(r"([1-9]\d{0,5})([mhd])", text.strip())
    if match is None:
        fail(f"{text!r} is not a duration", "write 90d, 12h or 30m")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _row(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": list(key.scopes),
        "agents": list(key.agents) if key.agents is not None else None,
        "created": key.created.isoformat(),
        "expires": key.expires.isoformat() if key.expires else None,
        "expired": key.expired(datetime.now(UTC)),
    }


def _cells(row: dict[str, Any]) -> list[str | Text]:
    expires = Text(row["expires"] or "never", "red" if row["expired"] else "")
    agents = ", ".join(row["agents"]) if row["agents"] is not None else "all"
    return [row["id"], row["name"], ", ".join(row["scopes"]), agents, row["created"], expires]
