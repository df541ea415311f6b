"""The model's half of a reply: its text on to the client and to the voice, its tools reported, its failures spoken."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from pydantic_ai.exceptions import UsageLimitExceeded

from voice_host.call import events
from voice_host.call.call import Call
from voice_host.call.reply import Aside, Reply
from voice_host.conversation.events import AgentEvent, TextDelta, ToolFinished, ToolStarted
from voice_host.conversation.turn import AgentTurn, OnEvent
from voice_host.models import log_model_error
from voice_host.turns.caller_words import asks
from voice_host.turns.events import ReplyTextComplete
from voice_host_sdk import SilenceConfig


async def generate(call: Call, reply: Reply, turn: AgentTurn, run: Callable[[OnEvent], Awaitable[None]]) -> bool:
    """Take a turn to its end. When the model fails, the agent says so instead of falling silent.

    Returns:
        whether the model got to the end of its reply.
    """
    finished = True
    filler = asyncio.create_task(cover_dead_air(reply, call.agent.config.silence), name=f"filler-{reply.id}")
    try:
        await run(partial(_relay, call, reply))
        if not turn.text.strip() and not turn.outcomes:
            finished = False
            await _say_instead(call, reply, "model_empty", "The language model gave no answer.")
    except UsageLimitExceeded:
        finished = False
        phrase = call.agent.config.step_limit_phrase
        await _say_instead(call, reply, "step_limit", "The reply took too many steps.", phrase)
    except Exception as error:  # noqa: BLE001 - `log_model_error` logs it
        finished = False
        problem = log_model_error(call.agent_id, error)
        await _say_instead(call, reply, problem.code, problem.message)
    finally:
        filler.cancel()
        await asyncio.wait([filler])
    await call.reporter.tell(events.ReplyComplete(reply.id, reply.text.strip(), tuple(turn.steps)), reply)
    await call.dispatch(ReplyTextComplete(reply.id, asks(reply.text)))
    await reply.texts.put(None)
    return finished


async def cover_dead_air(reply: Reply, config: SilenceConfig) -> None:
    """Say something when neither the model nor a tool has brought anything to say for a while."""
    for filler in config.fillers if config.filler_after_s is not None else ():
        while True:
            reply.text_came.clear()
            try:
                async with asyncio.timeout(config.filler_after_s):
                    await reply.text_came.wait()
            except TimeoutError:
                # No dead air while what was said before is still being spoken, or while the caller is speaking.
                if not (reply.playout.busy or reply.playout.held):
                    break
        await reply.texts.put(Aside(filler))


async def _relay(call: Call, reply: Reply, event: AgentEvent) -> None:
    match event:
        case TextDelta(text):
            reply.stages.reach("first_token")
            await _add_text(call, reply, text)
        case ToolStarted():
            # What was said before a tool is not to wait for it.
            await reply.texts.put("\n")
            await call.reporter.tell(events.ToolStarted(event.id, event.name, event.arguments), reply)
        case ToolFinished():
            await call.reporter.tell(_tool_finished(event), reply)


def note_late_tool(call: Call, tool: ToolFinished) -> None:
    """Report a tool that ended after its reply was over."""
    call.reporter.note(_tool_finished(tool, late=True))


def _tool_finished(tool: ToolFinished, *, late: bool = False) -> events.ToolFinished:
    return events.ToolFinished(tool.id, tool.name, tool.arguments, tool.ok, tool.result, tool.duration_ms, late)


async def _add_text(call: Call, reply: Reply, text: str) -> None:
    reply.text += text
    reply.text_came.set()
    await call.reporter.tell(events.ReplyText(reply.id, text), reply)
    await reply.texts.put(text)


async def _say_instead(call: Call, reply: Reply, code: str, message: str, phrase: str | None = None) -> None:
    await call.report(code, message)
    separator = " " if reply.text else ""
    await _add_text(call, reply, separator + (phrase or call.agent.config.error_phrase))
