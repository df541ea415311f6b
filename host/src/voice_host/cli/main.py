"""The `voice-host` command."""

from __future__ import annotations

import sys
import traceback
from types import TracebackType

import voice_host
from voice_host.cli.exit_codes import INTERRUPTED
from voice_host.observability.printable import printable

MAX_TRACE_CHARS = 100_000


def main() -> None:
    """Run the command in `sys.argv` and exit with its exit code."""
    sys.excepthook = _print_error
    try:
        voice_host.keep_pydantic_importable()
        # Imported here, so that Ctrl-C shows no traceback while libraries are loading either.
        from voice_host.cli.commands import app

        app(prog_name="voice-host")
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(INTERRUPTED)


def _print_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an uncaught exception. Its message may come from any package, so it is made printable."""
    text = "".join(traceback.format_exception(kind, error, trace))
    sys.stderr.write(printable(text, max_chars=MAX_TRACE_CHARS, keep="\n"))
