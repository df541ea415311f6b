"""A reply of the agent: its text, its speech, and what the caller heard of it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from pydantic_ai.messages import ModelMessage

from voice_host.call.events import ReplyKind, ReplyOver
from voice_host.call.heard import unheard
from voice_host.call.latency import Stages
from voice_host.call.playout import Playout
from voice_host.clock import now_s
from voice_host.conversation.history import CUT_MARK, HUSH_MARK, SKIPPED_MARK, kept_messages, spoken
from voice_host.conversation.turn import AgentTurn

TEXT_QUEUE_LENGTH = 2048
"""Pieces of text queued for the voice, some 1500 words. When the queue is full, the model waits for the voice."""

REPORT_TIMEOUT_S = 0.3
"""How long a client that was told to stop may take to tell what it played. That is a round trip; without the report,
what was heard is estimated. The next turn is answered meanwhile only if the caller has gone on speaking."""

OVERLAP_WORDS = 3
"""Words that are repeated when an interrupted reply is resumed, as people do."""


@dataclass(frozen=True, slots=True)
class Filler:
    """A phrase to cover silence, such as "one moment". Not part of the reply's text or of the history."""

    text: str


@dataclass(frozen=True, slots=True)
class Hush:
    """The text before it is not spoken any more. `number`: how often the reply was hushed with this."""

    number: int


