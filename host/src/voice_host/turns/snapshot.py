"""The part of a turn engine's state that outlives a connection, as plain data.

Times are in seconds after an origin that the caller of `snapshot` chooses, so that a snapshot can be restored in a
process with another monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SilenceSnapshot:
    """The state of `CallerSilence`.

    Attributes:
        start_s: when the call began.
        last_heard_s: since when the idle timeout runs.
        quiet_since_s: since when the caller is silent, for the next nudge.
        nudges: how many nudges the caller has not reacted to.
        nudging: whether the agent's last reply is a nudge that has not ended.
    """

    start_s: float
    last_heard_s: float
    quiet_since_s: float
    nudges: int
    nudging: bool


@dataclass(frozen=True, slots=True)
class TurnSnapshot:
    """The state of a `TurnEngine` that a caller who comes back continues with.

    Attributes:
        reply: generation id of the last reply; the next one gets the number after it.
        silence: the time limits of the call.
        deferred: what the caller said over the agent without stopping it; belongs to the caller's next turn.
        asks: whether the last reply ended with a question.
        awaits_answer: whether a word that is no back-channel was said over the last reply.
        answers_until_s: until when a back-channel over the last reply answers it; None: it does not.
        to_say: sentences of `Session.say` waiting for the reply under way to end.
        hang_up: the reason, if the call is to end once the agent has finished speaking.
    """

    reply: int
    silence: SilenceSnapshot
    deferred: str = ""
    asks: bool = False
    awaits_answer: bool = False
    answers_until_s: float | None = None
    to_say: tuple[str, ...] = ()
    hang_up: str | None = None
