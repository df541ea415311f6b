"""`create_voice_app`: a single agent as an application of its own, for `uvicorn server:app`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.staticfiles import StaticFiles

from voice_host.fleet.local import build_for
from voice_host.fleet.service import log_report
from voice_host.observability.logs import get_logger
from voice_host.router import create_voice_router
from voice_host.sessions.manager import VoiceAgentManager

log = get_logger(__name__)


def create_voice_app(
    *,
    tools: Sequence[Any] = (),
    agent_manager: VoiceAgentManager | None = None,
    cors_origins: Sequence[str] = (),
    static_dir: str | Path | None = "static",
    api_prefix: str = "/api",
) -> FastAPI:
    """Return an application that serves one agent at `WS {api_prefix}/session`, and `GET /health`.

    Args:
        tools: functions the agent may use; for everything else about the agent pass an `agent_manager`.
        agent_manager: the sessions of the agent, which end with the application.
        cors_origins: origins of other sites whose pages may use the HTTP routes.
        static_dir: a folder of pages served at `/`; if it is missing, a warning is logged. None: no pages.
        api_prefix: the prefix of the session's route.

    Raises:
        TypeError: both `tools` and `agent_manager` are given.
    """
    if tools and agent_manager is not None:
        raise TypeError("pass the tools to the VoiceAgentManager: VoiceAgentManager(tools=[...])")
    manager = agent_manager or VoiceAgentManager(tools=tools)
    agents = build_for(manager)
    log_report(agents.report)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        await agents.start()
        try:
            yield
        finally:
            await agents.stop()

    app = FastAPI(title="voice agent", lifespan=life)
    if cors_origins:
        app.add_middleware(CORSMiddleware, allow_origins=list(cors_origins), allow_methods=["*"], allow_headers=["*"])

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    app.include_router(
        create_voice_router(agent_manager=manager, handler=agents.handler(manager.agent_id)), prefix=api_prefix
    )
    if static_dir is not None:
        if Path(static_dir).is_dir():
            app.mount("/", StaticFiles(directory=static_dir, html=True), name="static")
        else:
            # A sentence, since an application without logging configuration sees only the message.
            log.warning(f"the folder {static_dir} is missing, so no pages are served at /")
    return app
