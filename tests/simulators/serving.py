"""The WebSocket server below the simulators of speech services."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

LOGGER = "tests.simulators"
"""The logger of the simulators' WebSockets.

Tests that look at all that is logged leave it out: a client that goes while its connection is being opened is an error
to `websockets`, and at DEBUG it logs every header and frame.
"""


async def listen(
    handle: Callable[[ServerConnection], Awaitable[None]],
    answer_http: Callable[[ServerConnection, Request], Response | None],
    **options: Any,
) -> tuple[Server, int]:
    """Listen on a free port of loopback, and return the server and its port.

    Args:
        answer_http: returns a response instead of the WebSocket, or None.
        options: further ones of `websockets.asyncio.server.serve`.
    """
    server = await serve(
        handle,
        "127.0.0.1",
        0,
        process_request=answer_http,
        compression=None,
        close_timeout=1,
        logger=logging.getLogger(LOGGER),
        **options,
    )
    return server, next(iter(server.sockets)).getsockname()[1]
