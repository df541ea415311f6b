"""The command line."""

from voice_host.cli.main import main

__all__ = ["main"]
