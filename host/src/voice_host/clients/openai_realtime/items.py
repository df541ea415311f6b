"""The conversation as the client sees it: items, and the responses that make those of the agent."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Literal

MAX_ITEMS = 512
"""How many items can be retrieved. The host's own history keeps about 400 messages."""

Message = dict[str, Any]
Status = Literal["in_progress", "completed", "incomplete"]


@dataclass(slots=True)
class ConversationItem:
    """A message of the caller or the agent.

    Attributes:
        kind: of its only part: `input_text`, `input_audio`, `output_audio` or `output_text`.
        text: what was said or written; None: not known yet.
    """

    id: str
    role: Literal["user", "assistant"]
    kind: str
    text: str | None = None
    status: Status = "completed"

    def described(self, *, empty: bool = False) -> Message:
        """Return the item as events have it. `empty`: without its content."""
        return {
            "id": self.id,
            "object": "realtime.item",
            "type": "message",
            "status": self.status,
            "role": self.role,
            "content": [] if empty else [self._part()],
        }

    def _part(self) -> Message:
        if self.kind in ("input_audio", "output_audio"):
            return {"type": self.kind, "transcript": self.text}
        return {"type": self.kind, "text": self.text or ""}


class Conversation:
    """The items in their order, the oldest dropped."""

    def __init__(self) -> None:
        self._items: OrderedDict[str, ConversationItem] = OrderedDict()

    @property
    def last_id(self) -> str | None:
        """The id of the last item."""
        return next(reversed(self._items), None)

    def add(self, item: ConversationItem) -> str | None:
        """Add an item at the end. Returns the id of the one before it."""
        before = self.last_id
        self._items[item.id] = item
        if len(self._items) > MAX_ITEMS:
            self._items.popitem(last=False)
        return before

    def get(self, item_id: str) -> ConversationItem | None:
        """Return an item."""
        return self._items.get(item_id)

    def clear(self) -> list[str]:
        """Remove all items. Returns their ids."""
        removed = list(self._items)
        self._items.clear()
        return removed


@dataclass(slots=True)
class Response:
    """A reply of the agent.

    Attributes:
        reply: the host's number of it.
        transcript: all text that was sent.
        sent_bytes: how much audio was sent.
        active: `response.done` was not sent yet.
        metadata: the client's, of its `response.create`.
    """

    reply: int
    id: str
    item: ConversationItem
    transcript: str = ""
    sent_bytes: int = 0
    active: bool = True
    parts_done: bool = False
    metadata: Any = None
    before: str | None = field(default=None)

    @property
    def text_only(self) -> bool:
        """Whether it is text without speech."""
        return self.item.kind == "output_text"
