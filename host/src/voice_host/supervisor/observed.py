"""Events that workers report, for the observers of extensions in the front."""

from __future__ import annotations

from pydantic import TypeAdapter, ValidationError

from voice_host.observability.logs import get_logger
from voice_host.sessions.observers import Observers
from voice_host.workers.messages import Observed
from voice_host_sdk import AgentReply, ObservedSession, SessionEnd, SessionError, ToolCall, UserTurn

log = get_logger(__name__)

_RECORDS: dict[str, TypeAdapter[object] | None] = {
    "on_session_created": None,
    "on_user_turn": TypeAdapter(UserTurn),
    "on_agent_reply": TypeAdapter(AgentReply),
    "on_tool_call": TypeAdapter(ToolCall),
    "on_error": TypeAdapter(SessionError),
    "on_session_destroyed": TypeAdapter(SessionEnd),
}
_SESSION = TypeAdapter(ObservedSession)


def pass_on(message: Observed, agent_id: str, observers: Observers) -> None:
    """Notify the observers of a worker's event.

    Args:
        message: the event. A worker runs a customer's code, so nothing of it is trusted.
        agent_id: the worker's agent.
        observers: the observers.
    """
    if message.event not in _RECORDS:
        log.warning("unknown_event", agent_id=agent_id, name=message.event)
        return
    adapter = _RECORDS[message.event]
    try:
        session = _SESSION.validate_python({**message.session, "agent_id": agent_id})
        records = [] if adapter is None else [adapter.validate_python(record) for record in message.records[:1]]
    except ValidationError as error:
        log.warning("invalid_event", agent_id=agent_id, name=message.event, mistakes=error.error_count())
        return
    if len(records) == (adapter is not None):
        observers.notify(message.event, session, *records)
