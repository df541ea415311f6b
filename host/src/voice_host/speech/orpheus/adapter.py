"""Text-to-speech by the Orpheus model as Baseten serves it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from voice_host.resampler import Resampler
from voice_host.settings import ResilienceSettings
from voice_host.speech.orpheus.utterance import OrpheusUtterance, tts_failed
from voice_host.speech.orpheus.warm_sockets import WarmSockets
from voice_host.speech.service_socket import ConnectFailed, ServiceConnection, ServiceSockets
from voice_host_sdk import ProviderError, TTSConfig

logger = logging.getLogger(__name__)

KEY_SETTING = "ASSEMBLYAI_TTS_API_KEY"
URL_SETTING = "ASSEMBLYAI_TTS_WSS_URL"
SAMPLE_RATE = 24000
"""Hz, of the model's audio."""

VOICES = frozenset({"tara", "leah", "jess", "leo", "dan", "mia", "zac", "zoe"})
DEFAULT_VOICE = "jess"


class OrpheusTextToSpeech:
    """The service, shared by all calls.

    Args:
        api_key: sent as `Authorization: Api-Key <key>`.
        url: the platform's endpoint; takes precedence over `TTSConfig.wss_url`.
        resilience: time limits for connecting, and for silence once the service has the whole text.
    """

    name = "orpheus"
    voices = VOICES

    def __init__(self, api_key: str, *, url: str | None = None, resilience: ResilienceSettings | None = None) -> None:
        resilience = resilience or ResilienceSettings()
        # A key read from a file often ends in a line break, which would break the header.
        self._sockets = ServiceSockets(f"Api-Key {api_key.strip()}", resilience)
        self._url = url
        self._audio_timeout_s = resilience.voice_silent_after_s

    async def open(self, config: TTSConfig) -> OrpheusStream:
        """Start connecting in the background. A failure is raised when the first utterance begins."""
        if config.sample_rate != SAMPLE_RATE:
            await asyncio.to_thread(Resampler, SAMPLE_RATE, config.sample_rate)  # the import of soxr blocks
        url = self._url or config.wss_url

        async def connect() -> ServiceConnection:
            try:
                return await self._sockets.open(url)
            except ConnectFailed as failed:
                logger.warning(
                    "orpheus: cannot connect to %s (%s)", urlsplit(url).hostname, failed.status or "no answer"
                )
                raise _connect_error(failed, URL_SETTING if self._url else None) from failed

        return OrpheusStream(connect, config, self._audio_timeout_s)

    async def aclose(self) -> None:
        """Do nothing: the streams share no resources."""


class OrpheusStream:
    """One call's stream: a socket for each utterance. The next one is opened ahead."""

    def __init__(
        self, connect: Callable[[], Awaitable[ServiceConnection]], config: TTSConfig, audio_timeout_s: float
    ) -> None:
        self._sockets = WarmSockets(connect)
        self._first_message = first_message(config)
        self._sample_rate = config.sample_rate
        self._audio_timeout_s = audio_timeout_s
        self._sockets.warm()

    async def utterance(self) -> OrpheusUtterance:
        """Begin an utterance on the socket that was opened ahead, or on a new one.

        Raises:
            ProviderError: `tts_auth`, `tts_unreachable` or `tts_failed`.
        """
        resampler = Resampler(SAMPLE_RATE, self._sample_rate)
        utterance = OrpheusUtterance(self._sockets, self._first_message, resampler, self._audio_timeout_s)
        try:
            await utterance.begin()
        except BaseException:
            await utterance.aclose()
            raise
        return utterance

    async def aclose(self) -> None:
        """Close all sockets and wait for it, about 1 s at most. Idempotent. If cancelled, they are aborted."""
        await self._sockets.aclose()


def first_message(config: TTSConfig) -> str:
    """Return the JSON message that begins an utterance."""
    voice = config.voice
    if voice not in VOICES:
        logger.info("orpheus has no voice %r, using %r", voice, DEFAULT_VOICE)
        voice = DEFAULT_VOICE
    names = {"max_tokens", "buffer_size", "repetition_penalty", "temperature", "top_p"}
    return json.dumps({"voice": voice, **config.model_dump(include=names)})


def _connect_error(failed: ConnectFailed, url_setting: str | None) -> ProviderError:
    if failed.status in (401, 403):
        return ProviderError(
            "The voice service refused the credentials.", code="tts_auth", setting=KEY_SETTING, retryable=False
        )
    if failed.status is None:
        return ProviderError(
            "The voice service cannot be reached.",
            code="tts_unreachable",
            setting=url_setting,
            retryable=failed.retryable,
        )
    return tts_failed(retryable=failed.retryable)
