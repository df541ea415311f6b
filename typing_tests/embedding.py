"""What `voice_host` hands on to those who run a server of their own."""

from __future__ import annotations

from typing import assert_type

from fastapi import APIRouter, FastAPI, WebSocket

from voice_host import (
    DEFAULT_GREETING,
    DEFAULT_INSTRUCTIONS,
    VOICE_RULES,
    AgentConfig,
    STTConfig,
    Tool,
    TTSConfig,
    VoiceAgent,
    VoiceAgentManager,
    VoiceCleaner,
    VoiceResponse,
    VoiceSessionHandler,
    create_voice_app,
    create_voice_router,
    duckduckgo_search_tool,
    normalize_voice_text,
    visit_url_tool,
)
from voice_host_sdk import Caller


@Tool
def get_weather(city: str) -> str:
    """Tell the weather."""
    return city


async def created(session_id: str, agent: VoiceAgent) -> None:
    assert_type(await agent.chat("Hello"), VoiceResponse)
    assert_type(await agent.greet(), VoiceResponse)
    assert_type((await agent.greet()).error, str | None)
    assert_type(await manager.active_sessions(), int)


async def destroyed(session_id: str) -> None: ...


app = create_voice_app(tools=[get_weather, duckduckgo_search_tool(), visit_url_tool()], static_dir=None)
manager = VoiceAgentManager(
    config=AgentConfig(),
    tools=[get_weather],
    tts_config=TTSConfig(voice="jess"),
    on_session_created=created,
    on_session_destroyed=destroyed,
)
handler = VoiceSessionHandler(agent_manager=manager, tts_api_key="key", cleaner=normalize_voice_text)


@app.websocket("/mine")
async def mine(ws: WebSocket) -> None:
    await handler.handle(ws, caller=Caller("kim"))


by_fields = VoiceAgentManager(
    "key",
    ttl_seconds=0,
    model="openai:gpt-4.1-mini",
    tools=[get_weather],
    instructions=DEFAULT_INSTRUCTIONS,
    max_steps=4,
    model_settings={"temperature": 0.2},
    stt_config=STTConfig(),
    tts_config=TTSConfig(voice="aria", temperature=0.8),
    greeting=DEFAULT_GREETING,
    voice_rules=VOICE_RULES,
)
VoiceAgent("key", model_settings={"max_tokens": 100}, greeting="Hello.")

assert_type(VoiceCleaner().normalize("5 km"), str)
assert_type(app, FastAPI)
assert_type(create_voice_router(agent_manager=manager), APIRouter)
assert_type(manager.tts_config, TTSConfig)

VoiceAgentManager(AgentConfig())  # type: ignore[arg-type]
VoiceAgentManager(on_session_created=destroyed)  # type: ignore[arg-type]
VoiceSessionHandler(manager)  # type: ignore[call-arg]
create_voice_app(agent_manager=handler)  # type: ignore[arg-type]
