"""`RestApi`: requests to a carrier's REST API."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from voice_host.phone.carrier import CarrierError

if TYPE_CHECKING:
    import aiohttp

REQUEST_TIMEOUT_S = 10.0
"""Carriers answer within a second."""

MAX_ANSWER_BYTES = 65536


class RestApi:
    """The REST API of one carrier. Belongs to one event loop.

    Args:
        carrier: its name, for error messages.
        base_url: to which paths are appended.
        authorization: returns the value of the header `Authorization`.
    """

    def __init__(self, carrier: str, base_url: str, authorization: Callable[[], str]) -> None:
        import aiohttp  # noqa: F401 - takes half a second: at the start, and only of hosts with telephone numbers

        self._carrier = carrier
        self._base_url = base_url.rstrip("/")
        self._authorization = authorization
        self._session: aiohttp.ClientSession | None = None

    async def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        form: Sequence[tuple[str, str]] | None = None,
    ) -> dict[str, Any]:
        """Send a request, and return the JSON of the answer.

        Args:
            method, path: of the request.
            body: sent as JSON.
            form: sent as the fields of a form instead.

        Raises:
            CarrierRefused: the carrier answered with another status than 2xx.
            CarrierError: the carrier cannot be reached, or its answer is not JSON.
        """
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S))
        headers = {"Authorization": self._authorization(), "Accept": "application/json"}
        fields = None if form is None else aiohttp.FormData(form)
        url = self._base_url + path
        request = self._session.request(method, url, json=body, data=fields, headers=headers, allow_redirects=False)
        try:
            async with request as response:
                answer = _parsed(await _body(response))
                if not response.ok:
                    raise CarrierRefused(f"{self._carrier} answered {response.status}", response.status, answer)
                return answer
        except (TimeoutError, aiohttp.ClientError, ValueError) as error:
            raise CarrierError(f"{self._carrier} {_described(error)}") from error

    async def aclose(self) -> None:
        """Close connections. Idempotent."""
        if self._session is not None:
            await self._session.close()


class CarrierRefused(CarrierError):
    """The carrier refused a request.

    Attributes:
        answer: the body of its answer; empty if it is not a JSON object.
    """

    def __init__(self, message: str, status: int, answer: Mapping[str, Any]) -> None:
        super().__init__(message, status=status)
        self.answer = answer


def _described(error: Exception) -> str:
    """Return what has happened, after the name of the carrier. Not the error's own text, which may have addresses."""
    import aiohttp

    match error:
        case TimeoutError():
            return "did not answer in time"
        case aiohttp.ClientConnectorDNSError():
            return "cannot be reached: its name cannot be resolved"
        case aiohttp.ClientSSLError():
            return "cannot be reached: the TLS connection failed, or its certificate is not valid"
        case aiohttp.ClientConnectorError(strerror=str(why)) if why:
            return f"cannot be reached: {os.strerror(error.errno).lower() if error.errno else why}"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError() | aiohttp.ClientPayloadError():
            return "closed the connection before it had answered"
        case aiohttp.InvalidURL():
            return "cannot be reached: the address of its API is not valid"
    return "sent an answer that cannot be read"


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except ValueError:
        return {}  # Vonage's answers are empty
    return found if isinstance(found, dict) else {}


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """Return the body, whose parts may come one by one; its beginning if it is too long."""
    body = bytearray()
    async for part in response.content.iter_any():
        body += part
        if len(body) > MAX_ANSWER_BYTES:
            break
    return bytes(body)
