"""Ends the calls of keys that were revoked with `voice-host keys revoke --end-calls`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from voice_host.auth.gate import Gate, key_of
from voice_host.auth.key_ring import RECHECK_S, KeyRing
from voice_host.logs import get_logger
from voice_host.server.host import Host
from voice_host.tasks import in_background

log = get_logger(__name__)


@asynccontextmanager
async def ending_revoked_calls(gate: Gate, host: Host) -> AsyncIterator[None]:
    """While inside, look every second for keys whose calls are to end."""
    if gate.keys is None:
        yield
        return
    watch = in_background(_watch(gate.keys, host), "end-revoked-calls")
    try:
        yield
    finally:
        watch.cancel()
        await asyncio.wait((watch,))


async def _watch(keys: KeyRing, host: Host) -> None:
    ended: frozenset[str] = frozenset()
    while True:
        revoked = await keys.calls_ended()
        for key_id in revoked - ended:
            if calls := await _end(key_id, host):
                log.info("calls_of_revoked_key_ended", key_id=key_id, calls=calls)
        ended = revoked
        await asyncio.sleep(RECHECK_S)


async def _end(key_id: str, host: Host) -> int:
    """End the sessions that were begun with a key, those that wait for their callers too. Returns how many."""
    count = 0
    for manager in host.managers():
        for held in manager.held_sessions():
            if key_of(held.agent.session.caller) != key_id:
                continue
            count += 1
            if held.connection is not None:
                held.connection.revoke()
            else:
                await manager.remove(held.id, "removed")
    return count
