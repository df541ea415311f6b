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
        agent_manager: the sessions of the agent.
        handler: runs the calls, and is closed by the caller; default: one with the services that the environment
            configures, which stay open as long as the process.
        path: the path of the route.
    """
    router = APIRouter()
    sessions = handler or VoiceSessionHandler(agent_manager=agent_manager)

    @router.websocket(path)
    async def session(ws: WebSocket) -> None:
        await sessions.handle(ws)

    return router
