"""`TestSession`, for testing tools and callbacks as plain functions, without a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from voice_host_sdk import Caller, Channel, Session


class TestSession(Session):
    """A session without a call, which records `say` and `end`.

    Args:
        session_id: its id.
        agent_id: the agent's id.
        caller: the caller as authenticated by the platform.
        metadata: sent by the client.
        channel: how the caller is connected; default: a page or program.

    Attributes:
        said: the arguments of `say`.
        ended: the arguments of `end`.
    """

    __test__ = False

    def __init__(
        self,
        session_id: str = "test",
        agent_id: str = "agent",
        *,
        caller: Caller | None = None,
        metadata: Mapping[str, Any] | None = None,
        channel: Channel | None = None,
    ) -> None:
        super().__init__(session_id, agent_id, caller=caller, metadata=metadata, channel=channel)
        self.said: list[str] = []
        self.ended: list[str] = []

    async def say(self, text: str) -> None:
        self.said.append(text)

    async def end(self, reason: str = "") -> None:
        self.ended.append(reason)
