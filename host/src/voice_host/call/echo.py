"""Distinguishes the caller's voice from echoes of the agent's. No I/O.

This is not echo cancellation, which is the client's task and which some clients lack. It keeps the echo of the agent's
speech from interrupting the agent and from becoming a turn. It looks at three things:

- *Loudness* relative to what was played, as in Geigel's double-talk detector. An echo is some 20 dB softer; a caller
  close to the microphone is not.
- *Envelope*: an echo rises and falls with what was played a moment before.
- *Words*: those of an echo are the agent's, some of them misheard.

Speech louder than an echo always counts, whatever its words. Speech as soft as an echo does not hold the agent's
playback, and is dropped if its envelope or its words are the agent's; otherwise it counts too. All speech counts if the
recogniser heard nothing while the agent spoke for a while: then there is no echo, as with most callers.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from difflib import SequenceMatcher, get_close_matches
from statistics import StatisticsError, correlation

from voice_host.call.loudness import SLOT_MS, Envelope, slot_of
from voice_host.clock import now_s
from voice_host.turns.caller_words import has_word, words
from voice_host_sdk import SpeechEnded, SpeechEvent, SpeechStarted, Transcript

LOUDER_THAN_ECHO = 0.25
"""-12 dB relative to what was played: anything louder is the caller. An echo at -20 dB is 8 dB below that."""

FAINT = 650
"""Of 65536, from the lowest to the highest sample: anything softer is a silent room. About -40 dB."""

ECHO_S = 1.0
"""The longest delay of an echo after audio is played: networks, jitter buffers, sound cards, rooms."""

ONSET_S = 0.5
"""Speech counts as louder than an echo if any of it was, starting this long before it was detected."""

COMPARED_S = 3.0
"""How much audio at the end of a turn is compared."""

COMPARED_AT_LEAST_S = 1.2
"""Some six syllables; anything shorter may correlate by chance."""

SAME_ENVELOPE = 0.8
"""How well the envelopes of an echo and of what was played correlate, at the best delay. Measured after 1.2 s: echoes
at -20 dB of four sentences of a synthetic voice 0.88 and more, of five recordings over mu-law 0.84 and more; other
recordings, as soft as an echo, less than 0.8 in 95 of 100 cases, and in 99 after 1.5 s."""

JITTER_S = 0.3
"""How late the microphone's audio may be before it counts as a gap."""

RECENT_WORDS = 80
"""Words of the agent that an echo is compared with: half a minute of speech."""

LAST_WORDS = 8
"""Words of a transcript that are compared: the latest show whether it is still an echo. Takes less than 1 ms."""

ALIKE = 0.7
"""Similarity (difflib's ratio, 0 to 1) of misheard words to the agent's. Other sentences of the same language are below
0.5."""

NO_ECHO_AFTER_S = 3.0
"""Speech of the agent during which the recogniser heard nothing, after which there is assumed to be no echo."""

NEW_ECHO_WORDS = 4
"""Words of the agent that show that there is an echo after all, because the caller has turned on a loudspeaker."""


