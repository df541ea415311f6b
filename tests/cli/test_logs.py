"""How `voice-host logs` shows a line."""

from __future__ import annotations

from typing import Any

from voice_host.cli.logs import shown

LINE: dict[str, Any] = {
    "event": "call_ended",
    "level": "info",
    "timestamp": "2026-01-02T03:04:05.678901Z",
    "agent_id": "desk",
    "release": "1.4.0",
    "worker": 2,
    "turns": 3,
    "reason": "goodbye",
}


def test_a_line_of_the_log() -> None:
    told = shown(LINE).plain
    assert told == "2026-01-02T03:04:05.678901Z info     1.4.0/2 call_ended reason=goodbye turns=3"
    assert shown(LINE, times_only=True).plain.split()[0].count(":") == 2


def test_a_line_of_the_front_has_no_worker() -> None:
    line = {name: value for name, value in LINE.items() if name not in ("release", "worker")}
    assert shown(line).plain.endswith("info     call_ended reason=goodbye turns=3")


def test_what_was_printed_is_shown_as_it_was() -> None:
    printed = LINE | {"event": "printed", "level": "warning", "stream": "stderr", "text": "Fatal Python error: Aborted"}
    told = shown(printed)
    assert told.plain.endswith("warning  1.4.0/2 Fatal Python error: Aborted")
    assert any(span.style == "yellow" for span in told.spans)


def test_a_stack_trace_is_shown_below() -> None:
    told = shown(LINE | {"level": "error", "exception": "Traceback:\n  File x\nValueError"}).plain
    assert told.endswith("turns=3\nTraceback:\n  File x\nValueError")


def test_escape_sequences_do_not_reach_the_terminal() -> None:
    odd = LINE | {"event": "\x1b[2J", "text": "\x1b]0;title\x07", "release": "\x1b", "\x1b": "\u202e"}
    assert "\x1b" not in shown(odd).plain
    assert "\u202e" not in shown(odd).plain


def test_skipped_lines_are_counted() -> None:
    assert "7 lines were skipped" in shown({"event": "log_lines_skipped", "level": "warning", "lines": 7}).plain
