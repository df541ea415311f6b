"""A client: its transport and its protocol, as a call uses them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from voice_host.call.events import CallEvent
from voice_host.clients.audio import decoder, encoder
from voice_host.clients.close_codes import CloseCode, fit_reason
from voice_host.clients.protocol import (
    Answer,
    Audio,
    AudioFormat,
    ClientEvent,
    ClientProtocol,
    Frame,
    Goodbye,
    Handshake,
    Malformed,
    Opening,
)
from voice_host.clients.transport import ConnectionLost, Disconnected, Transport

OPENING_TIMEOUT_S = 10.0
"""How long a client may take to introduce itself, where it does so in a message. Carriers take less than 1 s."""

MAX_OPENING_FRAMES = 64
"""How many frames a client may send before that. Carriers send one."""


class OpeningFailed(Exception):
    """A client did not introduce itself as its protocol demands. The message is fit for the client.

    Attributes:
        limit: the setting whose limit it is over; None: it did something else wrong.
    """

    def __init__(self, message: str, *, limit: str | None = None) -> None:
        super().__init__(message)
        self.limit = limit


class Sender(Protocol):
    """Whoever a frame is sent for: a reply, which may have been cancelled in the meantime."""

    @property
    def alive(self) -> bool: ...


class ClientConnection:
    """One client. After it has gone, sending does nothing: the reading side sees it leave.

    Args:
        transport: not accepted yet.
        protocol: the client's.
        send_timeout_s: a client that takes no frame for so long is gone. A server's ping alone does not find a socket
            that is full.
    """

    def __init__(self, transport: Transport, protocol: ClientProtocol, *, send_timeout_s: float) -> None:
        self._transport = transport
        self._protocol = protocol
        self._send_timeout_s = send_timeout_s
        self._lock = asyncio.Lock()
        self._gone = False
        self._decode: Callable[[bytes], bytes] = bytes
        self._encode: Callable[[bytes], bytes] = bytes
        self.on_stalled: Callable[[], None] = _ignore
        """Called when the client has taken nothing for `send_timeout_s`."""

    @property
    def client_host(self) -> str | None:
        """The client's address; None: it has none."""
        return self._transport.client_host

    @property
    def handshake(self) -> Handshake:
        """What the connection brought along when it was made."""
        return Handshake(self._transport.query, self._transport.query_size)

    @property
    def audio_in_text(self) -> bool:
        """Whether the client sends audio within text frames."""
        return self._protocol.microphone.in_text

    # --- the beginning --------------------------------------------------------------------------------------------

    async def accept(self) -> None:
        """Accept the connection."""
        try:
            await self._transport.accept(self._protocol.subprotocol(self._transport.subprotocols))
        except ConnectionLost:
            self._gone = True

    async def opening(self, max_bytes: int) -> Opening | Disconnected:
        """Wait until the client has introduced itself.

        Args:
            max_bytes: of the address' parameters, or of a message that introduces it (`limits.max_metadata_bytes`).

        Raises:
            OpeningFailed: it does not.
        """
        if self._transport.query_size > max_bytes:
            raise OpeningFailed("the query is too long", limit="max_metadata_bytes")
        if (opening := _opening(self._protocol.connected(self.handshake))) is not None:
            return opening
        try:
            async with asyncio.timeout(OPENING_TIMEOUT_S):
                return await self._introduced(max_bytes)
        except TimeoutError:
            raise OpeningFailed("the client did not introduce itself in time") from None

    async def _introduced(self, max_bytes: int) -> Opening | Disconnected:
        for _ in range(MAX_OPENING_FRAMES):
            frame = await self._transport.receive()
            if isinstance(frame, Disconnected):
                self._gone = True
                return frame
            if len(frame) > max_bytes:
                raise OpeningFailed("a frame before the call is too long", limit="max_metadata_bytes")
            events = self._protocol.receive(frame)
            if (opening := _opening(events)) is not None:
                return opening
            for event in events:
                match event:
                    case Answer(frames):
                        await self.send(frames)
                    case Malformed(message):
                        raise OpeningFailed(message)
                    case Goodbye():
                        return Disconnected(on_purpose=True)
        raise OpeningFailed("the client sent too much before introducing itself")

    async def use_rates(self, *, microphone_hz: int, speech_hz: int) -> None:
        """Translate between the client's audio and the agent's sample rates from now on."""
        if self._protocol.microphone == self._protocol.speaker == AudioFormat():
            return
        # In a thread: the first resampler imports numpy and soxr, the first G.711 codec makes its tables.
        self._decode, self._encode = await asyncio.to_thread(
            lambda: (decoder(self._protocol.microphone, microphone_hz), encoder(speech_hz, self._protocol.speaker))
        )

    # --- to the client --------------------------------------------------------------------------------------------

    async def tell(self, event: CallEvent, sender: Sender | None = None) -> None:
        """Tell the client of an event, unless `sender` has died before its turn came."""
        if not self._gone:
            await self.send(self._protocol.tell(event), sender)

    async def speak(self, reply: int, pcm: bytes, sender: Sender) -> None:
        """Send speech, PCM16 at the agent's rate, unless `sender` has died before its turn came."""
        if not self._gone and sender.alive:
            await self.send(self._protocol.speech(reply, self._encode(pcm)), sender)

    async def send(self, frames: Sequence[Frame], sender: Sender | None = None) -> None:
        """Send frames, unless `sender` has died before their turn came."""
        for frame in frames:
            # Nothing waits, and nobody has the lock: no frame can come between.
            if not self._lock.locked() and self._is_wanted(sender) and self._transport.send_now(frame):
                continue
            await self._send_in_turn(frame, sender)

    def _is_wanted(self, sender: Sender | None) -> bool:
        return not self._gone and (sender is None or sender.alive)

    async def _send_in_turn(self, frame: Frame, sender: Sender | None) -> None:
        async with self._lock:
            # Looked at under the lock: a frame that waited behind `cancelled` must not follow it.
            if not self._is_wanted(sender):
                return
            try:
                async with asyncio.timeout(self._send_timeout_s):
                    await self._transport.send(frame)
            except TimeoutError:
                self._gone = True
                self.on_stalled()
            except ConnectionLost:
                self._gone = True

    async def close(self, code: CloseCode, reason: str = "") -> None:
        """Close with a code and words. Does nothing when the client has gone."""
        async with self._lock:
            self.on_stalled = _ignore  # it refers to the call, which refers to this
            if self._gone:
                return
            self._gone = True
            try:
                async with asyncio.timeout(self._send_timeout_s):
                    await self._transport.close(code, fit_reason(reason))
            except (ConnectionLost, TimeoutError):
                return

    # --- from the client ------------------------------------------------------------------------------------------

    async def receive(self) -> Frame | Disconnected:
        """Return the client's next frame. `read` it, or drop it where it is over a limit."""
        frame = await self._transport.receive()
        if isinstance(frame, Disconnected):
            self._gone = True
        return frame

    def read(self, frame: Frame) -> list[ClientEvent]:
        """Return what the client does; audio as PCM16 at the agent's rate."""
        return [
            Audio(self._decode(event.data)) if isinstance(event, Audio) else event
            for event in self._protocol.receive(frame)
        ]

    def divert_audio(self, take: Callable[[bytes, int], None]) -> None:
        """Let `take` have audio as it arrives, where the server can do that and audio is all that binary frames hold.

        It gets PCM16 at the agent's rate, and the size of the frame. Otherwise audio is received like all else.
        """
        if not self._protocol.microphone.in_text:
            self._transport.divert_binary(lambda frame: take(self._decode(frame), len(frame)))


def _ignore() -> None:
    pass


def _opening(events: Sequence[ClientEvent]) -> Opening | None:
    return next((event for event in events if isinstance(event, Opening)), None)
