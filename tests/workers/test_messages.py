"""The version of the messages between front and worker."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from voice_host.workers.messages import PROTOCOL, TO_FRONT, TO_WORKER

FINGERPRINTS = {2: "ca5606720711e6f5"}
"""Of the messages of each version, the latest last. A version that was released keeps its entry."""


def without_words(schema: Any) -> Any:
    """Return a JSON schema without titles and descriptions, which may change freely."""
    if isinstance(schema, list):
        return [without_words(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: without_words(value)
        for key, value in schema.items()
        if key not in ("title", "description") or not isinstance(value, str)
    }


def test_messages_do_not_change_without_a_new_version() -> None:
    schemas = [without_words(messages.json_schema()) for messages in (TO_WORKER, TO_FRONT)]
    for kind in schemas[0]["$defs"]["Order"], schemas[1]["$defs"]["Started"]:
        assert kind["properties"]["protocol"].pop("default") == PROTOCOL
    fingerprint = hashlib.sha256(json.dumps(schemas, sort_keys=True).encode()).hexdigest()[:16]
    assert FINGERPRINTS.get(PROTOCOL) == fingerprint, (
        "The messages between front and worker have changed. If the present version was released, raise "
        "voice_host.workers.messages.PROTOCOL and add its fingerprint; otherwise replace the fingerprint."
    )
