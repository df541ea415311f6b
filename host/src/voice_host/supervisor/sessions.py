"""The sessions of all workers: which worker has them, and who may resume them."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from voice_host.admission import Lease
from voice_host.sessions.refusals import ResumeRefused
from voice_host.sessions.resume_token import digest_of, session_of
from voice_host.supervisor.worker import Worker
from voice_host_sdk import Caller

MAX_STATES_BYTES = 256 * 1024 * 1024
"""Limit of all checkpoints. Beyond it, the oldest are dropped: those sessions end with their workers."""


@dataclass(slots=True)
class Entry:
    """A session.

    Attributes:
        agent_id, target, caller: of the lease of its first call.
        worker: the worker that has it; None: that worker was lost.
        digest: SHA-256 of its valid resume token, hexadecimal; None: there is none.
        state: the newest checkpoint; empty: there is none.
        state_at_s: when the checkpoint was made.
        lost_at_s: when its worker was lost.
    """

    agent_id: str
    target: str | None
    caller: Caller | None
    worker: Worker | None
    digest: str | None = None
    state: bytes = b""
    state_at_s: float = 0.0
    lost_at_s: float | None = None


class SessionTable:
    """The sessions that begun and have not ended. Belongs to one event loop.

    Args:
        grace_s: how long a session whose worker was lost waits for its caller.
        clock: seconds, monotonic.
    """

    def __init__(self, grace_s: float, clock: Callable[[], float]) -> None:
        self._grace_s = grace_s
        self._clock = clock
        self._entries: dict[str, Entry] = {}
        self._states_bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, session_id: str) -> Entry | None:
        """Return a session, unless its worker was lost and its caller did not come back in time."""
        entry = self._entries.get(session_id)
        if entry is not None and self._expired(entry):
            self.end(session_id)
            return None
        return entry

    def connected(self, worker: Worker, lease: Lease, digest: str | None) -> None:
        """Note that a worker has the session of a call. Earlier resume tokens are void."""
        entry = self._entries.get(lease.session_id)
        if entry is None:
            entry = self._entries[lease.session_id] = Entry(lease.agent_id, lease.target, lease.caller, worker)
        entry.worker, entry.digest, entry.lost_at_s = worker, digest, None

    def checkpoint(self, worker: Worker, session_id: str, state: bytes) -> None:
        """Keep the newest `ResumeState` of a session."""
        entry = self._entries.get(session_id)
        if entry is None or entry.worker is not worker:
            return
        self._drop_state(entry)
        entry.state, entry.state_at_s = state, self._clock()
        self._states_bytes += len(state)
        self._entries[session_id] = self._entries.pop(session_id)  # the oldest checkpoints come first
        self._bound()

    def _bound(self) -> None:
        for entry in self._entries.values():
            if self._states_bytes <= MAX_STATES_BYTES:
                return
            self._drop_state(entry)

    def _drop_state(self, entry: Entry) -> None:
        self._states_bytes -= len(entry.state)
        entry.state = b""

    def end(self, session_id: str, worker: Worker | None = None) -> None:
        """Forget a session that has ended. `worker`: only if this worker has it."""
        entry = self._entries.get(session_id)
        if entry is not None and (worker is None or entry.worker is worker):
            self._drop_state(entry)
            del self._entries[session_id]

    def worker_lost(self, worker: Worker) -> None:
        """Let the sessions of a lost worker wait for their callers; those that cannot be restored end."""
        self.expire()
        for session_id, entry in list(self._entries.items()):
            if entry.worker is not worker:
                continue
            if entry.state and entry.digest is not None and self._grace_s > 0:
                entry.worker, entry.lost_at_s = None, self._clock()
            else:
                self.end(session_id)

    def expire(self) -> None:
        """Forget the sessions of lost workers whose callers did not come back in time."""
        for session_id, entry in list(self._entries.items()):
            if self._expired(entry):
                self.end(session_id)

    def _expired(self, entry: Entry) -> bool:
        return entry.lost_at_s is not None and self._clock() >= entry.lost_at_s + self._grace_s

    def opened_by(self, agent_id: str, token: str, caller: Caller | None) -> Entry:
        """Return the session of a resume token, without using the token up.

        Raises:
            ResumeRefused: the token is invalid.
        """
        entry = self.get(session_of(token))
        valid = (
            entry is not None
            and entry.agent_id == agent_id
            and entry.digest is not None
            and hmac.compare_digest(entry.digest, digest_of(token))
            and _is_same(entry.caller, caller)
        )
        if entry is None or not valid:
            raise ResumeRefused("there is no call to resume: call again without the resume token")
        return entry

    def restorable(self, session_id: str) -> tuple[bytes, float]:
        """Return the checkpoint of a session whose worker was lost, and its age in seconds; empty: there is none."""
        entry = self._entries.get(session_id)
        if entry is None or entry.worker is not None or not entry.state:
            return b"", 0.0
        return entry.state, self._clock() - entry.state_at_s

    def workers_of(self, is_theirs: Callable[[Caller | None], bool]) -> set[Worker]:
        """Return the workers that have sessions of these callers. Sessions of theirs whose workers were lost end."""
        workers = set()
        for session_id, entry in list(self._entries.items()):
            if not is_theirs(entry.caller):
                continue
            if entry.worker is None:
                self.end(session_id)
            else:
                workers.add(entry.worker)
        return workers


def _is_same(owner: Caller | None, caller: Caller | None) -> bool:
    """Whether a caller began a session. Without authentication, every caller counts as the same."""
    if owner is None or caller is None:
        return owner is caller
    return (owner.issuer, owner.identity) == (caller.issuer, caller.identity)
