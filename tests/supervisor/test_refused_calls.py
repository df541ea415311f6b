"""Calls that no worker takes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.watched import Watched
from voice_host.admission import Admission, Lease
from voice_host.clients.close_codes import CloseCode
from voice_host.clients.protocol import Opening
from voice_host.settings import LimitsSettings
from voice_host.supervisor.calls import WorkerCalls


class NoWorkers:
    """A fleet that is shutting down."""

    serves = False

    def group_for(self, lease: Lease, home: tuple[str, str] | None = None) -> None:
        return None


class Client:
    """A connection that remembers how it was closed."""

    def __init__(self) -> None:
        self.closed: list[CloseCode] = []

    async def accept(self) -> None:
        pass

    async def refuse(self, code: CloseCode, reason: str) -> None:
        self.closed.append(code)


async def test_a_call_that_no_worker_takes_is_refused_and_logged_with_its_session(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lease = Admission(LimitsSettings()).lease("a-session", "desk")
    assert isinstance(lease, Lease)
    fleet: Any = NoWorkers()
    client: Any = Client()
    watched = Watched(caplog, "calls_refused", agent="desk", code=str(int(CloseCode.COME_BACK)))
    await WorkerCalls(fleet).take(client, lease, Opening())
    assert client.closed == [CloseCode.COME_BACK]
    assert watched.count == watched.logged("call_refused", session_id="a-session", agent_id="desk") == 1
