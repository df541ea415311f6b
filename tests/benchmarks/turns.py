"""One turn as everybody who took part saw it. All processes of a machine share the monotonic clock."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(eq=False)
class Heard:
    """A turn as its caller saw it. Times are in seconds.

    Attributes:
        tag: names the turn in what is said. `number`: names it in the microphone's frames.
        nth: which turn of its call it is, from 1.
        began_s: when the caller's voice began.
        audio_s: when the reply's first audio came.
        speech_ms: speech that came for the reply. `gap_ms`: how long nothing was left to play within it.
        lost: the reply did not come, or did not end.
        interrupts: it was spoken over the agent. Then:
        cancelled_s: `cancelled` came. `silent_s`: the last sound of the interrupted reply was heard.
        stale_ms: audio of the interrupted reply that came after the recogniser told of the caller's voice.
        late_bytes: audio that came between `cancelled` and the next reply.
    """

    tag: str
    number: int
    nth: int
    began_s: float
    audio_s: float | None = None
    speech_ms: float = 0.0
    gap_ms: float = 0.0
    lost: bool = False
    interrupts: bool = False
    cancelled_s: float | None = None
    silent_s: float | None = None
    stale_ms: float = 0.0
    late_bytes: int = 0


@dataclass(eq=False)
class Turn:
    """A turn with the times at which the services did their part.

    Attributes:
        at: `onset`, `words` and `final`: the recogniser told of the voice, of the last partial transcript, of the end;
            `request`: the model had the whole request; `token`: it sent the token at which the voice can begin;
            `trigger`: the voice had the word it began at; `spoken`: it sent its first audio.
    """

    heard: Heard
    at: dict[str, float] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether all times are known."""
        return self.heard.audio_s is not None and {"final", "request", "token", "trigger", "spoken"} <= self.at.keys()

    @property
    def t1_ms(self) -> float:
        """Final transcript to the reply's first audio."""
        assert self.heard.audio_s is not None
        return (self.heard.audio_s - self.at["final"]) * 1000

    @property
    def own_ms(self) -> float:
        """`t1_ms` less what the model and the voice took in fact, so that a late simulator is not the program's."""
        model_s = self.at["token"] - self.at["request"]
        voice_s = self.at["spoken"] - self.at["trigger"]
        return self.t1_ms - (model_s + voice_s) * 1000

    @property
    def asking_ms(self) -> float:
        """The part of `own_ms` from the final transcript to the model's request."""
        return (self.at["request"] - self.at["final"]) * 1000

    @property
    def wording_ms(self) -> float:
        """The part from the model's decisive token to the voice's decisive word; the look-ahead is in it."""
        return (self.at["trigger"] - self.at["token"]) * 1000

    @property
    def relaying_ms(self) -> float:
        """The part from the voice's first audio to the client."""
        assert self.heard.audio_s is not None
        return (self.heard.audio_s - self.at["spoken"]) * 1000

    @property
    def audible_ms(self) -> float | None:
        """How long the agent was heard after the caller's voice began; None: nothing was interrupted."""
        return None if self.heard.silent_s is None else (self.heard.silent_s - self.heard.began_s) * 1000

    @property
    def to_cancelled_ms(self) -> float | None:
        """From the words that interrupt to `cancelled` at the client."""
        if self.heard.cancelled_s is None or "words" not in self.at:
            return None
        return (self.heard.cancelled_s - self.at["words"]) * 1000
