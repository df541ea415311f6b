"""Text-to-speech by AssemblyAI's own voice: one socket for a call, with word timings and a real cancel."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from voice_host.settings import ResilienceSettings
from voice_host.speech.assemblyai.tts.messages import connect_error, tts_error
from voice_host.speech.assemblyai.tts.session import VoiceSession
from voice_host.speech.assemblyai.tts.utterance import AssemblyAIUtterance
from voice_host.speech.service_socket import ConnectFailed, ServiceConnection, ServiceSockets
from voice_host_sdk import ProviderError, TTSConfig

logger = logging.getLogger(__name__)

DEFAULT_URL = "wss://tts.us.assemblyai.com/v1/ws"
DEFAULT_VOICE = "aai-jane"
SAMPLE_RATES = (8000, 16000, 22050, 24000, 44100, 48000)
"""Hz, that the service can speak at."""

KEEP_ALIVE_S = 30.0
"""A quarter of the 120 s after which the service closes an idle session."""

WORDS_TIMEOUT_S = 0.3
"""How long the word timings may take after the last audio. Speech arrives faster than it is played, so the caller does
not notice; without timings the heard text is estimated."""

# A voice of the library by its name, or any voice by its UUID.
_VOICE = re.compile(r"aai-[a-z0-9-]+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class AssemblyAITextToSpeech:
    """The service, shared by all calls.

    Args:
        api_key: sent raw in the `Authorization` header.
        url: the platform's endpoint; parameters in its query take precedence. `TTSConfig.wss_url` is for another
            service and not used, since the key is only sent to addresses that the platform chose.
        resilience: time limits for connecting, for the session to begin, and for silence once the service has the whole
            text. Normally it speaks within 1 s.
        keep_alive_s, words_timeout_s: see the constants.
    """

    name = "assemblyai"

    def __init__(
        self,
        api_key: str,
        *,
        url: str | None = None,
        resilience: ResilienceSettings | None = None,
        keep_alive_s: float = KEEP_ALIVE_S,
        words_timeout_s: float = WORDS_TIMEOUT_S,
    ) -> None:
        resilience = resilience or ResilienceSettings()
        self._has_key = bool(api_key.strip())
        # A key read from a file often ends in a line break, which would break the header.
        self._sockets = ServiceSockets(api_key.strip(), resilience)
        self._url = url or DEFAULT_URL
        self._begin_timeout_s = resilience.speech_connect_timeout_s
        self._keep_alive_s = keep_alive_s
        self._audio_timeout_s = resilience.voice_silent_after_s
        self._words_timeout_s = words_timeout_s

    async def open(self, config: TTSConfig) -> AssemblyAIVoiceStream:
        """Start connecting in the background. A failure is raised when the first utterance begins.

        Raises:
            ProviderError: `tts_auth`: there is no key. `tts_config`: the service cannot speak at that sample rate.
        """
        if not self._has_key:
            raise tts_error("tts_auth")
        url = session_url(self._url, config)

        async def connect() -> ServiceConnection:
            try:
                return await self._sockets.open(url)
            except ConnectFailed as failed:
                raise connect_error(failed) from failed

        return AssemblyAIVoiceStream(
            partial(VoiceSession, connect, begin_timeout_s=self._begin_timeout_s, keep_alive_s=self._keep_alive_s),
            partial(
                AssemblyAIUtterance,
                sample_rate=config.sample_rate,
                audio_timeout_s=self._audio_timeout_s,
                words_timeout_s=self._words_timeout_s,
            ),
        )

    async def aclose(self) -> None:
        """Do nothing: the streams share no resources."""


class AssemblyAIVoiceStream:
    """One call's stream: one session for all utterances, replaced when it has failed.

    An utterance may begin while another one speaks. They are spoken in the order in which they end, and must be read in
    that order: unread audio blocks what comes after it.
    """

    def __init__(
        self,
        new_session: Callable[[], VoiceSession],
        new_utterance: Callable[[VoiceSession, Callable[[], Awaitable[VoiceSession]]], AssemblyAIUtterance],
    ) -> None:
        self._new_session = new_session
        self._new_utterance = new_utterance
        self._session = new_session()
        self._retired: list[VoiceSession] = []
        self._closed = False

    async def utterance(self) -> AssemblyAIUtterance:
        """Begin an utterance once the service is ready.

        Raises:
            ProviderError: `tts_auth`, `tts_bad_request`, `tts_busy`, `tts_timeout`, `tts_unreachable`, ...
        """
        return self._new_utterance(await self._ready_session(), self._ready_session)

    async def aclose(self) -> None:
        """Terminate all sessions and wait for it, about 1 s at most. Idempotent. If cancelled, they are aborted."""
        self._closed = True
        async with AsyncExitStack() as closing:  # all of them, even if this is cancelled
            for session in [*self._retired, self._session]:
                closing.push_async_callback(session.aclose)

    async def _ready_session(self) -> VoiceSession:
        """Return a session that has begun: the current one or a new one."""
        for last in (False, True):
            session = self._live_session()
            try:
                await session.begun()
            except ProviderError as error:
                if last or not error.retryable:
                    raise
            else:
                return session
        raise AssertionError("unreachable")

    def _live_session(self) -> VoiceSession:
        if self._closed:
            raise tts_error("tts_failed", retryable=False)
        error = self._session.error
        if error is not None and (error.retryable or self._session.was_begun):
            self._retired = [session for session in [*self._retired, self._session] if not session.gone]
            self._session = self._new_session()
        return self._session


def session_url(base: str, config: TTSConfig) -> str:
    """Return `base` with the session's parameters; those already in `base` take precedence.

    Raises:
        ProviderError: `tts_config`: the service cannot speak at that sample rate.
    """
    if config.sample_rate not in SAMPLE_RATES:
        raise ProviderError(
            f"The voice cannot speak at {config.sample_rate} Hz: set TTSConfig.sample_rate to one of "
            f"{', '.join(map(str, SAMPLE_RATES))}.",
            code="tts_config",
            retryable=False,
        )
    parts = urlsplit(base)
    query = {
        "voice_id": voice_id(config.voice),
        "sample_rate": str(config.sample_rate),
        "encoding": "pcm_s16le",
        "word_boundaries": "true",
    }
    query.update(parse_qsl(parts.query))
    return urlunsplit(parts._replace(query=urlencode(query)))


def voice_id(voice: str) -> str:
    """Return `voice` if this service has it, else the default voice."""
    if _VOICE.fullmatch(voice):
        return voice
    logger.info("assemblyai has no voice %r, using %r", voice, DEFAULT_VOICE)
    return DEFAULT_VOICE
