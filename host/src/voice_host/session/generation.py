"""The model's half of a reply: runs the agent's turn and hands its text on, to the client and to the voice."""

from __future__ import annotations

from contextlib import aclosing

from voice_host import metrics
from voice_host.agent.events import TextDelta, ToolFinished, ToolStarted
from voice_host.agent.turn import AgentTurn
from voice_host.logs import get_logger
from voice_host.models import describe_model_error
from voice_host.session import messages
from voice_host.session.call import Call
from voice_host.session.reply import Reply
from voice_host.session.turn_engine import ReplyTextComplete
from voice_host_sdk import ToolCall

log = get_logger(__name__)


async def generate(call: Call, reply: Reply, turn: AgentTurn) -> bool:
    """Run the turn to its end. When the model fails, the agent's error phrase is spoken instead of silence.

    Returns:
        whether the model got to the end of its reply.
    """
    await call.link.send(messages.thinking(), reply)
    reply.stages.reach("model_request")
    finished = True
    try:
        await _relay_events(call, reply, turn)
        if not turn.text.strip():
            finished = False
            await _apologise(call, reply, "model_empty", "The language model gave no answer.")
    except Exception as error:
        finished = False
        problem = describe_model_error(error)
        log.warning(
            "model_failed",
            agent_id=call.agent_id,
            session_id=call.session_id,
            code=problem.code,
            exc_info=problem.code == "model_failed",
        )
        await _apologise(call, reply, problem.code, problem.message)
    await call.link.send(messages.chat(reply.id, reply.text.strip(), turn.steps), reply)
    await call.dispatch(ReplyTextComplete(reply.id))
    await reply.texts.put(None)
    return finished


async def add_text(call: Call, reply: Reply, text: str) -> None:
    """Show a piece of the reply and queue it to be spoken."""
    reply.text += text
    await call.link.send(messages.reply_delta(reply.id, text), reply)
    await reply.texts.put(text)


async def _relay_events(call: Call, reply: Reply, turn: AgentTurn) -> None:
    async with aclosing(turn.events()) as events:
        async for event in events:
            match event:
                case TextDelta(text):
                    reply.stages.reach("first_token")
                    await add_text(call, reply, text)
                case ToolStarted():
                    await call.link.send(messages.tool_call(event.id, event.name, dict(event.arguments)), reply)
                case ToolFinished():
                    metrics.TOOL_CALLS.labels(call.agent_id, str(event.ok).lower()).inc()
                    call.callbacks.tool_call(
                        ToolCall(event.id, event.name, event.arguments, event.ok, event.result, event.duration_ms)
                    )
                    await call.link.send(messages.tool_result(event.id, event.name, ok=event.ok), reply)


async def _apologise(call: Call, reply: Reply, code: str, message: str) -> None:
    await call.report(code, message)
    separator = " " if reply.text else ""
    await add_text(call, reply, separator + call.agent.config.error_phrase)
