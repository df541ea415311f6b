"""What the host may send, as docs/reference/call-protocol.md says: the messages, their order, and the close codes."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.docs.markdown import entries, rows, section

PAGE = "docs/reference/call-protocol.md"


def _messages() -> dict[str, dict[str, Any]]:
    cells = (row[0].strip("`") for row in rows(section(PAGE, "The server sends")))
    examples = [json.loads(cell) for cell in cells if cell.startswith("{")]
    return {example["type"]: example for example in examples}


MESSAGES = _messages()
"""Every message of the server by its type, as the example in the documentation."""

ERRORS = entries(section("docs/reference/errors.md", "Error codes"))
CLOSE_CODES = {int(code) for code in re.findall(r"(?:`|with )(\d{4})\b", section(PAGE, "Close codes"))} - {1011}
"""1011 is documented too; it means that the host has a bug, and that is what the tests look for."""


class Conformance:
    """Looks at what a call sends, frame by frame.

    Attributes:
        kinds: the types so far, `audio` for binary.
    """

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self._reply = 0
        self._cancelled: set[int] = set()
        self._done: set[int] = set()

    def audio(self, pcm: bytes) -> None:
        """A binary frame came."""
        assert pcm
        assert len(pcm) % 2 == 0
        assert self.kinds, "audio before ready"
        assert self._reply not in self._cancelled, "audio of a reply that was cancelled"
        assert self._reply not in self._done, "audio after tts_done"
        self.kinds.append("audio")

    def message(self, message: dict[str, Any]) -> None:
        """A text frame came."""
        kind = message["type"]
        assert kind in MESSAGES, f"undocumented: {message}"
        example = MESSAGES[kind]
        assert message.keys() == example.keys(), message
        for name, value in message.items():
            allowed = (int, float) if isinstance(example[name], (int, float)) else type(example[name])
            nullable = kind == "ready" and name == "resume_token"
            assert isinstance(value, allowed) or (nullable and value is None), message
        assert (kind == "ready") == (not self.kinds), f"ready is first and once: {[*self.kinds, kind]}"
        if kind == "error":
            assert message["code"] in ERRORS
            assert message["code"] != "internal"
            assert "Traceback" not in message["message"]
        if (reply := message.get("reply")) is not None:
            self._about(kind, reply)
        self.kinds.append(kind)

    def _about(self, kind: str, reply: int) -> None:
        assert reply >= self._reply, f"{kind} of reply {reply} after reply {self._reply}"
        if kind == "cancelled":
            self._cancelled.add(reply)
        elif kind != "metrics":
            assert reply not in self._cancelled, f"{kind} of reply {reply}, which was cancelled"
        if kind == "tts_done":
            assert reply not in self._done
            self._done.add(reply)
        self._reply = reply
