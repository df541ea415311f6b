"""The caller's audio that may have to be sent to speech-to-text again. No I/O, no clock."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

PIECE_MS = 500
"""The longest piece to return. The send timeout and the watchdog apply to each piece."""

RUN_UP_MS = 500
"""Audio kept before the first loud piece, since words begin softly."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of the caller's audio, and whether it is loud enough to be speech."""

    pcm: bytes
    loud: bool


class ReplayBuffer:
    """Holds PCM16 mono from the end of the last turn to now, at most `limit_s` of it.

    `next()` returns it piece by piece; `rewind()` starts again from the beginning for a new recogniser, and `commit()`
    drops what has become a turn. When the buffer is full, the oldest audio is dropped.

    Args:
        sample_rate: Hz.
        limit_s: the maximum of audio, in seconds.
    """

    def __init__(self, sample_rate: int, limit_s: float) -> None:
        self._bytes_per_ms = sample_rate * 2 / 1000
        self._limit = int(limit_s * sample_rate) * 2
        self._piece = PIECE_MS * sample_rate // 1000 * 2
        self._run_up = RUN_UP_MS * self._bytes_per_ms
        self._sent: deque[Piece] = deque()
        self._unsent: deque[Piece] = deque()
        self._sent_size = self._unsent_size = 0
        self._lead = 0  # bytes at the front of what was sent that hold no word: silence, and the end of the last turn

    def __len__(self) -> int:
        """The bytes held."""
        return self._sent_size + self._unsent_size

    def add(self, pcm: bytes, *, loud: bool) -> int:
        """Add whole samples. Returns how many unsent bytes were dropped to make room."""
        if not pcm:
            return 0
        if len(pcm) <= self._piece:
            self._unsent.append(Piece(pcm, loud))
        else:
            for start in range(0, len(pcm), self._piece):
                self._unsent.append(Piece(pcm[start : start + self._piece], loud))
        self._unsent_size += len(pcm)
        unheard = 0
        while self._sent_size + self._unsent_size > self._limit:
            if self._sent:
                self._drop_sent()
            else:
                oldest = len(self._unsent.popleft().pcm)
                self._unsent_size -= oldest
                unheard += oldest
        return unheard

    def next(self) -> Piece | None:
        """Return the next piece; None: there is none."""
        if not self._unsent:
            return None
        piece = self._unsent.popleft()
        size = len(piece.pcm)
        if not piece.loud and self._lead == self._sent_size:
            self._lead += size
        self._sent.append(piece)
        self._unsent_size -= size
        self._sent_size += size
        return piece

    def commit(self, keep_ms: float, *, turn_over: bool = False) -> None:
        """Drop what was sent, which has become a turn, except for its last `keep_ms`.

        Args:
            turn_over: the turn has ended. Then what is kept contains words only if more speech follows soon; if not,
                `forget_silence` drops it as if it were silence, however loud it is.
        """
        kept: deque[Piece] = deque()
        room = int(keep_ms * self._bytes_per_ms) & ~1
        while self._sent and room > 0:
            piece = self._sent.pop()
            if len(piece.pcm) > room:
                piece = Piece(piece.pcm[-room:], piece.loud)
            room -= len(piece.pcm)
            kept.appendleft(piece)
        self._sent = kept
        self._measure()
        if turn_over:
            self._lead = self._sent_size

    def forget_silence(self, keep_ms: float) -> None:
        """Drop silence at the front, while no turn is open; the last `keep_ms` that were sent are kept.

        `rewind` and `commit` would leave it out anyway; this saves memory, since calls are silent most of the time.
        """
        spare = min(self._lead - self._run_up, self._sent_size - keep_ms * self._bytes_per_ms)
        while self._sent and (size := len(self._sent[0].pcm)) <= spare:
            self._drop_sent()
            spare -= size

    def rewind(self, *, trim: bool) -> None:
        """Start again from the beginning.

        Args:
            trim: leave out the silence at the front, if no turn is open. A recogniser takes audio little faster than in
                real time, so each second of silence would delay the first word.
        """
        self._unsent = self._sent + self._unsent
        self._sent = deque()
        if trim:
            self._trim()
        self._measure()

    def forget_sent(self) -> None:
        """Drop what was sent."""
        self._sent.clear()
        self._measure()

    def _drop_sent(self) -> None:
        size = len(self._sent.popleft().pcm)
        self._sent_size -= size
        if self._lead >= size:
            self._lead -= size
        else:
            self._measure_lead()

    def _trim(self) -> None:
        silence: deque[Piece] = deque()
        size = 0
        while self._unsent and not self._unsent[0].loud:
            silence.append(self._unsent.popleft())
            size += len(silence[-1].pcm)
            while size - len(silence[0].pcm) >= self._run_up:
                size -= len(silence.popleft().pcm)
        self._unsent = silence + self._unsent

    def _measure(self) -> None:
        self._sent_size = sum(len(piece.pcm) for piece in self._sent)
        self._unsent_size = sum(len(piece.pcm) for piece in self._unsent)
        self._measure_lead()

    def _measure_lead(self) -> None:
        self._lead = 0
        for piece in self._sent:
            if piece.loud:
                break
            self._lead += len(piece.pcm)
