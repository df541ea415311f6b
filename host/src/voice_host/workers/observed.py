"""Events for the observers of extensions, which are in the front."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from voice_host.plain_data import json_part, plain_caller
from voice_host.workers.messages import Observed
from voice_host_sdk import ObservedSession


class RemoteObservers:
    """An `EventSink` that sends each event to the front. An event that the channel has no room for is dropped.

    Args:
        send: sends a message to the front.
    """

    def __init__(self, send: Callable[[Observed], bool]) -> None:
        self._send = send

    def notify(self, event: str, session: ObservedSession, *records: object) -> None:
        """Send an event. Returns at once."""
        caller = plain_caller(session.caller)
        about = {
            "agent_id": session.agent_id,
            "session_id": session.session_id,
            "caller": None if caller is None else _plain(caller),
            "channel": _plain(session.channel),
        }
        self._send(Observed(event=event, session=about, records=tuple(map(_plain, records))))


def _plain(record: object) -> Mapping[str, Any]:
    """Return the fields of a record that are JSON. What the agent's tools return may be anything."""
    if not is_dataclass(record) or isinstance(record, type):
        return {}
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    whole = {name: dict(value) if isinstance(value, Mapping) else value for name, value in values.items()}
    return json_part(whole)