class EchoGuard:
    """Separates a recogniser's events into those of the caller and those of the agent's echo.

    Args:
        voice_hz: sample rate of the agent's speech.
        microphone_hz: sample rate of the caller's microphone.
        lead_s: how far ahead of real time the agent's speech is sent.
        clock: seconds, monotonic.
    """

    def __init__(self, *, voice_hz: int, microphone_hz: int, lead_s: float, clock: Callable[[], float] = now_s) -> None:
        self._voice_bytes_per_s = voice_hz * 2
        self._microphone_bytes_per_s = microphone_hz * 2
        self._window_s = lead_s + ECHO_S
        self._clock = clock
        self._played = Envelope(voice_hz)
        self._heard = Envelope(microphone_hz, jitter_s=JITTER_S)
        # When speech was sent and how loud it is: the latest, and before it all that is louder than what followed.
        self._loud: deque[tuple[float, int]] = deque()
        self._earlier = ""
        self._alone_s = 0.0  # speech of the agent without any event of the recogniser
        self._louder_at_s = self._microphone_at_s = -math.inf
        self._speech = False  # the recogniser reports speech
        self._turn_began_s: float | None = None
        self._has_words = False  # something was recognised of this turn
        self._over_agent = False  # some of this turn came while the agent could be heard
        self._hidden = False  # the onset of this speech was taken for an echo
        self._told = False  # the onset of this speech was passed on
        self._echo: list[str] = []  # words of this turn from before the caller was heard

    def played(self, pcm: bytes) -> None:
        """Note speech of the agent that is sent to the caller."""
        now_s = self._clock()
        self._forget(now_s)
        level = self._played.add(pcm, now_s)
        while self._loud and self._loud[-1][1] <= level:
            self._loud.pop()
        self._loud.append((now_s, level))
        if not self._speech:
            self._alone_s += len(pcm) / self._voice_bytes_per_s

    def said(self, text: str) -> None:
        """Note the text that was heard of a reply that is over: its echo may still come."""
        self._earlier = " ".join(f"{self._earlier} {text}".split()[-RECENT_WORDS:])

    def microphone(self, pcm: bytes) -> None:
        """Note audio of the caller's microphone. Costs nothing while the agent is silent."""
        if not self._loud:
            return
        now_s = self._clock()
        self._forget(now_s)
        self._microphone_at_s = now_s
        level = self._heard.add(pcm, now_s - len(pcm) / self._microphone_bytes_per_s)
        echo = self._loud[0][1] * LOUDER_THAN_ECHO if self._loud else 0
        if level > FAINT and level > echo:
            self._louder_at_s = now_s

    def sift(self, event: SpeechEvent, said: Callable[[], str]) -> list[SpeechEvent]:
        """Take an event of the recogniser and return the events that are the caller's.

        Args:
            said: returns the text that the caller has heard of the current reply.
        """
        now_s = self._clock()
        self._forget(now_s)
        if not self._has_words:
            if self._turn_began_s is None or isinstance(event, SpeechStarted):  # anything before was noise
                self._turn_began_s, self._over_agent = now_s, False
            self._has_words = isinstance(event, Transcript)
        if self._loud:
            self._over_agent = True
            if not self._no_echo:
                self._alone_s = 0.0
        self._speech = isinstance(event, SpeechStarted) or (isinstance(event, Transcript) and not event.final)
        match event:
            case SpeechStarted():
                self._hidden = bool(self._loud) and not self._no_echo and self._is_faint(now_s)
                self._told = not self._hidden
                return [] if self._hidden else [event]
            case SpeechEnded():
                told, self._told = self._told, False
                return [event] if told or not self._hidden else []
            case Transcript():
                return self._transcript(event, said, now_s)

    def _transcript(self, event: Transcript, said: Callable[[], str], now_s: float) -> list[SpeechEvent]:
        is_echo = self._is_echo(event, said, now_s)
        if is_echo:
            self._alone_s, self._echo = 0.0, event.text.split()
        elif self._is_louder():
            event = Transcript(_after(self._echo, event.text), event.final, event.confidence)
        told, hidden = self._told, self._hidden
        self._told, self._hidden = not is_echo and (told or hidden), is_echo
        if event.final:
            self._turn_began_s, self._has_words = None, False
            self._told, self._hidden, self._echo = False, False, []
        if is_echo:
            return [SpeechEnded()] if told else []  # playback that was held because of it continues
        return [SpeechStarted(), event] if hidden and not event.final else [event]

    def _is_faint(self, since_s: float) -> bool:
        """Return whether the microphone has been no louder than an echo since then. False if it sent nothing."""
        return self._microphone_at_s >= since_s - ECHO_S and self._louder_at_s < since_s - ONSET_S

    def _is_louder(self) -> bool:
        """Return whether any of this turn was louder than an echo."""
        return self._turn_began_s is not None and self._louder_at_s >= self._turn_began_s - ONSET_S

    def _is_echo(self, event: Transcript, said: Callable[[], str], now_s: float) -> bool:
        """Return whether a transcript is of the agent's voice."""
        began_s = now_s if self._turn_began_s is None else self._turn_began_s
        if not self._over_agent or not has_word(event.text) or self._is_louder():
            return False
        heard, agent = words(event.text), words(f"{self._earlier} {said()}")[-RECENT_WORDS:]
        if self._no_echo and len(heard) < NEW_ECHO_WORDS:
            return False
        if self._is_faint(began_s):
            compared = self._compared_slots(began_s)
            if compared * SLOT_MS < COMPARED_AT_LEAST_S * 1000:
                if not event.final:
                    return True  # perhaps: more is about to come
            elif self._follows_playout(compared):
                return True
        if len(heard) == 1:
            # A single word may well be an answer: unless it was soft, a final one is the caller's.
            return (self._hidden or not event.final) and bool(get_close_matches(heard[0], agent, n=1, cutoff=ALIKE))
        return _likeness(" ".join(heard[-LAST_WORDS:]), " ".join(agent)) >= ALIKE

    def _compared_slots(self, began_s: float) -> int:
        # Without the silence before: the onset alone would correlate with any other onset.
        return slot_of(self._microphone_at_s) - slot_of(max(began_s, self._microphone_at_s - COMPARED_S))

    def _follows_playout(self, count: int) -> bool:
        """Return whether the microphone's last `count` slots correlate with what was played, at some delay."""
        first = slot_of(self._microphone_at_s) - count
        heard = self._heard.levels(first, count)
        delays = range(slot_of(ECHO_S) + 1)
        return any(_alike(heard, self._played.levels(first - delay, count)) >= SAME_ENVELOPE for delay in delays)

    @property
    def _no_echo(self) -> bool:
        return self._alone_s >= NO_ECHO_AFTER_S

    def _forget(self, now_s: float) -> None:
        while self._loud and self._loud[0][0] < now_s - self._window_s:
            self._loud.popleft()


def _alike(heard: list[int], played: list[int]) -> float:
    try:
        return correlation(heard, played)
    except StatisticsError:  # one of them is constant
        return 0.0


def _after(echo: list[str], text: str) -> str:
    """Return the part of a transcript after the echo that it begins with, whose words may have changed since."""
    chunks = text.split()
    first, rest = chunks[: len(echo)], chunks[len(echo) :]
    same = bool(echo) and SequenceMatcher(None, " ".join(first), " ".join(echo), autojunk=False).ratio() >= ALIKE
    return " ".join(rest) if same and has_word(" ".join(rest)) else text


def _likeness(heard: str, agent: str) -> float:
    """Return the similarity of what was heard to the most similar part of the agent's words, 0 to 1."""
    matcher = SequenceMatcher(None, agent, heard, autojunk=False)
    anchor = matcher.find_longest_match()
    begin = max(0, anchor.a - anchor.b)
    matcher.set_seq1(agent[begin : begin + len(heard)])
    return matcher.ratio()
