"""The part of a telephone carrier that `voice-host call` plays, beside the audio: webhooks and the REST API."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidURI

from voice_host.caller.hints import NOT_A_HOST, describe_failure
from voice_host.caller.line import CallFailed, Message, Script, hold_call
from voice_host.caller.telephone import MediaStream, TelephoneLine
from voice_host.settings import PhoneSettings

CALLER_NUMBER, CALLED_NUMBER = "+15550100", "+15550199"
"""Numbers that nobody has, unless --param names others."""

REQUEST_TIMEOUT_S = 20.0
"""For an answer of the host to a webhook, and for the media stream that it asks for."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Where the host wants the call's audio, and how the carrier talks there."""

    url: str
    frames: MediaStream
    headers: dict[str, str] = field(default_factory=dict)


class Carrier(ABC):
    """A carrier that has one call: from `from_number` to `to_number`.

    Args:
        from_number, to_number: E.164.
        on_message: called with what happens in the call, as `Line`'s.
    """

    def __init__(self, from_number: str, to_number: str, on_message: Callable[[Message], None]) -> None:
        self.from_number = from_number
        self.to_number = to_number
        self.line: TelephoneLine | None = None
        self._on_message = on_message

    @abstractmethod
    def settings(self, host: str, api: str, agent_id: str) -> PhoneSettings:
        """Return the settings of a host in this process, with an account at this carrier that nobody else has.

        Args:
            host: its address, at which the carrier reaches it.
            api: the address of the carrier's REST API.
            agent_id: whom the number called belongs to.
        """

    @abstractmethod
    def api(self) -> list[web.RouteDef]:
        """Return the routes of the REST API."""

    @abstractmethod
    async def ring(self, host: str) -> Stream:
        """Tell the host at `host` of the call, and return where it wants the audio.

        Raises:
            CallFailed: the host refuses the call.
        """

    async def after_stream(self, host: str) -> None:  # noqa: B027 (not every carrier does anything)
        """Do what the host wants after it has ended the media stream, such as telling the caller something."""

    # --- for those who implement one --------------------------------------------------------------------------------

    def _tell(self, text: str) -> None:
        """Print what the caller hears of the carrier, unless the caller has hung up."""
        if self.line is None or not self.line.hung_up:
            self._on_message({"type": "carrier", "text": text})

    async def _hang_up(self) -> None:
        """End the call for the host, which has asked for it."""
        if self.line is not None:
            await self.line.aclose()

    async def _post(self, url: str, **request: Any) -> str:
        """Send a webhook and return the answer.

        Raises:
            CallFailed: the host does not answer, or with an error.
        """
        timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(url, allow_redirects=False, **request) as response,
            ):
                text = await response.text()
        except (OSError, TimeoutError, aiohttp.ClientError) as error:
            words, hint = _described(error)
            raise CallFailed(f"{url} cannot be called: {words}", hint) from error
        if response.status != 200:
            hint = {
                403: "are account and secrets those of the host, and its [phone] public_url the address that you call?",
                404: "does the host have this carrier in [phone]?",
            }.get(response.status, "is the address in --url that of a host? then its log says why")
            raise CallFailed(f"the host answered the carrier's webhook with {response.status}", hint)
        return text


def _described(error: Exception) -> tuple[str, str | None]:
    """As `describe_failure`, for errors of aiohttp."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return describe_failure(error.os_error)
    if isinstance(error, aiohttp.ClientError) and not isinstance(error, OSError):
        return str(error), NOT_A_HOST
    return describe_failure(error)


async def place_phone_call(carrier: Carrier, host: str, script: Script) -> TelephoneLine:
    """Ring, run `script` over the media stream, and hang up.

    Args:
        carrier: plays the carrier.
        host: the address of the host, `http://...`.
        script: what the caller does.

    Returns:
        the line, with all that was heard.

    Raises:
        CallFailed: the host cannot be reached, refuses or breaks off the call, or the agent does not answer.
    """
    stream = await carrier.ring(host)
    try:
        ws = await connect(stream.url, additional_headers=stream.headers, compression=None, max_size=None)
    except (OSError, InvalidHandshake, InvalidURI, TimeoutError) as error:
        words, hint = describe_failure(error)
        raise CallFailed(f"the media stream cannot be connected: {words}", hint) from error
    line = carrier.line = TelephoneLine(ws, stream.frames, carrier._on_message)
    try:
        await hold_call(line, script)
    finally:
        if line.ended_by_host:
            await carrier.after_stream(host)
    return line


@asynccontextmanager
async def serving(carrier: Carrier) -> AsyncIterator[str]:
    """Serve the carrier's REST API on a free port of this machine. Yields its address."""
    app = web.Application()
    app.add_routes(carrier.api())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
