"""Checkpoints: what changed in a session since the last one, and the state that they add up to.

A state is mostly history, of which a turn changes only the end. So a checkpoint has the messages that are new, and
everything else, which is small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A change of a `ResumeState`.

    Attributes:
        head: the state as a JSON object, without its history.
        dropped: how many of the oldest messages to forget.
        kept: how many of the messages after those remain; 0: the checkpoint is complete.
        added: the messages that follow, as JSON.
    """

    head: bytes
    dropped: int = 0
    kept: int = 0
    added: Sequence[bytes] = ()

    def to_payload(self) -> bytes:
        """Return head and messages as lines."""
        return b"\n".join((self.head, *self.added))

    @classmethod
    def from_payload(cls, payload: bytes, *, dropped: int, kept: int) -> Checkpoint:
        """Return the checkpoint for what `to_payload` returned."""
        head, *added = payload.split(b"\n")
        return cls(head, dropped, kept, added)


@dataclass(slots=True)
class SavedState:
    """The state of one session, as far as its checkpoints say."""

    head: bytes = b""
    messages: list[bytes] = field(default_factory=list)

    def apply(self, checkpoint: Checkpoint) -> None:
        """Apply the next checkpoint.

        Raises:
            ValueError: it does not follow the last one.
        """
        if len(self.messages) < checkpoint.dropped + checkpoint.kept:
            raise ValueError("a checkpoint is missing")
        remaining = self.messages[checkpoint.dropped : checkpoint.dropped + checkpoint.kept]
        self.head, self.messages = checkpoint.head, [*remaining, *checkpoint.added]

    @property
    def size(self) -> int:
        """Bytes of the state."""
        return len(self.head) + sum(map(len, self.messages))

    def to_bytes(self) -> bytes:
        """Return the `ResumeState`, as `ResumeState.from_bytes` reads it."""
        return self.head.rstrip()[:-1] + b',"history":[' + b",".join(self.messages) + b"]}"
