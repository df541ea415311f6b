"""Cutting a streamed reply into clauses, so that the voice can start while the model is still writing."""

from __future__ import annotations

from voice_host.text.boundaries import (
    BOUNDARY,
    FENCE,
    LETTER,
    is_fence,
    may_end_here,
    sentence_may_end,
    soft_may_end,
)

_SLICE_CHARS = 512  # a long text is fed in slices: cutting clauses off one long string would be quadratic
_LONGEST_WORD_FACTOR = 4


class ClauseSplitter:
    """Incremental and sans-I/O: text in, clauses out. One splitter serves one reply.

    Everything returned by `feed`, `deadline` and `flush`, joined, is the text that went in. The white space between
    two clauses leads the later one; a clause has at least one letter (but what `flush` returns may have none). A fenced
    block of code is one clause, however long, so that a cleaner without memory can drop it.

    A clause longer than `max_chars` is cut at a space, a word longer than four times that is cut anywhere: this bounds
    the work per `feed` and what a voice is given at once.

    Args:
        min_chars: a clause ends at a comma, semicolon, colon or dash once it has so many characters.
        first_min_chars: the same for the first clause, smaller, because the caller waits for it.
        max_chars: upper bound for a clause without any boundary.

    Raises:
        ValueError: a length is not positive, or `max_chars` is smaller than another.
    """

    def __init__(self, *, min_chars: int = 40, first_min_chars: int = 20, max_chars: int = 300) -> None:
        if min(min_chars, first_min_chars) < 1 or max_chars < max(min_chars, first_min_chars):
            raise ValueError("clause lengths must be positive and max_chars the largest")
        self._min_chars = min_chars
        self._first_min_chars = first_min_chars
        self._max_chars = max_chars
        self._buffer = ""  # the pending clause, or within a fence only the end that is not decided yet
        self._scanned = 0  # no boundary begins in the buffer before this index
        self._fenced: list[str] = []  # an open code fence, in pieces: joining at each feed would be quadratic
        self._fence = ""  # the marker that opened it
        self._first = True

    @property
    def pending(self) -> str:
        """The text that was fed and has not been returned yet."""
        return "".join(self._fenced) + self._buffer

    def feed(self, text: str) -> list[str]:
        """Add text and return the clauses that are now complete, usually none."""
        clauses: list[str] = []
        for begin in range(0, len(text), _SLICE_CHARS):
            self._buffer += text[begin : begin + _SLICE_CHARS]
            while self._buffer:
                clause = self._rest_of_fence() if self._fence else self._next_clause()
                if clause is None:
                    break
                if clause:
                    self._first = False
                    clauses.append(clause)
        return clauses

    def deadline(self) -> str | None:
        """Return the pending text if it may well be a whole clause, else None.

        Call it when nothing has arrived for a short while. Whether the clause ends depends on the next character, but
        waiting longer for it would be silence.
        """
        if self._fence or not may_end_here(self._buffer, self._soft_minimum):
            return None
        self._first = False
        return self._take(len(self._buffer))

    def flush(self) -> str:
        """Return the rest, possibly empty or blank, and reset the splitter."""
        rest = self.pending
        self._buffer, self._scanned, self._first = "", 0, True
        self._fenced, self._fence = [], ""
        return rest

    @property
    def _soft_minimum(self) -> int:
        return self._first_min_chars if self._first else self._min_chars

    def _take(self, end: int) -> str:
        clause, self._buffer = self._buffer[:end], self._buffer[end:]
        self._scanned = 0
        return clause

    def _next_clause(self) -> str | None:
        """Return the next clause, an empty string when a fence opened before it, or None when more text is needed."""
        for match in BOUNDARY.finditer(self._buffer, self._scanned):
            start, end = match.span()
            kind = match.lastgroup or ""
            self._scanned = start
            if start > self._max_chars and (cut := self._last_space()):
                return self._take(cut)
            if end == len(self._buffer) and kind != "newline":
                return self._overlong()  # it may go on: three dots, a closing quote, a digit after the full stop
            if kind == "fence" and is_fence(match.group()):
                return self._open_fence(match.group(), start)
            verdict = self._judge(kind, start, end)
            if verdict is None:
                return self._overlong()
            if verdict:
                return self._take(start if kind == "newline" else end)
        self._scanned = len(self._buffer)
        return self._overlong()

    def _judge(self, kind: str, start: int, end: int) -> bool | None:
        """Return whether the clause ends at this boundary; None if that depends on the next characters."""
        if kind == "fence" or not LETTER.search(self._buffer, 0, start):
            return False
        if kind == "newline":
            return True
        if kind == "sentence":
            return sentence_may_end(self._buffer, start, end)
        if len(self._buffer[:end].lstrip()) < self._soft_minimum:
            return False
        return soft_may_end(self._buffer, start, end)

    def _overlong(self) -> str | None:
        if len(self._buffer) <= self._max_chars:
            return None
        longest = _LONGEST_WORD_FACTOR * self._max_chars
        cut = self._last_space() or (longest if len(self._buffer) > longest else 0)
        return self._take(cut) if cut else None

    def _last_space(self) -> int:
        """Return where an overlong clause can be cut between two words, or 0."""
        blank = len(self._buffer) - len(self._buffer.lstrip())
        return max(0, self._buffer.rfind(" ", blank, self._max_chars))

    def _open_fence(self, marker: str, start: int) -> str:
        before = self._take(start) if LETTER.search(self._buffer, 0, start) else ""
        self._fenced.append(self._take(start - len(before) + len(marker)))
        self._fence = marker
        return before

    def _rest_of_fence(self) -> str | None:
        """Return the whole fenced block if it has been closed."""
        for match in FENCE.finditer(self._buffer):
            if match.end() == len(self._buffer):
                self._fenced.append(self._take(match.start()))
                return None
            if match.group().startswith(self._fence):
                self._fenced.append(self._take(match.end()))
                block, self._fenced, self._fence = "".join(self._fenced), [], ""
                return block
        self._fenced.append(self._take(len(self._buffer)))
        return None
