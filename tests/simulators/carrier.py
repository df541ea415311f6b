"""What the simulators of telephone carriers have in common. What a carrier refuses is in its own modules."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar
from urllib.parse import urlsplit

import httpx2
from starlette.applications import Starlette
from starlette.routing import Route
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from tests.calls.studio import serving
from tests.simulators.waiting import Observable


class StreamedCall(Observable):
    """A call, and the WebSocket that carries its audio."""

    def __init__(self) -> None:
        super().__init__()
        self._ws: ClientConnection | None = None

    @property
    def connected(self) -> bool:
        """Whether there is a stream."""
        return self._ws is not None

    def lose_stream(self) -> None:
        """Break the connection of the stream. The call goes on."""
        assert self._ws is not None
        self._ws.transport.abort()

    async def close_stream(self) -> None:
        """Close the stream without `stop`, as a proxy may. The call goes on."""
        assert self._ws is not None
        await self._ws.close()


class _Line(Protocol):
    id: str

    def cancel(self) -> None: ...


Line = TypeVar("Line", bound=_Line)


class CarrierSimulator(Observable, Generic[Line]):
    """An account at a carrier: a REST API on loopback, and requests to the host.

    Args:
        routes: of the REST API.

    Attributes:
        address: of the host itself, on loopback; set it before the first call.
        url: of the REST API.
        lines: the calls, in order.
        begins: whether streams begin as they should. Otherwise they connect, and nothing is sent on them.
        first: what to send on a stream before anything else.
        start: what to say in the message that starts a stream instead of the truth.
    """

    def __init__(self, *routes: Route) -> None:
        super().__init__()
        self.address = self.url = ""
        self.lines: list[Line] = []
        self.begins = True
        self.first: list[str] = []
        self.start: dict[str, Any] = {}
        self._routes = routes
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        app = Starlette(routes=self._routes)
        self.url = f"http://{await self._stack.enter_async_context(serving(app, lifespan='off'))}"
        self._http = await self._stack.enter_async_context(httpx2.AsyncClient(timeout=30))
        self._tasks = await self._stack.enter_async_context(asyncio.TaskGroup())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for line in self.lines:
            line.cancel()
        await self._stack.__aexit__(kind, error, traceback)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something until the simulator ends."""
        return self._tasks.create_task(work)

    def find(self, call_id: str) -> Line | None:
        """Return the call with an id."""
        return next((each for each in self.lines if each.id == call_id), None)

    async def post_to_host(self, url: str, body: str | bytes, headers: Mapping[str, str]) -> httpx2.Response:
        """Send a request to the host, which is reached at `address`, behind its public name."""
        public = urlsplit(url)
        local = f"http://{self.address}{public.path}" + (f"?{public.query}" if public.query else "")
        return await self._http.post(local, content=body, headers={**headers, "host": public.netloc})

    def connecting(self, url: str, headers: Mapping[str, str], **options: Any) -> connect:
        """Return a connection to a WebSocket of the host, in the same way."""
        public = urlsplit(url)
        host, port = self.address.split(":")
        return connect(
            f"ws://{public.netloc}{public.path}",
            host=host,
            port=int(port),
            compression=None,
            proxy=None,
            additional_headers=headers,
            **options,
        )


async def refused_status(connecting: connect) -> int | None:
    """Open a WebSocket and close it. Returns the HTTP status with which it is refused; None: it is not."""
    try:
        async with connecting:
            return None
    except InvalidStatus as refused:
        return refused.response.status_code
