"""Printing a call on a terminal as it happens, and its latencies at the end."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from voice_host.call.latency import STAGES
from voice_host.observability.printable import printable

HEADINGS = {
    "speech_end": "speech",
    "transcript_final": "final",
    "model_request": "asked",
    "first_token": "token",
    "first_clause": "clause",
    "first_audio_in": "voice",
    "first_audio_out": "sent",
    "audible_end": "played",
    "barge_in_to_silence": "barge-in",
}
"""Column headings for `STAGES`, short enough for 80 columns."""


class CallReport:
    """Prints what the agent heard, its tool calls and its replies; `latencies()` prints the stages of each reply.

    Args:
        console: where to print.
        has_stages: whether the client protocol tells the stages of a reply.
    """

    def __init__(self, console: Console, *, has_stages: bool = True) -> None:
        self._has_stages = has_stages
        self._console = console
        self._stages: list[tuple[int, dict[str, float]]] = []
        self._first_sounds_ms: list[float] = []

    def take(self, message: dict[str, Any]) -> None:
        """Print one message of the call protocol."""
        match message["type"]:
            case "ready" if message.get("resumed"):
                self._line("call", "the call goes on", "dim")
            case "ready":
                self._line("call", f"{message['agent']}, session {message['session_id']}", "dim")
            case "greeting" | "chat":
                self._line("agent", message["text"], "bold")
            case "turn":
                self._line("heard", message["text"], "cyan")
            case "tool_call":
                arguments = ", ".join(f"{key}={value!r}" for key, value in message["arguments"].items())
                self._line("tool", f"{message['name']}({arguments})", "magenta")
            case "tool_result" if not message["ok"]:
                self._line("tool", f"{message['name']} failed", "red")
            case "key":
                self._line("keys", message["digit"], "cyan")
            case "carrier":
                self._line("line", message["text"], "yellow")
            case "cut":
                self._line("cut", "the caller interrupted", "yellow")
            case "cancelled":
                self._line("cut", f"the caller heard: {message['heard'] or 'nothing'}", "yellow")
            case "error":
                self._line("error", f"{message['message']} ({message['code']})", "red")
            case "metrics":
                self._stages.append((message["reply"], message["stages_ms"]))
            case "first_sound":
                self._first_sounds_ms.append(message["ms"])

    def lost(self, reason: str) -> None:
        """Print that the connection was lost and the call is going to be resumed."""
        self._line("call", f"{reason}; coming back", "yellow")

    def latencies(self) -> None:
        """Print the stages of each reply, in ms from the end of the caller's turn.

        Where the client protocol has no stages, print how long the caller waited for the agent's first sound.
        """
        if not self._has_stages:
            waited = ", ".join(f"{ms:.0f} ms" for ms in self._first_sounds_ms) or "the agent said nothing"
            self._console.print(f"\nFrom the caller's last sound to the agent's first: {waited}")
            return
        table = Table(
            title="Latency, ms since the end of the caller's turn", title_justify="left", box=None, pad_edge=False
        )
        table.add_column("reply", justify="right")
        for stage in STAGES:
            table.add_column(HEADINGS[stage], justify="right", no_wrap=True)
        for reply, stages in self._stages:
            table.add_row(str(reply), *(f"{stages[stage]:.0f}" if stage in stages else "-" for stage in STAGES))
        self._console.print()
        self._console.print(table)

    def _line(self, who: str, text: str, style: str) -> None:
        self._console.print(Text.assemble((f"{who:>6}  ", "dim"), (printable(text), style)), soft_wrap=True)
