"""What a turn engine knows that outlives a connection, as plain data.

Times are in seconds after an origin that whoever takes the snapshot chooses, so that a snapshot can be restored by
another clock: that of another process.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SilenceSnapshot:
    """How long the call has lasted and the caller been silent (`CallerSilence`)."""

    start_s: float
    last_heard_s: float
    quiet_since_s: float
    nudged: int
    asking: bool


@dataclass(frozen=True, slots=True)
class TurnSnapshot:
    """The part of a turn engine that a caller who comes back goes on with (`TurnEngine.snapshot`).

    Attributes:
        reply: generation id of the last reply; the next one gets the number after it.
        silence: how long the call has lasted, and the caller been silent.
        deferred: what the caller said over the agent without stopping it; belongs to the caller's next turn.
        asks: whether the last reply ended with a question.
        awaits_answer: whether a word that is no back-channel was said over the last reply.
        answers_until_s: until when a back-channel over the last reply answers it; None: it does not.
        to_say: sentences of `Session.say` that wait for the reply under way to end.
        hang_up: the reason, if the call is to end once the agent has been heard out.
    """

    reply: int
    silence: SilenceSnapshot
    deferred: str = ""
    asks: bool = False
    awaits_answer: bool = False
    answers_until_s: float | None = None
    to_say: tuple[str, ...] = ()
    hang_up: str | None = None
