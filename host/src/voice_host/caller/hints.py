"""What to do when a call fails."""

from __future__ import annotations

import errno
import socket

from websockets.exceptions import InvalidHandshake

from voice_host.clients.close_codes import CloseCode
from voice_host.settings import TOKEN_VARIABLE

NOT_A_HOST = "something answers there, but it takes no calls: is the address in --url right?"

_RUNNING_HOST = {
    CloseCode.NOT_AUTHORISED: f"give an API key or a call token with --token, or in {TOKEN_VARIABLE}",
    CloseCode.NO_SUCH_AGENT: "`GET /agents` of that host lists them",
    CloseCode.AGENT_BROKEN: "`voice-host check {agent_id}` on that host says why",
    CloseCode.COULD_NOT_START: "its log says why",
    CloseCode.INTERNAL_ERROR: "its log says why",
    CloseCode.COME_BACK: "call again in a moment; its log says why the agent is being restarted",
}
_OWN_HOST = {
    CloseCode.COULD_NOT_START: "run `voice-host serve` and call it with --url: its log says why",
}


def hint_for_close(code: int | None, agent_id: str, *, own_host: bool) -> str | None:
    """Return what to do about a call that the host closed with `code`; None if there is no advice."""
    hints = _OWN_HOST if own_host else _RUNNING_HOST
    return next((hint.format(agent_id=agent_id) for known, hint in hints.items() if known == code), None)


def describe_failure(error: Exception) -> tuple[str, str | None]:
    """Return why a host could not be reached, and what to do about it."""
    if isinstance(error, socket.gaierror):
        return "its name cannot be resolved", "is the host name in --url right?"
    if isinstance(error, TimeoutError):
        return "it did not answer in time", "is a host running there? start one with `voice-host serve`"
    # A name with several addresses raises one error that combines their messages.
    if isinstance(error, ConnectionRefusedError) or f"[Errno {errno.ECONNREFUSED}]" in str(error):
        return "the connection was refused", "is a host running there? start one with `voice-host serve`"
    if isinstance(error, InvalidHandshake):
        return str(error), NOT_A_HOST
    return str(error), None
