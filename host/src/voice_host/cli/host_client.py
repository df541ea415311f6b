"""How commands reach a running host: over its Unix socket in the data directory, or at `--url` with a key.

A command of a running host is an async function whose first parameter is the `RunningHost`:

    @of_running_host
    async def releases(host: RunningHost, agent_id: AgentArgument, as_json: JsonOption = False) -> None:
        \"\"\"List the releases of an agent.\"\"\"
        found = await host.ask("GET", f"/agents/{agent_id}/releases")
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit, urlunsplit

import typer

from voice_host.cli.exit_codes import FAILED, USAGE
from voice_host.cli.output import ConfigOption, fail, settings_or_exit
from voice_host.settings import TOKEN_VARIABLE, URL_VARIABLE, Settings

if TYPE_CHECKING:
    import aiohttp

UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar=URL_VARIABLE,
        show_envvar=False,
        help=f"A running host: https://voice.example.com. Default: ${URL_VARIABLE}, then the host of these settings on "
        "this machine, over the socket in its data directory.",
    ),
]
TokenOption = Annotated[
    str | None,
    typer.Option(
        "--token", envvar=TOKEN_VARIABLE, show_envvar=False, help=f"An API key for --url. Default: ${TOKEN_VARIABLE}."
    ),
]

NOT_FOUND = 404
"""The status for an agent, release or alias that does not exist."""

CONNECT_TIMEOUT_S = 10.0
ANSWER_TIMEOUT_S = 60.0
"""Of a request whose answer is not streamed."""

MAX_LINE_BYTES = 1024 * 1024
"""Of a streamed answer."""

_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_START = "start one with `voice-host serve`, or name a running one with --url"


class HostError(Exception):
    """The host cannot be reached, refuses, or its answer broke off. `hint` says what to do.

    Attributes:
        status: the HTTP status of its answer; None: there was none.
    """

    def __init__(self, message: str, hint: str | None = None, *, status: int | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        self.status = status


class RunningHost:
    """The HTTP routes of a running host. All methods raise `HostError`.

    Args:
        session: closed by whoever opened it.
        where: the host in messages: its address, or the path of its socket.
    """

    def __init__(self, session: aiohttp.ClientSession, where: str) -> None:
        self._session = session
        self.where = where

    async def ask(self, method: str, path: str, **options: Any) -> Any:
        """Send a request and return its JSON answer; None: the answer has no body.

        Args:
            method, path: of the route. The path begins with a slash.
            options: as for `aiohttp.ClientSession.request`: `json`, `params`, `data`, `headers`.
        """
        text = await self.ask_text(method, path, **options)
        try:
            return json.loads(text) if text.strip() else None
        except ValueError:
            raise self._no_host() from None

    async def ask_text(self, method: str, path: str, **options: Any) -> str:
        """Send a request and return its answer as text, such as that of `/metrics`."""
        async with self._answer(method, path, total_s=ANSWER_TIMEOUT_S, options=options) as answer:
            return await answer.text(errors="replace")

    async def stream(self, method: str, path: str, **options: Any) -> AsyncGenerator[Any, None]:
        """Send a request and yield the JSON value of each line of its answer, as they come. There is no time limit.

        Close the iterator (`contextlib.aclosing`) if it is left early.
        """
        async with self._answer(method, path, total_s=None, options=options) as answer:
            while line := await answer.content.readline():
                if line.strip():
                    try:
                        yield json.loads(line)
                    except ValueError:
                        raise self._no_host() from None

    @asynccontextmanager
    async def _answer(
        self, method: str, path: str, *, total_s: float | None, options: Mapping[str, Any]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        import aiohttp  # slow to import

        timeout = aiohttp.ClientTimeout(total=total_s, connect=CONNECT_TIMEOUT_S)
        try:
            async with self._session.request(method, path, timeout=timeout, **options) as answer:
                if not 200 <= answer.status < 300:
                    raise self._refused(answer.status, await answer.text(errors="replace"))
                yield answer
        except aiohttp.ClientConnectorError as error:
            raise self._unreachable(error) from error
        except TimeoutError as error:
            raise HostError(f"{self.where} did not answer in time", "its log may say why") from error
        except aiohttp.ClientPayloadError as error:
            hint = "if the host was stopped, run the command again when it is back"
            raise HostError(f"the connection to {self.where} broke off in the middle of the answer", hint) from error
        except aiohttp.ClientError as error:
            hint = "if the host was stopped, run the command again when it is back"
            raise HostError(f"the connection to {self.where} broke off: {error}", hint) from error

    def _refused(self, status: int, body: str) -> HostError:
        try:
            answer = json.loads(body)
            detail, hint = answer["detail"], answer.get("hint")
        except (ValueError, KeyError, TypeError):
            return self._no_host(status)
        if status in (401, 403):
            hint = f"give an API key with the scope that is needed with --token, or in {TOKEN_VARIABLE}"
        return HostError(detail if isinstance(detail, str) else _invalid(detail), hint, status=status)

    def _no_host(self, status: int | None = None) -> HostError:
        what = f"answers with status {status}" if status else "gives an answer"
        hint = "is the address in --url right, and is the host of the same version as this command?"
        return HostError(f"{self.where} {what} that is not one of a host's", hint, status=status)

    def _unreachable(self, error: aiohttp.ClientConnectorError) -> HostError:
        import aiohttp
        from aiohttp.client_exceptions import UnixClientConnectorError

        if isinstance(error, UnixClientConnectorError):
            return _not_here(self.where, error.os_error)
        if isinstance(error, aiohttp.ClientConnectorDNSError):
            return HostError(f"the name of {self.where} cannot be resolved", "is the host name in --url right?")
        if isinstance(error, aiohttp.ClientSSLError):
            return HostError(f"{self.where} cannot be reached over TLS: {error}", "is the address in --url right?")
        why = error.os_error.strerror or str(error.os_error)
        return HostError(f"no host is running at {self.where}: {why}", "is the address in --url right?")


@asynccontextmanager
async def reach(settings: Settings, url: str | None = None, token: str | None = None) -> AsyncIterator[RunningHost]:
    """Yield the host at `url`, or else the one of these settings on this machine.

    Args:
        settings: name the data directory.
        url: http, https, ws or wss.
        token: an API key; for the host of this machine, not needed.

    Raises:
        HostError: `url` is no address, or no host of these settings runs on this machine.
    """
    import aiohttp

    connector: aiohttp.BaseConnector
    if url is not None:
        where = base = _address(url)
        connector, token = aiohttp.TCPConnector(), _key(token)
    else:
        socket = settings.operator_socket
        where, base = str(socket.absolute()), "http://localhost"
        token = _operator_token(settings)
        if not hasattr(aiohttp, "UnixConnector") or os.name == "nt":
            raise HostError("on Windows a running host is only reached over TCP", "name it with --url")
        connector = aiohttp.UnixConnector(str(socket))
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession(
        base,
        connector=connector,
        headers=headers,
        cookie_jar=aiohttp.DummyCookieJar(),
        read_bufsize=MAX_LINE_BYTES,
        trust_env=url is not None,
    ) as session:
        yield RunningHost(session, where)


def of_running_host(command: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Give a command the options `--url`, `--token` and `--config`, and pass it the host that they name.

    A `HostError` is printed, and ends the command with exit code 1, or 2 if the host does not know what it is about.
    """
    signature = _signature(command)

    def run(*, url: str | None, token: str | None, config: Path | None, **options: Any) -> None:
        settings = settings_or_exit(config)
        # Reading the settings may have loaded them from `.env`.
        url, token = url or os.environ.get(URL_VARIABLE), token or os.environ.get(TOKEN_VARIABLE)

        async def work() -> None:
            async with reach(settings, url, token) as host:
                await command(host, **options)

        try:
            asyncio.run(work())
        except HostError as error:
            fail(str(error), error.hint, USAGE if error.status == NOT_FOUND else FAILED)

    # What typer reads.
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in signature.parameters.values()}
    run.__signature__ = signature  # type: ignore[attr-defined]
    return run


