"""The page about the OpenAI Realtime protocol has every event, and says what the code does with it."""

from __future__ import annotations

import json

import pytest

from tests.clients.realtime_reader import DOCUMENTED
from tests.docs.markdown import rows, section
from voice_host.clients.openai_realtime import OpenAIRealtime
from voice_host.clients.openai_realtime.client_events import CLIENT_EVENTS
from voice_host.clients.openai_realtime.server_events import SERVER_EVENTS

PAGE = "docs/reference/openai-realtime.md"
MINIMAL = {"item_id": "item_1", "audio_end_ms": 0, "session": {}, "audio": "", "item": {"type": "message"}}


def told(heading: str) -> dict[str, str]:
    _, *table = rows(section(PAGE, heading))
    return {row[0].strip("`"): row[1] for row in table}


def test_every_client_event_is_listed() -> None:
    assert set(told("Client events")) == CLIENT_EVENTS


@pytest.mark.parametrize("kind", sorted(CLIENT_EVENTS))
def test_a_client_event_is_answered_as_the_page_says(kind: str) -> None:
    [*events] = OpenAIRealtime({"model": "desk"}).receive(json.dumps({"type": kind, **MINIMAL}))
    unsupported = "unsupported_event" in str(events)
    assert told("Client events")[kind] == ("error" if unsupported else "supported")


def test_every_server_event_is_listed_as_sent_or_not() -> None:
    table = told("Server events")
    assert set(table) == set(DOCUMENTED) | SERVER_EVENTS
    assert {kind for kind, note in table.items() if note.startswith("sent")} == SERVER_EVENTS
    assert all(note.startswith(("sent", "not sent")) for note in table.values())
