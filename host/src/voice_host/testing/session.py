"""`TestSession`, for testing tools and callbacks as plain functions, without a call."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from voice_host.sessions.phone_requests import DigitsWanted, checked_digits, checked_number
from voice_host_sdk import Caller, Channel, Session


class TestSession(Session):
    """A session without a call, which records what is asked of it.

    Args:
        session_id: its id.
        agent_id: the agent's id.
        caller: the caller as authenticated by the platform.
        metadata: sent by the client.
        channel: how the caller is connected; default: a page or program, or a telephone if there are `digits`.
        digits: what `collect_digits` returns, one after the other; then, empty texts.

    Attributes:
        said: the arguments of `say`.
        ended: the arguments of `end`.
        transfers: the arguments of `transfer`.
        digits_sent: the arguments of `send_digits`.
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
        digits: Iterable[str] = (),
    ) -> None:
        self._digits = deque(digits)
        if channel is None and self._digits:
            channel = Channel("test", "phone")
        super().__init__(session_id, agent_id, caller=caller, metadata=metadata, channel=channel)
        self.said: list[str] = []
        self.ended: list[str] = []
        self.transfers: list[str] = []
        self.digits_sent: list[str] = []

    async def say(self, text: str) -> None:
        self.said.append(text)

    async def end(self, reason: str = "") -> None:
        self.ended.append(reason)

    async def collect_digits(
        self, count: int | None = None, *, finish: str = "#", timeout_s: float = 10.0, between_s: float = 4.0
    ) -> str:
        if self.channel.kind != "phone":
            return await super().collect_digits(count)
        DigitsWanted(count, finish, timeout_s, between_s)
        return self._digits.popleft() if self._digits else ""

    async def transfer(self, to: str) -> None:
        if self.channel.kind != "phone":
            await super().transfer(to)
        self.transfers.append(checked_number(to))

    async def send_digits(self, digits: str) -> None:
        if self.channel.kind != "phone":
            await super().send_digits(digits)
        self.digits_sent.append(checked_digits(digits))
