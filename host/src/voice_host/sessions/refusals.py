"""Errors of sessions that cannot begin or be resumed."""

from __future__ import annotations


class SessionRefused(Exception):
    """The session cannot begin: the agent's `on_session_starting` failed."""


class ShuttingDown(SessionRefused):
    """The manager is closed or closing, and begins no more sessions."""


class ResumeRefused(SessionRefused):
    """The resume token is invalid: used, expired, another caller's, or never issued. The reason is not disclosed."""
