"""A call to the real host in a real browser: a person speaks, the agent is seen to understand and heard to answer."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]

PATIENCE_MS = 60_000

# A finished reply below the caller's turn that holds these words (any, if none are given) and was audible: its id.
AUDIBLE_ANSWER = """words => [...document.querySelectorAll(".entry.user:not(.partial) ~ .entry.agent[data-state=done]")]
  .filter((entry) => entry.querySelector(".bubble").textContent.includes(words))
  .map((entry) => entry.dataset.reply)
  .find((reply) => voiceHost.facts.speaker?.peakOfReply[reply] > 0.05) ?? null"""


async def test_spoken_question_is_understood_and_answered_aloud(page: Page, real_host_url: str) -> None:
    await page.goto(f"{real_host_url}/#front-desk")
    await page.get_by_role("button", name="Start talking").click()
    said = page.locator(".entry.user:not(.partial) .bubble")
    await expect(said.first).to_contain_text("weather", ignore_case=True, timeout=PATIENCE_MS)
    answer = await page.wait_for_function(AUDIBLE_ANSWER, arg="", timeout=PATIENCE_MS)
    assert int(await answer.json_value()) > 0
    assert await page.get_by_role("alert").count() == 0


async def test_typed_question_is_answered_aloud_without_the_microphone(page: Page, real_host_url: str) -> None:
    await page.goto(f"{real_host_url}/#front-desk")
    await page.get_by_label("Message").fill("What time do you open on Friday?")
    await page.keyboard.press("Enter")
    answer = await page.wait_for_function(AUDIBLE_ANSWER, arg="Friday", timeout=PATIENCE_MS)
    assert int(await answer.json_value()) > 0
    assert await page.evaluate("voiceHost.facts.microphoneFrames") == 0


async def test_a_call_goes_on_after_a_reload(page: Page, real_host_url: str) -> None:
    await page.goto(f"{real_host_url}/#front-desk")
    await page.get_by_role("button", name="Are you open on Sunday?").click()
    answers = page.locator(".entry.agent[data-state=done] .bubble")
    await expect(answers.last).to_contain_text("On Sunday", timeout=PATIENCE_MS)
    before = await page.locator(".bubble").all_text_contents()
    await page.reload()
    await expect(page.locator(".note")).to_have_text("Connected again: the call goes on.", timeout=PATIENCE_MS)
    assert (await page.locator(".bubble").all_text_contents())[: len(before)] == before
    await page.get_by_label("Message").fill("What time do you open on Friday?")
    await page.keyboard.press("Enter")
    await expect(answers.last).to_contain_text("Friday", timeout=PATIENCE_MS)
    await expect(page.locator(".footnote").last).to_contain_text("first sound after", timeout=PATIENCE_MS)
    assert await page.get_by_role("alert").count() == 0
