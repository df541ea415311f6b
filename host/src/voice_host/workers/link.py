"""The worker's end of the channel."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence

from pydantic import BaseModel

from voice_host.fleet.report import AgentReport
from voice_host.sessions import checkpoint as sessions
from voice_host.workers.channel import Channel, frame
from voice_host.workers.messages import TO_WORKER, Checkpoint, Connected, SessionOver, Started, ToWorker

FLUSH_TIMEOUT_S = 5.0
"""How long a worker that leaves waits for the front to read its last messages."""


class Link:
    """Sends messages to the front, and is the `ResumeListener` of the worker's agent.

    Args:
        sock: one end of the channel, blocking.

    Attributes:
        calls: the number of the newest call of each session that is connected or being connected.
        on_ended: called when a session has ended.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._channel: Channel[ToWorker] | None = None
        self.calls: dict[str, int] = {}
        self.on_ended: Callable[[], None] = _ignore

    def fail(self, report: AgentReport) -> None:
        """Tell the front that the agent is broken, before there is an event loop."""
        self._sock.sendall(frame(Started(report=report)))
        self._sock.close()

    def open(self, receive: Callable[[ToWorker, bytes, Sequence[int]], None], lost: Callable[[str], None]) -> None:
        """Begin to receive messages, in the current event loop."""
        self._channel = Channel(self._sock, TO_WORKER, receive, lost, descriptors=True)

    def send(self, message: BaseModel, payload: bytes = b"") -> bool:
        """Send a message. Returns False if the front is gone, or does not read."""
        return self._channel is not None and self._channel.send(message, payload)

    async def aclose(self) -> None:
        """Send what waits, and close the channel."""
        if self._channel is not None:
            await self._channel.flush(FLUSH_TIMEOUT_S)
            self._channel.close()

    # --- ResumeListener ---------------------------------------------------------------------------------------------

    def token_issued(self, session_id: str, token_digest: str | None) -> None:
        self.send(Connected(call=self.calls.get(session_id, 0), session_id=session_id, token_digest=token_digest))

    def checkpoint(self, session_id: str, checkpoint: sessions.Checkpoint | None) -> bool:
        if checkpoint is None:
            return self.send(Checkpoint(session_id=session_id))
        message = Checkpoint(session_id=session_id, dropped=checkpoint.dropped, kept=checkpoint.kept)
        return self.send(message, checkpoint.to_payload())

    def ended(self, session_id: str) -> None:
        self.send(SessionOver(session_id=session_id))
        self.on_ended()


def _ignore() -> None:
    pass
