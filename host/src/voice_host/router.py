"""The WebSocket route of a single agent."""

from __future__ import annotations

from fastapi import APIRouter, WebSocket

from voice_host.call.handler import VoiceSessionHandler
from voice_host.sessions.manager import VoiceAgentManager


def create_voice_router(
    *, agent_manager: VoiceAgentManager, handler: VoiceSessionHandler | None = None, path: str = "/session"
) -> APIRouter:
    """Return a router with one WebSocket route that runs calls.

    Args:
        agent_manager: whose agent answers.
        handler: runs the calls, and is closed by whoever made it; default: one with the services the environment
            configures, which stay open as long as the process.
        path: of the route.
    """
    router = APIRouter()
    sessions = handler or VoiceSessionHandler(agent_manager=agent_manager)

    @router.websocket(path)
    async def session(ws: WebSocket) -> None:
        await sessions.handle(ws)

    return router
