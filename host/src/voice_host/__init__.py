"""One server for many voice agents. These names are the public API; everything else is internal.

Names are imported lazily, so that `voice-host --help` imports neither the web framework nor model libraries.
"""

import os
from importlib import import_module
from importlib.metadata import distributions
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic_ai import Tool

    from voice_host.call.handler import VoiceSessionHandler
    from voice_host.conversation.voice_agent import VoiceAgent, VoiceResponse
    from voice_host.outbound.public_fetch import AddressRefused, FetchedPage, FetchError, fetch_public_url
    from voice_host.router import create_voice_router
    from voice_host.sessions.manager import VoiceAgentManager
    from voice_host.text import VoiceCleaner, normalize_voice_text
    from voice_host.voice_app import create_voice_app
    from voice_host.web_tools import duckduckgo_search_tool, visit_url_tool
    from voice_host_sdk import DEFAULT_GREETING, DEFAULT_INSTRUCTIONS, AgentConfig, STTConfig, TTSConfig
    from voice_host_sdk import DEFAULT_VOICE_RULES as VOICE_RULES

_HOMES = {
    "AddressRefused": "voice_host.outbound.public_fetch",
    "AgentConfig": "voice_host_sdk",
    "DEFAULT_GREETING": "voice_host_sdk",
    "DEFAULT_INSTRUCTIONS": "voice_host_sdk",
    "FetchError": "voice_host.outbound.public_fetch",
    "FetchedPage": "voice_host.outbound.public_fetch",
    "STTConfig": "voice_host_sdk",
    "TTSConfig": "voice_host_sdk",
    "Tool": "pydantic_ai",
    "VOICE_RULES": "voice_host_sdk:DEFAULT_VOICE_RULES",
    "VoiceAgent": "voice_host.conversation.voice_agent",
    "VoiceAgentManager": "voice_host.sessions.manager",
    "VoiceCleaner": "voice_host.text",
    "VoiceResponse": "voice_host.conversation.voice_agent",
    "VoiceSessionHandler": "voice_host.call.handler",
    "create_voice_app": "voice_host.voice_app",
    "create_voice_router": "voice_host.router",
    "duckduckgo_search_tool": "voice_host.web_tools",
    "fetch_public_url": "voice_host.outbound.public_fetch",
    "normalize_voice_text": "voice_host.text",
    "visit_url_tool": "voice_host.web_tools",
}

__all__ = [
    "DEFAULT_GREETING",
    "DEFAULT_INSTRUCTIONS",
    "VOICE_RULES",
    "AddressRefused",
    "AgentConfig",
    "FetchError",
    "FetchedPage",
    "STTConfig",
    "TTSConfig",
    "Tool",
    "VoiceAgent",
    "VoiceAgentManager",
    "VoiceCleaner",
    "VoiceResponse",
    "VoiceSessionHandler",
    "create_voice_app",
    "create_voice_router",
    "duckduckgo_search_tool",
    "fetch_public_url",
    "normalize_voice_text",
    "visit_url_tool",
]


def keep_pydantic_importable() -> None:
    """Disable pydantic's plugins if a distribution is damaged. Call it before anything imports pydantic.

    pydantic reads the entry points of all distributions when its first model is created. If one of them is unreadable,
    that fails, and so does the import of everything that uses pydantic. The damaged distribution is reported when
    agents are discovered. Takes about 3 ms for a hundred distributions.
    """
    try:
        for distribution in distributions():
            _ = distribution.entry_points
    except Exception:  # noqa: BLE001 - it may be damaged in any way
        os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


if not TYPE_CHECKING:  # otherwise a type checker would accept any name

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        keep_pydantic_importable()
        module, _, original = _HOMES[name].partition(":")
        return getattr(import_module(module), original or name)
