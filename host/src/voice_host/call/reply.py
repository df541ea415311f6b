"""A reply of the agent: its text, its speech, and what the caller heard of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from voice_host.call.events import ReplyKind, ReplyOver
from voice_host.call.heard import unheard
from voice_host.call.latency import Stages
from voice_host.call.playout import Playout
from voice_host.clock import now_s
from voice_host.conversation.history import CUT_MARK, SKIPPED_MARK
from voice_host.conversation.turn import AgentTurn

TEXT_QUEUE_LENGTH = 2048
"""Pieces of text between the model and the voice, some 1500 words. When full, the model waits for the voice."""

OVERLAP_WORDS = 3
"""Words that are said again when a reply is resumed: somebody who was interrupted goes back a little."""


@dataclass(frozen=True, slots=True)
class Filler:
    """Something said while nothing else is, such as "one moment". No part of the reply's text or of the history."""

    text: str


@dataclass(slots=True, eq=False)
class Reply:
    """One reply. `alive` turns False when it is cut; nothing is sent for it after that."""

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
    """As far as it is known. Only `write` and `append` add to it."""
    heard: str | None = None
    """What was audible when it was cut; None: it was not cut."""
    reached: str = ""
    """How far in its text the caller was then. The same as `heard`, unless some was skipped."""
    text_came_s: float = field(default_factory=now_s)
    """When there was more text last."""
    speech_queue: asyncio.Queue[str | Filler | None] = field(default_factory=lambda: asyncio.Queue(TEXT_QUEUE_LENGTH))
    """What is to be spoken; None ends it."""
    task: asyncio.Task[None] | None = None
    running: bool = False
    """False while it waits for the reply before it; cutting it then only marks it, so that its turn is remembered."""

    # --- what it says ---------------------------------------------------------------------------------------------

    async def write(self, text: str) -> None:
        """Add to its text. Waits while the voice is too far behind."""
        self._add(text)
        await self.speech_queue.put(text)

    def append(self, text: str) -> bool:
        """Add to its text without waiting. Returns False if there is no room for it."""
        if self.speech_queue.full():
            return False
        self._add(text)
        self.speech_queue.put_nowait(text)
        return True

    def _add(self, text: str) -> None:
        self.text += text
        self.text_came_s = now_s()

    async def fill(self, text: str) -> None:
        """Say something to cover silence."""
        await self.speech_queue.put(Filler(text))

    async def end_sentence(self) -> None:
        """Let everything written so far be spoken, without waiting for what comes next."""
        await self.speech_queue.put("\n")

    async def end_text(self) -> None:
        """No more text follows."""
        await self.speech_queue.put(None)

    # --- what is heard of it --------------------------------------------------------------------------------------

    def hold(self) -> None:
        """The caller began to speak, over it or before it: send nothing for now."""
        if self.playout.begun:
            # What was sent ahead is still played, and only then is there silence.
            self.stages.lasted("barge_in_to_silence", self.playout.ahead_ms)
        self.playout.hold()

    def audible(self) -> str:
        """Return what has been audible so far, with single spaces."""
        return " ".join(self.playout.heard().split())

    def unheard(self) -> str:
        """Return the rest that was not heard when it was cut, beginning with the last words that were."""
        return unheard(self.text, self.reached, OVERLAP_WORDS) if self.heard is not None else ""

    def remembered(self) -> tuple[str | None, str]:
        """Return what the history keeps in place of its text (None: all of it), and the mark that says why."""
        if self.heard is not None:
            return self.heard, CUT_MARK
        delivered = self.playout.delivered()
        return None if delivered is None else " ".join(delivered.split()), SKIPPED_MARK

    # --- how it ends ----------------------------------------------------------------------------------------------

    def cut(self) -> str:
        """Stop it: nothing of it is sent any more. Returns what was heard."""
        self.alive = False
        if self.turn is not None:
            self.turn.alive = False
        self.heard, self.reached = self.audible(), self.playout.reached()
        self.playout.stop()
        if self.task is not None and self.running:
            self.task.cancel()
        return self.heard

    def connection_lost(self) -> None:
        """The client was lost, perhaps some time ago: count as heard only what is known to have been played."""
        self.heard = " ".join(self.playout.confirmed_heard().split())
        self.reached = self.playout.confirmed_reached()

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
