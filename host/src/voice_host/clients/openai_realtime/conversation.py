"""The conversation as the client sees it: its items, in their order."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Literal

from voice_host.clients.openai_realtime.server_events import Event, EventMaker

MAX_ITEMS = 512
"""How many items can be retrieved. The host's own history keeps about 400 messages."""

MAX_CHARACTERS = 200_000
"""How much text they may have together. A client may send 64 KiB in each."""

Kind = Literal["input_text", "input_audio", "output_audio", "output_text"]
Status = Literal["in_progress", "completed", "incomplete"]


@dataclass(slots=True)
class Item:
    """A message of the caller or the agent.

    Attributes:
        kind: of its only part.
        text: what was written, said or heard; None: not known yet.
    """

    id: str
    role: Literal["user", "assistant"]
    kind: Kind
    text: str | None = None
    status: Status = "completed"

    def described(self, *, empty: bool = False) -> dict[str, Any]:
        """Return the item as events have it. `empty`: without its content."""
        named = "transcript" if self.kind in ("input_audio", "output_audio") else "text"
        return {
            "id": self.id,
            "object": "realtime.item",
            "type": "message",
            "status": self.status,
            "role": self.role,
            "content": [] if empty else [{"type": self.kind, named: self.text}],
        }


class Conversation:
    """The latest items of one session."""

    def __init__(self, events: EventMaker) -> None:
        self._events = events
        self._items: OrderedDict[str, Item] = OrderedDict()

    @property
    def last_id(self) -> str | None:
        """The id of the last item."""
        return next(reversed(self._items), None)

    def get(self, item_id: str) -> Item | None:
        """Return an item."""
        return self._items.get(item_id)

    def append(self, item: Item) -> str | None:
        """Add an item at the end. Returns the id of the one before it."""
        before = self.last_id
        self._items[item.id] = item
        if len(self._items) > MAX_ITEMS:
            self._items.popitem(last=False)
        characters = sum(len(each.text or "") for each in self._items.values())
        while characters > MAX_CHARACTERS and len(self._items) > 1:
            _, oldest = self._items.popitem(last=False)
            characters -= len(oldest.text or "")
        return before

    def add_complete(self, item: Item) -> list[Event]:
        """Add an item of the caller, and return the events that tell the client."""
        before = self.append(item)
        return [
            self._events.make(f"conversation.item.{what}", previous_item_id=before, item=item.described())
            for what in ("added", "done")
        ]
