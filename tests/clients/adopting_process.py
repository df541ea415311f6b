"""A process that serves calls on sockets which its parent accepted and sends it, until its channel is closed."""

from __future__ import annotations

import asyncio
import socket
import sys

from voice_host.call.events import ReplyText
from voice_host.clients.close_codes import CloseCode
from voice_host.clients.protocol import Typed
from voice_host.clients.transport import Disconnected, HandedOver
from voice_host.clients.transport.adopted import SocketAdopter
from voice_host.clients.transport.asgi import AsgiWebSocket
from voice_host.clients.transport.connection import ClientConnection
from voice_host.clients.voice_host_v1 import VoiceHostV1

MAX_HEAD_BYTES = 65536


async def repeat(transport: AsgiWebSocket) -> None:
    """Repeat what a client types, and close when it types `end`."""
    connection = ClientConnection(transport, VoiceHostV1(), send_timeout_s=5)
    await connection.accept()
    while not isinstance(frame := await connection.receive(), Disconnected):
        for event in connection.read(frame):
            if event == Typed("end"):
                await connection.close(CloseCode.ENDED, "as you wish")
            elif isinstance(event, Typed):
                await connection.tell(ReplyText(1, event.text))


async def main(channel: socket.socket) -> None:
    adopter = SocketAdopter(ws_ping_interval=None)
    while True:
        # Each message is a request's head with the socket that it came from.
        head, descriptors, _, _ = await asyncio.to_thread(socket.recv_fds, channel, MAX_HEAD_BYTES, 1)
        if not descriptors:
            break
        await adopter.adopt(HandedOver(socket.socket(fileno=descriptors[0]), head, None, "ws"), repeat)
    await adopter.aclose()


if __name__ == "__main__":
    asyncio.run(main(socket.socket(fileno=int(sys.argv[1]))))
