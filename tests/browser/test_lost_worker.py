"""A worker is killed in the middle of a call from the talk page, which comes back by itself."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.simulators.gateway import Reply
from tests.supervisor.test_lost_workers import hosting

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="package"),
    pytest.mark.skipif(sys.platform != "linux", reason="workers are processes of Linux"),
]

PATIENCE_MS = 60_000


async def test_the_page_gets_its_answer_from_another_worker(page: Page, tmp_path: Path) -> None:
    async with hosting(tmp_path, workers=2) as r:
        r.llm.script(Reply(["Too", " late."], gates={0: asyncio.Event()}))
        await page.goto(f"http://127.0.0.1:{r.host.port}/#remembering")
        await page.get_by_label("Message").fill("When do you open?")
        await page.keyboard.press("Enter")
        await r.llm.request(0, PATIENCE_MS / 1000)
        r.llm.reply("At nine.")
        (file,) = r.pids()
        lost = int(file.read_text(encoding="utf-8"))
        os.kill(lost, signal.SIGKILL)
        answers = page.locator(".entry.agent[data-state=done] .bubble")
        await expect(answers.last).to_have_text("At nine.", timeout=PATIENCE_MS)
        await expect(page.locator(".note").last).to_have_text("Connected again: the call goes on.")
        assert int(file.read_text(encoding="utf-8")) != lost
        assert await page.locator(".entry.user .bubble").all_text_contents() == ["When do you open?"]
        assert await page.get_by_role("alert").count() == 0
        await page.get_by_role("button", name="Hang up").click()
        await asyncio.to_thread(r.host.process.until, "destroyed goodbye")
