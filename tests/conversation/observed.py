"""What the tests of a conversation look at."""

from __future__ import annotations

import asyncio

from pydantic_ai.messages import TextPart, ToolReturnPart, UserPromptPart

from voice_host.conversation.voice_agent import VoiceAgent


def spoken(agent: VoiceAgent) -> list[str]:
    """The conversation as its texts."""
    texts = []
    for message in agent.memory:
        for part in message.parts:
            if isinstance(part, UserPromptPart):
                texts.append(f"user: {part.content}")
            elif isinstance(part, TextPart):
                texts.append(f"agent: {part.content.strip()}")
            elif isinstance(part, ToolReturnPart):
                texts.append(f"tool: {part.content}")
    return texts


async def everything_else_done() -> None:
    """Wait for the tasks that outlive their turn."""
    await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()})
