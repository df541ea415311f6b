"""The `voice-host` command."""

from __future__ import annotations

import sys
import traceback
from types import TracebackType

from voice_host.cli.exit_codes import INTERRUPTED
from voice_host.damaged_metadata import keep_pydantic_importable
from voice_host.observability.printable import printable

MAX_TRACE_CHARS = 100_000


def main() -> None:
    """Run the command that `sys.argv` asks for, and leave with its exit code."""
    sys.excepthook = _print_error
    try:
        keep_pydantic_importable()
        # Imported when it is needed: Ctrl-C shows no stack trace while libraries are still loading either.
        from voice_host.cli.verbs import app

        app(prog_name="voice-host")
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(INTERRUPTED)


def _print_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a fault of the host's own: its words may be those of a package."""
    text = "".join(traceback.format_exception(kind, error, trace))
    sys.stderr.write(printable(text, max_chars=MAX_TRACE_CHARS, keep="\n"))
