"""The sessions of all workers: which worker has them, and who may resume them."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable
from dataclasses import dataclass

from voice_host.admission import Lease
from voice_host.observability.logs import get_logger
from voice_host.sessions.checkpoint import Checkpoint, SavedState
from voice_host.sessions.refusals import ResumeRefused
from voice_host.sessions.resume_token import digest_of, is_caller, session_of
from voice_host.supervisor.worker import Worker
from voice_host_sdk import Caller

log = get_logger(__name__)

MAX_STATES_BYTES = 256 * 1024 * 1024
"""Limit of all checkpoints: some 4,000 sessions of 20 turns. Beyond it, those that have not changed for longest are
dropped, until their callers connect again: those sessions end with their workers."""


MAX_LOSSES = 3
"""Workers that a session may lose. After that it is not restored any more: it may be what ends them, and an agent whose
workers fail again and again is taken out of service."""

TIMER_MARGIN_S = 0.1
"""So that a timer does not fire a rounding error too early."""


@dataclass(slots=True)
class Entry:
    """A session.

    Attributes:
        lease: of its first call.
        worker: the worker that has it; None: that worker was lost.
        home: the release, by name, and the alias of its worker.
        digest: SHA-256 of its valid resume token, hexadecimal; None: there is none.
        state: what its checkpoints add up to; None: it cannot be restored.
        state_at_s: when the newest checkpoint came.
        lost_at_s: when its worker was lost.
        restoring: the worker that was last asked to restore it.
        losses: how many of its workers were lost.
    """

    lease: Lease
    worker: Worker | None
    home: tuple[str, str]
    digest: str | None = None
    state: SavedState | None = None
    state_at_s: float = 0.0
    lost_at_s: float | None = None
    restoring: Worker | None = None
    losses: int = 0

    @property
    def holder(self) -> Worker | None:
        """The worker that has the session or is restoring it, so that no other one restores it, too."""
        if self.worker is None and self.restoring is not None and self.restoring.status != "ended":
            return self.restoring
        return self.worker


class SessionTable:
    """The sessions that have begun and not ended. Belongs to one event loop.

    Args:
        grace_s: how long a session whose worker was lost waits for its caller.
        end: called with each such session whose caller did not come back in time.
    """

    def __init__(self, grace_s: float, end: Callable[[Entry], None]) -> None:
        self._grace_s = grace_s
        self._end_lost = end
        self._loop = asyncio.get_running_loop()
        self._entries: dict[str, Entry] = {}
        self._states_bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, session_id: str) -> Entry | None:
        """Return a session, unless its worker was lost and its caller did not come back in time."""
        entry = self._entries.get(session_id)
        return None if entry is None or self._expired(entry) else entry

    def connected(self, worker: Worker, lease: Lease, digest: str | None) -> None:
        """Note that a worker has the session of a call. Earlier resume tokens are void."""
        entry = self._entries.get(lease.session_id)
        if entry is None:
            home = worker.order.release.name, worker.order.alias
            entry = self._entries[lease.session_id] = Entry(lease, worker, home)
        entry.worker, entry.digest, entry.lost_at_s, entry.restoring = worker, digest, None, None

    def checkpoint(self, worker: Worker, session_id: str, checkpoint: Checkpoint | None) -> None:
        """Apply a checkpoint of a session. None: it cannot be restored any more."""
        entry = self._entries.get(session_id)
        if entry is None or entry.worker is not worker:
            return
        state = entry.state or SavedState()
        self._drop_state(entry)
        if checkpoint is None:
            return
        try:
            state.apply(checkpoint)
        except ValueError:  # the checkpoints before were dropped, since there were too many
            return
        entry.state, entry.state_at_s = state, self._loop.time()
        self._states_bytes += state.size
        self._entries[session_id] = self._entries.pop(session_id)  # the oldest checkpoints come first
        self._bound()

    def _bound(self) -> None:
        for entry in self._entries.values():
            if self._states_bytes <= MAX_STATES_BYTES:
                return
            self._drop_state(entry)

    def _drop_state(self, entry: Entry) -> None:
        if entry.state is not None:
            self._states_bytes -= entry.state.size
            entry.state = None

    def end(self, session_id: str, worker: Worker | None = None) -> None:
        """Forget a session that has ended. `worker`: only if this worker has it."""
        entry = self._entries.get(session_id)
        if entry is not None and (worker is None or entry.worker is worker):
            self._drop_state(entry)
            del self._entries[session_id]

    def worker_lost(self, worker: Worker) -> None:
        """Let the sessions of a lost worker wait for their callers; those that cannot be restored end."""
        for session_id, entry in list(self._entries.items()):
            if worker not in (entry.worker, entry.restoring):
                continue
            entry.losses += 1
            if entry.losses > MAX_LOSSES:
                log.warning("session_given_up", **worker.log_fields, session_id=session_id, losses=entry.losses)
                self.end(session_id)
            elif entry.state is not None and entry.digest is not None and self._grace_s > 0:
                entry.worker = entry.restoring = None
                self._wait_for_caller(entry)
            else:
                self.end(session_id)

    def _wait_for_caller(self, entry: Entry) -> None:
        entry.lost_at_s = self._loop.time()
        self._loop.call_later(self._grace_s + TIMER_MARGIN_S, self._expire)

    def _expire(self) -> None:
        """Forget the sessions of lost workers whose callers did not come back in time."""
        for session_id, entry in list(self._entries.items()):
            if self._expired(entry):
                if entry.state is not None:
                    self._states_bytes -= entry.state.size
                del self._entries[session_id]
                self._end_lost(entry)

    def _expired(self, entry: Entry) -> bool:
        return entry.lost_at_s is not None and self._loop.time() >= entry.lost_at_s + self._grace_s

    def opened_by(self, agent_id: str, token: str, caller: Caller | None) -> Entry:
        """Return the session of a resume token, without using the token up.

        Raises:
            ResumeRefused: the token is invalid.
        """
        entry = self.get(session_of(token))
        valid = (
            entry is not None
            and entry.lease.agent_id == agent_id
            and entry.digest is not None
            and hmac.compare_digest(entry.digest, digest_of(token))
            and is_caller(entry.lease.caller, caller)
        )
        if entry is None or not valid:
            raise ResumeRefused
        return entry

    def restore(self, entry: Entry, worker: Worker) -> tuple[bytes, float]:
        """Note that a worker is asked to restore a session whose worker was lost.

        Returns:
            its `ResumeState`, and the state's age in seconds; empty: there is nothing to restore.
        """
        if entry.worker is not None or entry.state is None:
            return b"", 0.0
        entry.restoring = worker
        self._wait_for_caller(entry)  # anew, in case that it fails
        return entry.state.to_bytes(), self.age_s(entry)

    def age_s(self, entry: Entry) -> float:
        """Return how old a session's state is, in seconds."""
        return self._loop.time() - entry.state_at_s

    def workers_of(self, is_theirs: Callable[[Caller | None], bool]) -> set[Worker]:
        """Return the workers that have sessions of these callers. Sessions of theirs whose workers were lost end."""
        workers = set()
        for session_id, entry in list(self._entries.items()):
            if not is_theirs(entry.lease.caller):
                continue
            if entry.worker is None:
                self.end(session_id)
            else:
                workers.add(entry.worker)
        return workers
