"""`ClientConnection`: a transport and a client protocol, as a call uses them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from voice_host.call.events import CallEvent, Refused, SpeechSent
from voice_host.clients.audio import AudioDecoder, SpeechEncoder
from voice_host.clients.choice import ProtocolChoice, protocol_of
from voice_host.clients.close_codes import CloseCode, fit_reason
from voice_host.clients.dtmf import TONE_RATE_HZ, tone
from voice_host.clients.protocol import (
    Admit,
    Answer,
    Audio,
    AudioFormat,
    ClientEvent,
    ClientProtocol,
    Configured,
    Frame,
    Goodbye,
    Handshake,
    Malformed,
    Opening,
    Played,
    PlaysTones,
    unlimited,
)
from voice_host.clients.transport import ConnectionLost, Disconnected, HandedOver, Transport

OPENING_TIMEOUT_S = 10.0
"""Time limit for the message with which a client opens a call. Carriers take less than 1 s."""

CONFIGURED_TIMEOUT_S = 0.5
"""How long the agent waits with its first words for a client that may choose its audio formats first. Clients do so at
once: this is for a round trip and a slow client."""

MAX_OPENING_FRAMES = 64
"""How many frames a client may send before that message. Carriers send one."""


MAX_TEXT_AT_ONCE = 65_536
"""Characters of the longest text frame that is parsed as it arrives: a second of audio. Longer ones wait for their
turn, since a frame that holds something else is parsed once more."""


class OpeningFailed(Exception):
    """The client did not open the call as its protocol requires. The message is safe to send to the client.

    Attributes:
        limit: the setting whose limit was exceeded; None: it was something else.
    """

    def __init__(self, message: str, *, limit: str | None = None) -> None:
        super().__init__(message)
        self.limit = limit


_TAKEN_NOW = (Audio, Configured)


class Sender(Protocol):
    """The reply that a frame belongs to, which may be cancelled before the frame is sent."""

    @property
    def alive(self) -> bool: ...


class ClientConnection:
    """The connection to one client. Once it is lost, sending does nothing; the loss is seen by `receive`.

    Args:
        transport: not accepted yet.
        protocol: the client's, or which one it is.
        send_timeout_s: a client that accepts no frame for this long counts as lost. Pings alone do not detect a socket
            whose buffer is full.

    Attributes:
        choice: which protocol it is, to hand the connection over.
        close_code: with which code the host has ended the connection, also if another process did; None: it was lost
            before.
        decoder: of the client's audio, from `use_rates` on. Another one follows when the client changes the format.
        reports_after_cut: whether the client tells what it played of a reply after the reply was cut.
    """

    def __init__(
        self, transport: Transport, protocol: ClientProtocol | ProtocolChoice, *, send_timeout_s: float
    ) -> None:
        self.choice = protocol if isinstance(protocol, ProtocolChoice) else ProtocolChoice()
        self.close_code: CloseCode | None = None
        self._transport = transport
        self._protocol = protocol_of(protocol) if isinstance(protocol, ProtocolChoice) else protocol
        self._send_timeout_s = send_timeout_s
        self._lock = asyncio.Lock()
        self._gone = False
        self._configured = asyncio.Event()
        self._rates: tuple[int, int] | None = None
        self._unknown: list[ClientEvent] = []  # what came before the call, to be reported when it has begun
        self._formats = (self._protocol.microphone, self._protocol.speaker)
        self.reports_after_cut = False
        self._says_goodbye = False
        self._receiving = False
        self._asked = False  # for admission of the frame that is offered
        self.decoder = AudioDecoder(AudioFormat(), TONE_RATE_HZ)  # which converts nothing
        self._encoder: SpeechEncoder | None = None
        self._speaking = 0  # the reply whose speech was sent last
        self.on_stalled: Callable[[], None] = _ignore
        """Called when the client has accepted nothing for `send_timeout_s`."""
        self.on_closed: Callable[[CloseCode | None], None] = _ignore
        """Called with `close_code` when the connection is over. What the session then has to finish may take longer."""

    @property
    def client_host(self) -> str | None:
        """The client's IP address; None if unknown."""
        return self._transport.client_host

    @property
    def handshake(self) -> Handshake:
        """What the client sent when it connected."""
        return Handshake(self._transport.query, self._transport.query_size)

    # --- the beginning --------------------------------------------------------------------------------------------

    @property
    def subprotocol(self) -> str | None:
        """The WebSocket subprotocol to accept, of those that the client offers; None: none."""
        return self._protocol.subprotocol(self._transport.subprotocols)

    async def accept(self) -> None:
        """Accept the connection."""
        try:
            await self._transport.accept(self.subprotocol)
        except ConnectionLost:
            self._gone = True

    def hand_over(self) -> HandedOver:
        """Let go of the connection instead of accepting it, so that another process can serve it.

        Raises:
            CannotHandOver, ConnectionLost: as `Transport.hand_over`.
        """
        self._gone = True
        return self._transport.hand_over()

    async def opening(self, max_bytes: int) -> Opening | Disconnected:
        """Wait until the client has sent what is needed to begin.

        Args:
            max_bytes: the limit of the query, or of the message that opens the call (`limits.max_metadata_bytes`).

        Raises:
            OpeningFailed: it does not send that in time, or within the first frames.
        """
        if self._transport.query_size > max_bytes:
            raise OpeningFailed("the query is too long", limit="max_metadata_bytes")
        if (opening := _opening(self._protocol.connected(self.handshake))) is None:
            try:
                async with asyncio.timeout(OPENING_TIMEOUT_S):
                    introduced = await self._introduced(max_bytes)
            except TimeoutError:
                raise OpeningFailed("the client did not introduce itself in time") from None
            if isinstance(introduced, Disconnected):
                return introduced
            opening = introduced
        self.reports_after_cut = opening.reports_after_cut
        self._says_goodbye = opening.says_goodbye
        if not opening.configures:
            self._configured.set()
        return opening

    async def configured(self) -> None:
        """Wait until the client has chosen its audio formats, if its protocol has that, or does not do so in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CONFIGURED_TIMEOUT_S):
                await self._configured.wait()

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
                    case Malformed(unknown=True):
                        self._unknown.append(event)
                    case Malformed(message=message):
                        raise OpeningFailed(message)
                    case Goodbye():
                        return Disconnected(on_purpose=True)
        raise OpeningFailed("the client sent too much before introducing itself")

    async def use_rates(self, *, microphone_hz: int, speech_hz: int) -> None:
        """Convert between the client's audio formats and the agent's sample rates from now on."""
        self._rates = (microphone_hz, speech_hz)
        if self._formats == (AudioFormat(), AudioFormat()):
            self._convert(microphone_hz, speech_hz)
            return
        # In a thread: the first resampler imports numpy, the first G.711 codec computes its tables.
        await asyncio.to_thread(self._convert, microphone_hz, speech_hz)

    def _convert(self, microphone_hz: int, speech_hz: int) -> None:
        microphone, speaker = self._formats
        self.decoder, self._encoder = AudioDecoder(microphone, microphone_hz), _encoder(speech_hz, speaker)

    def _follow_formats(self) -> None:
        """Convert from now on to the formats that the client has chosen."""
        formats = (self._protocol.microphone, self._protocol.speaker)
        if formats != self._formats:
            self._formats = formats
            if self._rates is not None:
                self._convert(*self._rates)

    # --- to the client --------------------------------------------------------------------------------------------

    async def tell(self, event: CallEvent, sender: Sender | None = None) -> None:
        """Report an event to the client, unless `sender` is cancelled before it is sent."""
        if not self._is_wanted(sender):
            return
        if isinstance(event, SpeechSent) and (rest := self._rest_of(event.reply)):
            await self.send(self._protocol.speech(event.reply, rest), sender)
        await self.send(self._protocol.tell(event), sender)

    def _rest_of(self, reply: int) -> bytes:
        """Return what the encoder has kept back of a reply that is complete."""
        return b"" if self._encoder is None or reply != self._speaking else self._encoder.end()

    async def speak(self, reply: int, pcm: bytes, sender: Sender) -> None:
        """Send speech, PCM16 at the agent's sample rate, unless `sender` is cancelled before it is sent."""
        if self._gone or not sender.alive:
            return
        if self._encoder is not None:
            if reply != self._speaking:
                self._encoder.reset()  # the reply before may have been cut
            pcm = self._encoder.encode(pcm)
        self._speaking = reply
        if pcm:
            await self.send(self._protocol.speech(reply, pcm), sender)

    @property
    def plays_tones(self) -> bool:
        """Whether telephone keys are sent as tones: see `play_key`."""
        return isinstance(self._protocol, PlaysTones)

    async def play_key(self, key: str) -> float:
        """Play the tone of a telephone key, or a pause (`w`). Returns how long that takes, in seconds."""
        if not isinstance(self._protocol, PlaysTones):
            raise TypeError("this client has no tones")
        speaker = self._protocol.speaker
        rate = speaker.sample_rate or TONE_RATE_HZ
        pcm = tone(key, rate)
        await self.send(self._protocol.tones(SpeechEncoder(rate, speaker).encode(pcm)))
        return len(pcm) / 2 / rate

    async def send(self, frames: Sequence[Frame], sender: Sender | None = None) -> None:
        """Send frames, unless `sender` is cancelled before they are sent."""
        if not frames:
            return
        # No frame is waiting and the lock is free, so the order is kept.
        if not self._lock.locked() and self._is_wanted(sender) and self._transport.send_now(frames):
            return
        for frame in frames:
            await self._send_in_turn(frame, sender)

    def _is_wanted(self, sender: Sender | None) -> bool:
        return not self._gone and (sender is None or sender.alive)

    async def _send_in_turn(self, frame: Frame, sender: Sender | None) -> None:
        async with self._lock:
            # Checked under the lock: a frame that waited behind `cancelled` must not follow it.
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

    async def refuse(self, code: CloseCode, reason: str) -> None:
        """Tell the client that the call does not begin, and close."""
        await self.tell(Refused(code, reason))
        await self.close(code, reason)

    async def close(self, code: CloseCode, reason: str = "", *, lost: bool = False) -> None:
        """Close with a code and a reason, unless the client is gone. `lost`: that is why the call ended."""
        self.close_code = None if lost else code
        async with self._lock:
            self.on_stalled = _ignore  # it refers to the call, which refers to this
            if not self._gone:
                self._gone = True
                with suppress(ConnectionLost, TimeoutError):
                    async with asyncio.timeout(self._send_timeout_s):
                        await self._transport.close(code, fit_reason(reason))
        self.on_closed(self.close_code)

    # --- from the client ------------------------------------------------------------------------------------------

    async def receive(self) -> Frame | Disconnected:
        """Return the client's next frame, to be parsed with `read`."""
        self._receiving = True
        frame = await self._transport.receive()
        self._receiving = False
        if isinstance(frame, Disconnected):
            self._gone = True
            return Disconnected(on_purpose=frame.on_purpose and not self._says_goodbye)
        return frame

    def read(self, frame: Frame, admit: Admit = unlimited) -> list[ClientEvent]:
        """Return the events in a frame; audio as it was sent, for `decoder`. `admit`: as for a protocol."""
        received = [*self._unknown, *self._protocol.receive(frame, admit)]
        self._unknown.clear()
        self._follow_formats()
        if not self._configured.is_set() and any(isinstance(event, Configured) for event in received):
            self._configured.set()
        return received

    def divert(self, hear: Callable[[bytes, int], None], note: Callable[[Played, Frame], None] | None = None) -> None:
        """Pass on what clients send all the time as it arrives, if the server supports it.

        `receive` returns the frames that hold anything else, and all text frames that come while one is handled: none
        overtakes another. Audio in binary frames may overtake a message.

        Args:
            hear: gets audio, as it was sent, for `decoder`; and the length of its frame.
            note: gets reports of what was played, and their frames, which count towards the limits.
        """
        admit = self._ask_later if note is None else self._ask_unless_report
        self._transport.divert(lambda frame: self._take_now(frame, admit, hear, note))

    def _take_now(
        self,
        frame: Frame,
        admit: Admit,
        hear: Callable[[bytes, int], None],
        note: Callable[[Played, Frame], None] | None,
    ) -> bool:
        """Take a frame if it holds audio, or a report. Returns whether it does."""
        if self._unknown:
            return False
        if isinstance(frame, str) and (not self._receiving or len(frame) > MAX_TEXT_AT_ONCE):
            return False
        self._asked = False
        received = self._protocol.receive(frame, admit)
        if self._asked or not received:
            return False
        for event in received:  # a mistake in a frame of audio, or in a report, is one that `read` finds again
            if isinstance(event, Played):
                if note is None or event.stopped:
                    return False
            elif not isinstance(event, _TAKEN_NOW):
                return False
        for event in received:
            if isinstance(event, Audio):
                hear(event.data, len(frame))
            elif not isinstance(event, Played):
                self._configured.set()
            elif note is not None:
                note(event, frame)
        return True

    def _ask_later(self, *, report: bool = False) -> bool:
        self._asked = True
        return False

    def _ask_unless_report(self, *, report: bool = False) -> bool:
        self._asked = not report
        return report


def _encoder(speech_hz: int, speaker: AudioFormat) -> SpeechEncoder | None:
    same = speaker.encoding == "pcm16" and speaker.sample_rate in (None, speech_hz)
    return None if same else SpeechEncoder(speech_hz, speaker)


def _ignore(*_: object) -> None:
    pass


def _opening(events: Sequence[ClientEvent]) -> Opening | None:
    return next((event for event in events if isinstance(event, Opening)), None)
