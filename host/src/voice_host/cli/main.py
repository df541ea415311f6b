"""The `voice-host` command."""

from __future__ import annotations

import sys

from voice_host.cli.exit_codes import INTERRUPTED
from voice_host.damaged_metadata import keep_pydantic_importable


def main() -> None:
    """Run the command that `sys.argv` asks for, and leave with its exit code."""
    try:
        keep_pydantic_importable()
        # Imported when it is needed: Ctrl-C shows no stack trace while libraries are still loading either.
        from voice_host.cli.verbs import app

        app(prog_name="voice-host")
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(INTERRUPTED)
