"""Logging what is said in calls. Off by default."""

from __future__ import annotations

import logging

from voice_host.observability.logs import get_logger
from voice_host_sdk import AgentReply, Session, UserTurn

# Above every level, so that an application that embeds the host and logs everything does not log callers' words.
_logger = logging.getLogger("voice_host.transcript")
_logger.setLevel(logging.CRITICAL + 1)
_log = get_logger(_logger.name)


def log_transcripts(wanted: bool) -> None:
    """Turn logging of transcripts on or off, for the whole process."""
    _logger.setLevel(logging.INFO if wanted else logging.CRITICAL + 1)


def log_turn(session: Session, turn: UserTurn) -> None:
    """Log what a caller said."""
    _log.info("caller_said", agent_id=session.agent_id, session_id=session.id, text=turn.text, typed=turn.typed)


def log_reply(session: Session, reply: AgentReply) -> None:
    """Log what an agent said, and what was heard of it."""
    _log.info("agent_said", agent_id=session.agent_id, session_id=session.id, text=reply.text, heard=reply.heard)
