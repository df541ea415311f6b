"""Why a session does not begin, or is not resumed."""

from __future__ import annotations


class SessionRefused(Exception):
    """The agent's `on_session_starting` failed: this one call cannot begin."""


class ShuttingDown(SessionRefused):
    """The manager is closed, or is closing: no session begins any more."""


class ResumeRefused(SessionRefused):
    """A token opens no session: used, expired, somebody else's, or never issued. The reason is not disclosed."""
