"""Ends the calls of keys that were revoked with `voice-host keys revoke --end-calls`."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from voice_host.auth.gate import Gate, key_of
from voice_host.auth.key_ring import RECHECK_S, KeyRing
from voice_host.fleet.local import Host
from voice_host.observability.logs import get_logger
from voice_host.sessions.sweeper import Sweeper
from voice_host.tasks import in_background

log = get_logger(__name__)


@asynccontextmanager
async def ending_revoked_calls(gate: Gate, host: Host) -> AsyncIterator[None]:
    """While inside, look every second for calls that are to end."""
    if gate.keys is None:
        yield
        return
    sweeper = Sweeper("revoked-calls", RECHECK_S, _RevokedCalls(gate.keys, host).end)
    sweeper.start()
    try:
        yield
    finally:
        await sweeper.stop()


class _RevokedCalls:
    """Looks at all calls each time: one may have been let in just before its key was revoked, and begin afterwards."""

    def __init__(self, keys: KeyRing, host: Host) -> None:
        self._keys = keys
        self._host = host
        self._told: set[str] = set()
        """Sessions that are ending."""

    async def end(self) -> None:
        """End the sessions that were begun with revoked keys, those that wait for their callers too."""
        revoked = await self._keys.calls_ended()
        seen: set[str] = set()
        ended: Counter[str] = Counter()
        for manager in self._host.managers():
            for session in manager.sessions():
                key_id = key_of(session.live.caller)
                if key_id is None or key_id not in revoked:
                    continue
                if session.connection is not None:
                    session.connection.revoke()
                elif session.parked_at is not None:
                    # Not awaited: its callbacks take time.
                    in_background(manager.remove(session.id), "end-revoked-call", of=session.id)
                else:
                    continue  # about to be connected
                seen.add(session.id)
                if session.id not in self._told:
                    ended[key_id] += 1
        self._told = seen
        for key_id, calls in ended.items():
            log.info("calls_of_revoked_key_ended", key_id=key_id, calls=calls)