QueuedText = str | Filler | Hush | None
"""What is to be spoken; None ends it."""


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
    """The run of the model; None for replies without the model, such as a greeting."""
    text: str = ""
    """The text so far. Only `write` and `append` add to it."""
    heard: str | None = None
    """The text that was audible when it was cut; None: it was not cut."""
    reached: str = ""
    """The text up to the position where it was cut. Differs from `heard` if speech was skipped."""
    text_came_s: float = field(default_factory=now_s)
    """When text was last added."""
    speech_queue: asyncio.Queue[QueuedText] = field(default_factory=lambda: asyncio.Queue(TEXT_QUEUE_LENGTH))
    """The text to be spoken."""
    task: asyncio.Task[None] | None = None
    settled: bool = False
    """Whether the history has it, or need not have it."""
    running: bool = False
    """False while it waits for the previous reply. Cutting it then only marks it, so that its turn is remembered."""
    voicing: int = 0
    """Utterances of the voice that are under way."""
    hushes: int = 0
    """How often it was hushed: clauses that began before the last time are not spoken on."""
    report_follows: bool = False
    """It was cut, and the client will tell how much it played."""
    _reported: asyncio.Event = field(default_factory=asyncio.Event)
    _was_held: bool = False
    _played_at_onset_ms: float | None = None
    """How much had been played when the caller first began to speak over it; None: nobody has, or it was measured."""

    # --- its text -------------------------------------------------------------------------------------------------

    async def write(self, text: str) -> None:
        """Append text. Waits while the voice is too far behind."""
        self._add(text)
        await self.speech_queue.put(text)

    def append(self, text: str) -> bool:
        """Append text without waiting. Returns False if the queue is full."""
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
        """Let all text so far be spoken without waiting for more."""
        await self.speech_queue.put("\n")

    async def end_text(self) -> None:
        """No more text follows."""
        await self.speech_queue.put(None)

    @property
    def speaks(self) -> bool:
        """Whether there is text or speech that the caller has not heard yet."""
        return not self.speech_queue.empty() or self.voicing > 0 or self.playout.busy

    def hush(self) -> None:
        """Leave the rest of the text so far unspoken. The reply goes on with the text that follows."""
        if not self.speaks:
            return
        self.hushes += 1
        ended = False
        while not self.speech_queue.empty():
            ended = self.speech_queue.get_nowait() is None or ended
        self.speech_queue.put_nowait(Hush(self.hushes))
        if ended:
            self.speech_queue.put_nowait(None)
        self.playout.hush()

    # --- what was heard -------------------------------------------------------------------------------------------

    def hold(self) -> None:
        """Pause sending: the caller began to speak, over the reply or before it."""
        if self.playout.begun:
            if not self._was_held:
                self._was_held, self._played_at_onset_ms = True, self.playout.played_ms
            # The client still plays what was sent ahead, unless it says that it has paused.
            self.stages.lasted("barge_in_to_silence", self.playout.ahead_ms)
        self.playout.hold()

    def report_played(self, played_ms: float, *, paused: bool = False) -> None:
        """Take the client's report of how much it has played, and whether it has paused there."""
        self.playout.report_played(played_ms, paused=paused)
        if paused and self._played_at_onset_ms is not None:
            self.stages.correct("barge_in_to_silence", max(0.0, played_ms - self._played_at_onset_ms))
            self._played_at_onset_ms = None

    def stopped_at(self, played_ms: float) -> None:
        """Take the client's last report: it has stopped there. Replaces what was estimated when the reply was cut."""
        self.playout.stopped_at(played_ms)
        if not self.alive and not self._reported.is_set():
            self.heard, self.reached = self.audible(), self.playout.reached()
        self._reported.set()

    async def reported(self) -> None:
        """Wait for the client's last report, if one follows, for `REPORT_TIMEOUT_S` from now at most."""
        if self.report_follows:
            with suppress(TimeoutError):
                async with asyncio.timeout(REPORT_TIMEOUT_S):
                    await self._reported.wait()

    def audible(self) -> str:
        """Return the text that has been audible so far, with single spaces."""
        return " ".join(self.playout.heard().split())

    def unheard(self) -> str:
        """Return the text that was not heard when it was cut, preceded by the last words that were."""
        return unheard(self.text, self.reached, OVERLAP_WORDS) if self.heard is not None else ""

    def rest(self) -> str:
        """As `unheard`, also of a reply that goes on: what would not be heard if it were cut now."""
        return unheard(self.text, self.playout.reached(), OVERLAP_WORDS) if self.heard is None else self.unheard()

    def messages_so_far(self) -> list[ModelMessage]:
        """Return the messages that the history would get if the reply were cut now."""
        heard = self.audible() if self.heard is None else self.heard
        if self.turn is not None:
            return self.turn.messages_so_far(heard)
        if self.asked:
            return kept_messages((), self.asked, heard, {})
        return [spoken(heard + CUT_MARK)] if heard else []

    def remembered(self) -> tuple[str | None, str]:
        """Return the text for the history (None: all of it), and the mark that says why it is shorter."""
        if self.heard is not None:
            return self.heard, CUT_MARK
        mark = HUSH_MARK if self.hushes else SKIPPED_MARK
        shortened = self.hushes or self.playout.skipped
        return " ".join(self.playout.delivered().split()) if shortened else None, mark

    # --- its end --------------------------------------------------------------------------------------------------

    def cut(self, *, report_follows: bool = False) -> str:
        """Stop the reply: nothing of it is sent from now on. Returns the text that was heard.

        Args:
            report_follows: whether the client will tell how much it played (`stopped_at`).
        """
        self.alive = False
        self.report_follows = report_follows and self.playout.begun and not self._reported.is_set()
        if self.turn is not None:
            self.turn.alive = False
        self.heard, self.reached = self.audible(), self.playout.reached()
        self.playout.stop()
        if self.task is not None and self.running:
            self.task.cancel()
        return self.heard

    def connection_lost(self) -> None:
        """The client was lost, perhaps some time ago: only what is known to have been played counts as heard."""
        self.heard = " ".join(self.playout.confirmed_heard().split())
        self.reached = self.playout.confirmed_reached()

    @property
    def tokens(self) -> tuple[int, int]:
        """How many tokens the model has read and written for it, as far as its service has told."""
        return (0, 0) if self.turn is None else self.turn.tokens

    def over(self, how: str) -> ReplyOver:
        """Return the event for the end of the reply. `how`: `completed`, or `cancelled_by_` and the cause."""
        text = self.text.strip()
        heard, _ = self.remembered()
        read, written = self.tokens
        return ReplyOver(
            self.id,
            self.kind,
            how,
            text,
            heard=text if heard is None else heard,
            interrupted=self.heard is not None,
            stages_ms=self.stages.in_ms(),
            input_tokens=read,
            output_tokens=written,
        )
