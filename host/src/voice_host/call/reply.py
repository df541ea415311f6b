"""A reply under way: its id, its text, its speech, and the task that makes it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from voice_host.call.events import ReplyKind, ReplyOver
from voice_host.call.heard import unheard
from voice_host.call.latency import Stages
from voice_host.call.playout import Playout
from voice_host.conversation.history import CUT_MARK, SKIPPED_MARK
from voice_host.conversation.turn import AgentTurn

TEXT_QUEUE_LENGTH = 2048
"""Pieces of text between the model and the voice, some 1500 words. When full, the model waits for the voice."""


OVERLAP_WORDS = 3
"""Words that are said again when a reply is resumed: somebody who was interrupted goes back a little."""


@dataclass(frozen=True, slots=True)
class Aside:
    """Something said within a reply that is not part of it: shown to nobody, and kept out of the history."""

    text: str


@dataclass(slots=True, eq=False)
class Reply:
    """One reply. `alive` turns False when it is cancelled; nothing is sent for it after that."""

    id: int
    playout: Playout
    stages: Stages
    kind: ReplyKind = "own"
    alive: bool = True
    asked: str = ""
    """The caller's turn that it answers."""
    turn: AgentTurn | None = None
    """The model's part of it; None for a greeting and the like."""
    text: str = ""
    heard: str | None = None
    """What was audible when it was cut; None while it was not cut."""
    reached: str = ""
    """How far the caller had come in its text then. The same, unless some was skipped."""
    text_came: asyncio.Event = field(default_factory=asyncio.Event)
    """Set whenever the model brings text."""
    texts: asyncio.Queue[str | Aside | None] = field(default_factory=lambda: asyncio.Queue(TEXT_QUEUE_LENGTH))
    """What is to be spoken; None ends it."""
    task: asyncio.Task[None] | None = None
    running: bool = False
    """False while it waits for the reply before it; cutting it then only marks it, so that its turn is remembered."""

    def hold(self) -> None:
        """The caller began to speak, over it or before it: send nothing for now."""
        if self.playout.begun:
            # What was sent ahead is still played, and only then is there silence.
            self.stages.lasted("barge_in_to_silence", self.playout.ahead_ms)
        self.playout.hold()

    def audible(self) -> str:
        """What of it has been heard so far, white space made single."""
        return " ".join(self.playout.heard().split())

    def unheard(self) -> str:
        """What was not heard of it, beginning with the last words that were."""
        return unheard(self.text, self.reached, OVERLAP_WORDS) if self.heard is not None else ""

    def remembered(self) -> tuple[str | None, str]:
        """What the history keeps in place of its text, None: all of it; and the mark that says why."""
        if self.heard is not None:
            return self.heard, CUT_MARK
        delivered = self.playout.delivered()
        return None if delivered is None else " ".join(delivered.split()), SKIPPED_MARK

    def over(self, how: str) -> ReplyOver:
        """Return the record of a reply that is over. `how`: `completed`, or `cancelled_by_` and what cut it."""
        text = self.text.strip()
        heard, _ = self.remembered()
        return ReplyOver(
            self.id,
            self.kind,
            how,
            text,
            heard=text if heard is None else heard,
            interrupted=self.heard is not None,
            stages_ms=self.stages.in_ms(),
        )

    def forsake(self) -> None:
        """The caller was lost, perhaps before this reply was over: let what is known to have been played be heard."""
        self.heard = " ".join(self.playout.surely_heard().split())
        self.reached = self.playout.surely_reached()

    def cut(self) -> str:
        """Kill it: no audio or message of it goes out any more. Returns what was heard."""
        self.alive = False
        if self.turn is not None:
            self.turn.alive = False
        self.heard, self.reached = self.audible(), self.playout.reached()
        self.playout.stop()
        if self.task is not None and self.running:
            self.task.cancel()
        return self.heard
