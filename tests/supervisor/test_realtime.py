"""Clients of the OpenAI Realtime API, whose agents are in worker processes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from openai import AsyncOpenAI

from tests.supervisor.fleet import fleet

pytestmark = pytest.mark.real_time


async def test_a_worker_greets_answers_and_runs_the_tool(tmp_path: Path) -> None:
    async with fleet(tmp_path) as host:
        client = AsyncOpenAI(api_key="any", base_url=f"http://{host.address}/v1", max_retries=0)
        async with client.realtime.connect(model="telling", extra_query={"customer": "17"}) as connection:
            await connection.session.update(session={"type": "realtime"})
            said = []
            async for event in connection:
                if event.type == "response.done":
                    assert event.response.output is not None
                    said.append(event.response.output[0].content[0].transcript)  # type: ignore[union-attr]
                    if len(said) == 2:
                        break
                    content = [{"type": "input_text", "text": "What are your opening hours on Friday?"}]
                    item = {"type": "message", "role": "user", "content": content}
                    await connection.conversation.item.create(item=item)  # type: ignore[arg-type]
                    await connection.response.create()
            told = json.loads(said[0] or "")
            pids = host.pids()
    assert told["pid"] in pids
    assert told["pid"] != os.getpid()
    assert told["metadata"] == {"customer": "17"}
    assert (said[1] or "").startswith(str(told["pid"]))
