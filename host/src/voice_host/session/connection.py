"""The two ends of a connection: what it brought along, and how it is closed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.websockets import WebSocket

from voice_host.session import messages
from voice_host.session.client_link import ClientLink
from voice_host.session.close_codes import CloseCode
from voice_host_sdk.session import EndReason

_CREDENTIALS = {"token", "resume"}


@dataclass(frozen=True, slots=True)
class CallEnd:
    """How a call ended: the kind, words, and the close code where it is not the one that goes with the kind."""

    reason: EndReason
    detail: str = ""
    code: CloseCode | None = None


def metadata_of(ws: WebSocket) -> Mapping[str, Any]:
    """What the connection sent along: the query's parameters, less those that are credentials."""
    return {key: value for key, value in ws.query_params.items() if key not in _CREDENTIALS}


def said_goodbye(disconnect: Mapping[str, Any]) -> bool:
    """Whether the client closed on purpose: with 1000, or with a close frame that has no code.

    A connection that broke may come as 1005, too; but only a close frame has a reason.
    """
    code = disconnect.get("code")
    return code == 1000 or (code == 1005 and "reason" in disconnect)


async def say_goodbye(link: ClientLink, end: CallEnd) -> None:
    """Close the connection with the code and the words that fit the end of the call."""
    if end.reason == "shutdown":
        await link.send(messages.error("draining", "The server is shutting down.", fatal=True))
        await link.close(CloseCode.DRAINING, "the server is shutting down")
    elif end.reason == "failed":
        await link.close(CloseCode.INTERNAL_ERROR, end.detail)
    else:
        await link.close(end.code or CloseCode.ENDED, end.detail)
