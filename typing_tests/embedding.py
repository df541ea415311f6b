"""What `voice_host` hands on to those who run a server of their own."""

from __future__ import annotations

from typing import assert_type

from fastapi import APIRouter, FastAPI, WebSocket

from voice_host import (
    AgentConfig,
    ChatReply,
    Tool,
    TTSConfig,
    VoiceAgent,
    VoiceAgentManager,
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
    assert_type(await agent.chat("Hello"), ChatReply)


async def destroyed(session_id: str) -> None: ...


app = create_voice_app(tools=[get_weather, duckduckgo_search_tool(), visit_url_tool()], static_dir=None)
manager = VoiceAgentManager(
    AgentConfig(),
    tts_config=TTSConfig(voice="jess"),
    on_session_created=created,
    on_session_destroyed=destroyed,
)
handler = VoiceSessionHandler(agent_manager=manager, tts_api_key="key", cleaner=normalize_voice_text)


@app.websocket("/mine")
async def mine(ws: WebSocket) -> None:
    await handler.handle(ws, caller=Caller("kim"))


assert_type(app, FastAPI)
assert_type(create_voice_router(agent_manager=manager), APIRouter)
assert_type(manager.tts_config, TTSConfig)

VoiceAgentManager(on_session_created=destroyed)  # type: ignore[arg-type]
VoiceSessionHandler(manager)  # type: ignore[call-arg]
create_voice_app(agent_manager=handler)  # type: ignore[arg-type]
