"""One utterance of Orpheus: words in, audio out, on a socket of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

from websockets.exceptions import ConnectionClosed

from voice_host.clock import WaitLimit
from voice_host.resampler import Resampler
from voice_host.speech.orpheus.warm_sockets import WarmSockets
from voice_host.speech.service_socket import ConnectFailed, ServiceConnection
from voice_host_sdk import ProviderError, SpeechAudio

logger = logging.getLogger(__name__)

END = "__END__"

NORMAL_CLOSURE = 1000


def tts_failed(*, retryable: bool = True) -> ProviderError:
    """Return the error for an utterance that failed or broke off."""
    return ProviderError("The voice failed.", code="tts_failed", retryable=retryable)


class OrpheusUtterance:
    """Sends one word per message, as the service requires, and yields audio as it arrives.

    Words are kept until audio arrives: if the socket dies before, it is replaced once and they are sent again.
    Audio is read from the socket only when it is asked for, so a slow reader slows the service and nothing piles up.

    Args:
        first_message: the JSON with the voice's parameters.
        resampler: takes the service's 24 kHz.
        audio_timeout_s: how long the service may be silent once it has the whole text. Normally it speaks within 1 s.
    """

    def __init__(self, sockets: WarmSockets, first_message: str, resampler: Resampler, audio_timeout_s: float) -> None:
        self._sockets = sockets
        self._first_message = first_message
        self._resampler = resampler
        self._audio_timeout_s = audio_timeout_s
        self._socket: ServiceConnection | None = None
        self._sending = asyncio.Lock()  # words must not overtake those that are sent again
        self._words: list[str] = []
        self._speakable = False
        self._ended = False
        self._heard = False
        self._restarted = False
        self._complete = False
        self._closed = False
        self._odd_byte = b""
        self._limit = WaitLimit()  # none until the whole text is there

    async def begin(self) -> None:
        """Get a socket and send the parameters.

        Raises:
            ProviderError: neither the socket opened ahead nor a new one works.
        """
        async with self._sending:
            try:
                self._socket = await self._sockets.take()
                await self._send_all(self._socket)
            except ConnectFailed as closed:
                raise tts_failed(retryable=False) from closed
            except ConnectionClosed:
                await self._restart()
            except ProviderError as error:
                if not error.retryable:
                    raise
                await self._restart()

    async def send_text(self, text: str) -> None:
        """Add whole words. If the socket has died, that is found out when audio is read.

        Raises:
            RuntimeError: after `end()`.
        """
        if self._ended:
            raise RuntimeError("no text may follow after end()")
        # The end marker in the model's text must not end the utterance.
        words = text.replace(END, "END").split()
        self._speakable = self._speakable or any(letter.isalnum() for letter in text)
        async with self._sending:
            if not self._heard:
                self._words += words
            await self._send(*words)

    async def end(self) -> None:
        """No more text follows."""
        async with self._sending:
            if self._ended or self._closed:
                return
            self._ended = True
            self._limit.set_limit(self._audio_timeout_s)
            await self._send(END)

    def __aiter__(self) -> AsyncIterator[SpeechAudio]:
        return self

    async def __anext__(self) -> SpeechAudio:
        """Return the next audio; stop when the utterance is complete, or after `aclose()`.

        Raises:
            ProviderError: `tts_failed`, `tts_timeout` or `tts_auth`: the service sent no audio, or broke off.
        """
        while not (self._complete or self._closed):
            try:
                message = await self._receive()
            except ConnectionClosed as closed:
                if await self._handle_close(closed) and (rest := self._resampler.resample(b"", last=True)):
                    return SpeechAudio(rest)
                continue
            if isinstance(message, bytes) and (pcm := self._whole_samples(message)) and not self._closed:
                return SpeechAudio(pcm)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Stop at once. The socket closes in the background; the stream's `aclose()` waits for it. Idempotent."""
        self._closed = True
        self._words.clear()
        self._limit.expire()  # a reader must not wait for the closing handshake
        if self._socket is not None:
            self._sockets.discard(self._socket)

    async def _receive(self) -> str | bytes:
        assert self._socket is not None
        if self._ended and not self._speakable:  # there is nothing to say
            self._complete = True
            self._sockets.discard(self._socket)
            return b""
        try:
            with self._limit:
                return await self._socket.recv()
        except TimeoutError as silent:
            if self._closed or not self._speakable:
                return b""
            raise ProviderError("The voice did not answer in time.", code="tts_timeout") from silent

    async def _handle_close(self, closed: ConnectionClosed) -> bool:
        """Return whether the utterance is complete; if not, send it again on a new socket.

        Raises:
            ProviderError: it failed and cannot be repeated.
        """
        if self._closed or self._sockets.closed:
            self._closed = True
            return False
        said = self._heard or not self._speakable
        if self._ended and said and closed.rcvd is not None and closed.rcvd.code == NORMAL_CLOSURE:
            self._complete = True
            if self._socket is not None:
                self._sockets.discard(self._socket)
            return True
        if self._heard or self._restarted:
            raise tts_failed() from closed
        async with self._sending:
            await self._restart()
        return False

    async def _restart(self) -> None:
        logger.warning("orpheus: a connection died before any audio; trying a new one")
        self._restarted = True
        self._odd_byte = b""
        if self._socket is not None:
            self._sockets.discard(self._socket)
        try:
            self._socket = await self._sockets.fresh()
            if self._closed:
                self._sockets.discard(self._socket)
                return
            await self._send_all(self._socket)
        except (ConnectFailed, ConnectionClosed) as failed:
            raise tts_failed() from failed

    async def _send_all(self, socket: ServiceConnection) -> None:
        await socket.send_all(self._first_message, *self._words, *([END] if self._ended else ()))

    async def _send(self, *messages: str) -> None:
        if self._closed or self._socket is None:
            return
        try:
            await self._socket.send_all(*messages)
        except ConnectionClosed:
            return  # the reader will notice, and knows whether audio has been heard

    def _whole_samples(self, received: bytes) -> bytes:
        """Return resampled audio; half of a sample is kept for the next message."""
        pcm = self._odd_byte + received
        whole = len(pcm) & ~1
        self._odd_byte = pcm[whole:]
        if whole and not self._heard:
            self._heard = True
            self._words.clear()
        return self._resampler.resample(pcm[:whole])
