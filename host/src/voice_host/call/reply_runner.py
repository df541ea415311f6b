"""Runs a reply: passes the model's text to client and voice, and the voice's audio to the client."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

from pydantic_ai.exceptions import UsageLimitExceeded

from voice_host.call import events
from voice_host.call.call import Call
from voice_host.call.prepared_turn import PreparedTurn
from voice_host.call.reply import Reply
from voice_host.call.speech_out import SpeechOut
from voice_host.clock import now_s
from voice_host.conversation.events import AgentEvent, AnswerBrokenOff, TextDelta, ToolFinished, ToolStarted
from voice_host.conversation.turn import AgentTurn, OnEvent
from voice_host.models import log_model_error
from voice_host.tasks import forget_frames
from voice_host.text import ClauseWording
from voice_host.turns.caller_words import asks
from voice_host.turns.events import ReplyTextComplete
from voice_host_sdk import ProviderError, SilenceConfig

Relay = Callable[[Call, Reply], Coroutine[Any, Any, None]]
"""Speaks a reply's text as it is generated, and returns when it has been played."""


async def answer_turn(call: Call, text: str, prepared: PreparedTurn | None, reply: Reply, relay: Relay) -> None:
    """Answer the caller's turn: model, voice and playout run concurrently."""
    run: Callable[[OnEvent], Awaitable[None]]
    # A subclass of the handler may have changed the text, while the model was given the caller's words.
    if prepared is not None and prepared.turn.prompt == text and call.agent.commit(prepared.turn):
        turn, run = prepared.turn, prepared.deliver
    else:
        turn = call.agent.begin_turn(text)
        run = turn.run
    reply.turn = turn
    finished = False
    try:
        if prepared is not None and prepared.turn is not turn:
            prepared.cancel()
        if reply.alive:
            async with asyncio.TaskGroup() as tasks:
                speech = tasks.create_task(relay(call, reply), name=f"speech-{reply.id}")
                speech.add_done_callback(forget_frames)
                await call.reporter.tell(events.ReplyBegun(reply.id), reply)
                reply.stages.reach("model_request")
                finished = await _generate(call, reply, turn, run)
    finally:
        try:
            if prepared is not None:
                await prepared.drop()
            await reply.reported()
        finally:
            if reply.id > call.forgotten:
                await call.agent.end_turn(turn, *reply.remembered(), failed=not finished)
        reply.settled = True
        for late in turn.unreported():
            _note_late_tool(call, late)
        if turn.tools_running:
            turn.on_late_tool.append(partial(_note_late_tool, call))


async def speak_text(call: Call, text: str, greeting: bool, reply: Reply, relay: Relay) -> None:
    """Speak a given text as a reply, without the model."""
    if not reply.alive:
        return
    await reply.write(text)
    await call.reporter.tell(events.ReplyComplete(reply.id, text, greeting=greeting), reply)
    await reply.end_text()
    try:
        await relay(call, reply)
    finally:
        try:
            await reply.reported()
        finally:
            if reply.id > call.forgotten:
                call.agent.remember_spoken(text, *reply.remembered())
        reply.settled = True


async def relay_speech(call: Call, reply: Reply, wording: ClauseWording) -> None:
    """Speak the reply's text as it is generated, and return when it has been played (`Relay`)."""

    async def on_error(error: ProviderError) -> None:
        if not error.retryable:
            call.voice = None  # do not try it again for later replies
        await call.report_failure(error)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(reply.playout.run(), name=f"playout-{reply.id}")
        await SpeechOut(call.voice if call.speech_wanted else None, reply, wording, on_error).run()
        reply.playout.complete()
    await call.reporter.tell(events.SpeechSent(reply.id), reply)
    await reply.playout.played()


# --- the model's part -------------------------------------------------------------------------------------------------


async def _generate(call: Call, reply: Reply, turn: AgentTurn, run: Callable[[OnEvent], Awaitable[None]]) -> bool:
    """Run a turn to its end. If the model fails, the agent says so.

    Returns:
        whether the model finished its reply.
    """
    finished = True
    filler = asyncio.create_task(_cover_silence(call, reply, call.agent.config.silence), name=f"filler-{reply.id}")
    try:
        await run(partial(_on_agent_event, call, reply))
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
    await reply.end_text()
    return finished


async def _cover_silence(call: Call, reply: Reply, config: SilenceConfig) -> None:
    """Speak fillers, in turn, while no text has come from the model for a while."""
    if config.filler_after_s is None:
        return
    for filler in config.fillers:
        since_s = now_s()
        while True:
            # New text only updates the time that is checked here, so this is not woken for each word.
            silent_at_s = max(since_s, reply.text_came_s) + config.filler_after_s
            if (left_s := silent_at_s - now_s()) > 0:
                await asyncio.sleep(left_s)
            elif reply.playout.busy or reply.playout.held or call.phone.collecting:
                since_s = now_s()  # earlier text is still being spoken, or the caller speaks or presses keys
            else:
                break
        await reply.fill(filler)


async def _on_agent_event(call: Call, reply: Reply, event: AgentEvent) -> None:
    match event:
        case TextDelta(text):
            reply.stages.reach("first_token")
            await _write(call, reply, text)
        case ToolStarted():
            await reply.end_sentence()
            await call.reporter.tell(events.ToolStarted(event.id, event.name, event.arguments), reply)
        case ToolFinished():
            call.session.checkpoint_soon()
            await call.reporter.tell(_tool_finished(event), reply)
        case AnswerBrokenOff(reason):
            call.reporter.note(events.AnswerBrokenOff(reason))


async def _write(call: Call, reply: Reply, text: str) -> None:
    await reply.write(text)
    await call.reporter.tell(events.ReplyText(reply.id, text), reply)


async def _say_instead(call: Call, reply: Reply, code: str, message: str, phrase: str | None = None) -> None:
    await call.report(code, message)
    separator = " " if reply.text else ""
    await _write(call, reply, separator + (phrase or call.agent.config.error_phrase))


def _note_late_tool(call: Call, tool: ToolFinished) -> None:
    call.session.checkpoint_soon()
    call.reporter.note(_tool_finished(tool, late=True))


def _tool_finished(tool: ToolFinished, *, late: bool = False) -> events.ToolFinished:
    return events.ToolFinished(
        tool.id, tool.name, tool.arguments, tool.ok, tool.result, tool.duration_ms, late, tool.timed_out
    )
