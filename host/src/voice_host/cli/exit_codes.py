"""How the command ends, as numbers."""

FAILED = 1
"""It was tried, and something is broken."""

USAGE = 2
"""It was not tried: an unknown verb, option or agent, or settings that cannot be used."""

INTERRUPTED = 130
"""Ctrl-C. It is what a shell says of a program that SIGINT has ended."""
