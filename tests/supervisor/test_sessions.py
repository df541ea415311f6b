"""The sessions that the front knows, and the states from which they can be restored."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from voice_host.admission import Lease
from voice_host.sessions.checkpoint import Checkpoint
from voice_host.sessions.refusals import ResumeRefused
from voice_host.sessions.resume_token import digest_of
from voice_host.supervisor import sessions
from voice_host.supervisor.sessions import Entry, SessionTable
from voice_host_sdk import Caller

ANNA = Caller("anna")
GRACE_S = 30.0


def worker() -> Any:
    order = SimpleNamespace(release=SimpleNamespace(name="1.0"), alias="production")
    return SimpleNamespace(order=order, status="ready", log_fields={"agent_id": "desk"})


class Table(SessionTable):
    """A table with shorter words for tests."""

    def __init__(self) -> None:
        self.ended: list[Entry] = []
        super().__init__(GRACE_S, self.ended.append)

    def begin(self, session_id: str, at: Any) -> str:
        """Let a session begin at a worker. Returns its resume token."""
        token = f"{session_id}.secret"
        self.connected(at, Lease(session_id, "desk", ANNA, 1), digest_of(token))
        return token

    def state(self, token: str, at: Any) -> bytes:
        """What a worker is given to restore a session; empty: it need not, or it cannot."""
        return self.restore(self.opened_by("desk", token, ANNA), at)[0]


def complete(*messages: str) -> Checkpoint:
    return Checkpoint(b'{"head":1}', added=[message.encode() for message in messages])


async def test_checkpoints_add_up_to_a_state() -> None:
    table, first, second = Table(), worker(), worker()
    token = table.begin("s", first)
    table.checkpoint(first, "s", complete("1", "2", "3"))
    table.checkpoint(first, "s", Checkpoint(b'{"head":2}', dropped=1, kept=1, added=[b"4"]))
    assert table.state(token, second) == b"", "its worker has it"
    table.worker_lost(first)
    assert table.state(token, second) == b'{"head":2,"history":[2,4]}'
    table.checkpoint(first, "s", complete("late"))
    assert table.state(token, second) == b'{"head":2,"history":[2,4]}'


async def test_a_state_that_was_withdrawn_is_not_used() -> None:
    table, lost = Table(), worker()
    token = table.begin("s", lost)
    table.checkpoint(lost, "s", complete("1"))
    table.checkpoint(lost, "s", None)
    table.checkpoint(lost, "s", Checkpoint(b'{"head":2}', kept=1, added=[b"2"]))  # it needs the one before
    table.worker_lost(lost)
    with pytest.raises(ResumeRefused):
        table.state(token, worker())


async def test_beyond_the_limit_the_oldest_states_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MAX_STATES_BYTES", 1000)
    table, lost = Table(), worker()
    tokens = [table.begin(f"s{number}", lost) for number in range(4)]
    for number in range(4):
        table.checkpoint(lost, f"s{number}", complete("x" * 300))
    table.checkpoint(lost, "s1", complete("y" * 300))
    table.worker_lost(lost)
    with pytest.raises(ResumeRefused):
        table.state(tokens[0], worker())
    assert [bool(table.state(token, worker())) for token in tokens[1:]] == [True, True, True]


async def test_only_one_worker_restores_a_session() -> None:
    table, lost, second, third = Table(), worker(), worker(), worker()
    token = table.begin("s", lost)
    table.checkpoint(lost, "s", complete("1"))
    table.worker_lost(lost)
    entry = table.opened_by("desk", token, ANNA)
    assert entry.holder is None
    assert table.state(token, second)
    assert entry.holder is second
    second.status = "ended"  # before it had restored it
    assert entry.holder is None
    assert table.state(token, third)
    table.begin("s", third)
    assert entry.worker is entry.holder is third
    assert table.state(token, third) == b""


async def test_who_does_not_come_back_in_time_has_left() -> None:
    table, lost = Table(), worker()
    token = table.begin("s", lost)
    table.checkpoint(lost, "s", complete("1"))
    table.worker_lost(lost)
    await asyncio.sleep(GRACE_S - 1)
    assert table.state(token, worker()), "which gives it another grace period, since it may fail"
    await asyncio.sleep(GRACE_S - 1)
    assert not table.ended
    await asyncio.sleep(2)
    (entry,) = table.ended
    assert entry.state is not None
    assert entry.state.to_bytes() == b'{"head":1,"history":[1]}'
    assert len(table) == 0
    with pytest.raises(ResumeRefused):
        table.state(token, worker())


async def test_a_session_that_ends_worker_after_worker_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    table, at = Table(), worker()
    token = table.begin("s", at)
    table.checkpoint(at, "s", complete("1"))
    for restored in (True, False, True):  # or the worker was lost before it had restored the session
        table.worker_lost(at)
        at = worker()
        assert table.state(token, at)
        if restored:
            table.begin("s", at)
    table.worker_lost(at)
    with pytest.raises(ResumeRefused):
        table.state(token, worker())
    assert "session_given_up" in caplog.text
    await asyncio.sleep(2 * GRACE_S)
    assert not table.ended, "nor is it restored for its last callback"


async def test_a_session_that_has_ended_is_not_restored() -> None:
    table, lost = Table(), worker()
    token = table.begin("s", lost)
    table.checkpoint(lost, "s", complete("1"))
    table.end("s", lost)
    table.worker_lost(lost)
    with pytest.raises(ResumeRefused):
        table.state(token, worker())
    await asyncio.sleep(GRACE_S + 1)
    assert not table.ended
