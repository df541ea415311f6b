"""One turn as everybody who took part saw it. All processes of a machine share the monotonic clock."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass(eq=False)
class Turn:
    """The times, in seconds, from the final transcript to the reply's first audio.

    Attributes:
        final_at: the recogniser sent the final transcript.
        requested_at: the model had the whole request.
        token_at: the model sent the token at which the voice can begin.
        trigger_at: the voice had the word it began at.
        spoken_at: the voice sent its first audio.
        audio_at: the client had the first audio.
        speech_ms: speech the client received for this reply. `gap_ms`: how long it had nothing to play within it.
    """

    tag: str
    final_at: float = 0.0
    requested_at: float = 0.0
    token_at: float = 0.0
    trigger_at: float = 0.0
    spoken_at: float = 0.0
    audio_at: float = 0.0
    speech_ms: float = 0.0
    gap_ms: float = 0.0
    _complete: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def t1_ms(self) -> float:
        """Final transcript to first reply audio."""
        return (self.audio_at - self.final_at) * 1000

    @property
    def own_ms(self) -> float:
        """`t1_ms` less what the model and the voice took in fact, so that a late simulator is not the subject's."""
        model_s = self.token_at - self.requested_at
        voice_s = self.spoken_at - self.trigger_at
        return self.t1_ms - (model_s + voice_s) * 1000

    @property
    def asking_ms(self) -> float:
        """The part of `own_ms` from the final transcript to the model's request."""
        return (self.requested_at - self.final_at) * 1000

    @property
    def wording_ms(self) -> float:
        """The part from the model's decisive token to the voice's decisive word; the look-ahead is in it."""
        return (self.trigger_at - self.token_at) * 1000

    @property
    def relaying_ms(self) -> float:
        """The part from the voice's first audio to the client."""
        return (self.audio_at - self.spoken_at) * 1000

    def note(self, **times: float) -> None:
        """Enter times; they may come in any order."""
        for name, at in times.items():
            setattr(self, name, at)
        if self.final_at and self.requested_at and self.token_at and self.spoken_at and self.audio_at:
            self._complete.set()

    async def complete(self, timeout_s: float) -> None:
        """Wait until all times are known.

        Raises:
            TimeoutError: the reply did not come.
        """
        async with asyncio.timeout(timeout_s):
            await self._complete.wait()


@dataclass
class Interruption:
    """A barge-in.

    Attributes:
        to_cancelled_ms: from the words that interrupt to `cancelled` at the client.
        stale_ms: speech of the dead reply that the client received after the caller's onset.
        audible_ms: how long the agent was heard after the onset, if the client plays as it receives.
        late_bytes: audio after `cancelled`.
        turn: the answer to the interruption.
    """

    to_cancelled_ms: float
    stale_ms: float
    audible_ms: float
    late_bytes: int
    turn: Turn
