"""A session as the host would hand it to the plugin, which remembers what was asked of it."""

from __future__ import annotations

from typing import Any

from voice_host_sdk import Session


class RecordingSession(Session):
    def __init__(self, session_id: str = "s1", metadata: dict[str, Any] | None = None) -> None:
        super().__init__(session_id, "front-desk", metadata=metadata)
        self.said: list[str] = []
        self.ended: list[str] = []

    async def say(self, text: str) -> None:
        self.said.append(text)

    async def end(self, reason: str = "") -> None:
        self.ended.append(reason)
