"""The exit codes of `voice-host`."""

FAILED = 1
"""Something failed or is broken."""

USAGE = 2
"""Nothing was tried: an unknown command, option or agent, or invalid settings."""

INTERRUPTED = 130
"""Ctrl-C. The code that shells report for a program that SIGINT has ended."""
