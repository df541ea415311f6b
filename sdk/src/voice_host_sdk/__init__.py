"""The contract between voice-host and the voice agents it runs."""

from voice_host_sdk.agent_config import (
    DEFAULT_INSTRUCTIONS,
    DEFAULT_VOICE_RULES,
    AgentConfig,
    SilenceConfig,
    TurnConfig,
    tool_name,
)
from voice_host_sdk.callbacks import LifecycleCallbacks
from voice_host_sdk.extensions import (
    EXTENSION_ENTRY_POINT_GROUP,
    EXTENSION_NAME_PATTERN,
    EXTENSIONS_PROJECT_NAME,
    Authenticator,
    Connection,
    Denied,
    extensionimpl,
)
from voice_host_sdk.hooks import AGENT_ID_PATTERN, ENTRY_POINT_GROUP, PROJECT_NAME, hookimpl
from voice_host_sdk.observer import ObservedSession, SessionObserver
from voice_host_sdk.providers import (
    ProviderError,
    SpeechAudio,
    SpeechEnded,
    SpeechEvent,
    SpeechStarted,
    SpeechToText,
    SpeechToTextStream,
    TextToSpeech,
    TextToSpeechStream,
    Transcript,
    Utterance,
    WordTiming,
)
from voice_host_sdk.session import AgentReply, Caller, Session, SessionEnd, SessionError, ToolCall, UserTurn
from voice_host_sdk.speech_config import DEFAULT_STT_WSS_BASE, DEFAULT_TTS_WSS_URL, STTConfig, TTSConfig
from voice_host_sdk.tools import OnInterrupt, ToolOptions, tool, tool_options

__all__ = [
    "AGENT_ID_PATTERN",
    "DEFAULT_INSTRUCTIONS",
    "DEFAULT_STT_WSS_BASE",
    "DEFAULT_TTS_WSS_URL",
    "DEFAULT_VOICE_RULES",
    "ENTRY_POINT_GROUP",
    "EXTENSIONS_PROJECT_NAME",
    "EXTENSION_ENTRY_POINT_GROUP",
    "EXTENSION_NAME_PATTERN",
    "PROJECT_NAME",
    "AgentConfig",
    "AgentReply",
    "Authenticator",
    "Caller",
    "Connection",
    "Denied",
    "LifecycleCallbacks",
    "ObservedSession",
    "OnInterrupt",
    "ProviderError",
    "STTConfig",
    "Session",
    "SessionEnd",
    "SessionError",
    "SessionObserver",
    "SilenceConfig",
    "SpeechAudio",
    "SpeechEnded",
    "SpeechEvent",
    "SpeechStarted",
    "SpeechToText",
    "SpeechToTextStream",
    "TTSConfig",
    "TextToSpeech",
    "TextToSpeechStream",
    "ToolCall",
    "ToolOptions",
    "Transcript",
    "TurnConfig",
    "UserTurn",
    "Utterance",
    "WordTiming",
    "extensionimpl",
    "hookimpl",
    "tool",
    "tool_name",
    "tool_options",
]