def _signature(command: Callable[..., Any]) -> inspect.Signature:
    """Return the signature of a command for typer: without the host, and with the options that name it."""
    _, *own = inspect.signature(command, eval_str=True).parameters.values()
    keyword = inspect.Parameter.KEYWORD_ONLY
    shared = [
        inspect.Parameter(name, keyword, default=None, annotation=option)
        for name, option in (("url", UrlOption), ("token", TokenOption), ("config", ConfigOption))
    ]
    return inspect.Signature([*(each.replace(kind=keyword) for each in own), *shared])


def _address(url: str) -> str:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        usable = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:  # unbalanced brackets, or a port that is not a number
        usable = False
    if not usable:
        shown = url.partition("?")[0].rpartition("@")[2]
        raise HostError(f"{shown} is not the address of a host", "--url takes an address such as http://localhost:8000")
    if parts.path.strip("/") or parts.query:
        raise HostError(
            "the address of a host has no path", f"--url {parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        )
    return urlunsplit((_SCHEMES[parts.scheme], parts.netloc, "", "", ""))


def _key(token: str | None) -> str | None:
    token = (token or "").strip()
    if not (token.isascii() and token.isprintable()):
        raise HostError("what was given with --token is no API key", "`voice-host keys create NAME` makes a key")
    return token or None


def _operator_token(settings: Settings) -> str:
    """Return the token beside the host's socket, which whoever may read that file is the operator with."""
    path = settings.operator_token_file
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise _not_here(str(path.absolute()), error) from error


def _invalid(problems: Any) -> str:
    """Return in words what FastAPI found wrong with the values of a request."""
    try:
        return "; ".join(f"{each['loc'][-1]}: {each['msg'].removeprefix('Value error, ')}" for each in problems)
    except (TypeError, LookupError, AttributeError):
        return json.dumps(problems)


def _not_here(path: str, error: OSError) -> HostError:
    if isinstance(error, (FileNotFoundError, ConnectionRefusedError)):
        return HostError(f"no host is running here: there is no {path}", _START)
    if isinstance(error, PermissionError):
        hint = "run the command as the user that runs the host, or name the host with --url and give a key with --token"
        return HostError(f"the host that runs here belongs to another user: {path} may not be opened", hint)
    return HostError(f"the host that runs here cannot be reached over {path}: {error.strerror or error}", _START)
