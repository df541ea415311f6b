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
from voice_host_sdk.hooks import AGENT_ID_PATTERN, ENTRY_POINT_GROUP, PROJECT_NAME, hookimpl
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
    "PROJECT_NAME",
    "AgentConfig",
    "AgentReply",
    "Caller",
    "LifecycleCallbacks",
    "OnInterrupt",
    "ProviderError",
    "STTConfig",
    "Session",
    "SessionEnd",
    "SessionError",
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
    "hookimpl",
    "tool",
    "tool_name",
    "tool_options",
]
