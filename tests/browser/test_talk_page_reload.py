"""The talk page goes on with its call after a reload, and only then."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.browser.scripted_host import ScriptedCall, ScriptedHost, agent
from tests.browser.test_talk_page_failures import type_message

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]

KEPT = "sessionStorage.getItem('voice-host.call')"
BUBBLES = ".bubble:not([hidden])"

# What browsers do that do not remember, over a reload, that somebody has clicked.
SILENT_UNTIL_CLICKED = """
  const { resume } = AudioContext.prototype;
  const waiting = [];
  let isTouched = false;
  addEventListener("click", () => { isTouched = true; }, { capture: true });
  AudioContext.prototype.resume = function () {
    if (!isTouched) return new Promise((resolve) => waiting.push(resolve));
    return resume.call(this).then(() => waiting.splice(0).forEach((resolved) => resolved()));
  };
"""


async def answering(call: ScriptedCall) -> None:
    """Answers every typed turn; the token of the nth connection is `token-n`."""
    number = int((call.resumes or "token-0").removeprefix("token-")) + 1
    await call.ready(f"token-{number}")
    reply = 10 * number
    while True:
        typed = await call.message("text")
        await call.send("turn", text=typed["text"])
        await call.send("tool_call", id="a", name="opening_hours", arguments={"day": "Friday"})
        await call.send("tool_result", id="a", name="opening_hours", ok=True)
        await call.send("chat", reply=reply, text=f"Answer {reply}.", steps=[])
        await call.send("tts_done", reply=reply)
        await call.send("metrics", reply=reply, stages_ms={"model_request": 0.5, "first_audio_out": 640.0})
        reply += 1


async def test_a_reload_goes_on_with_the_call_and_shows_what_was_said(page: Page, host: ScriptedHost) -> None:
    host.agents = [agent("front-desk", "Front desk"), agent("bakery", "Bakery")]
    host.script = answering
    await page.goto(f"{host.url}/#bakery")
    await type_message(page, "Friday?")
    await expect(page.locator(".footnote")).to_have_text("first sound after 0.64 s")
    assert await page.evaluate(KEPT) is None, "a tab that is duplicated now must not take the call along"

    await page.reload()
    second = await host.call(2)
    assert second.resumes == "token-1"
    await host.calls[0].wait_for(lambda: host.calls[0].closed_with == 1001)
    await expect(page.get_by_role("heading", name="Bakery")).to_be_visible()
    await expect(page.locator(".note")).to_have_text("Connected again: the call goes on.")
    await expect(page.locator(BUBBLES)).to_have_text(["Friday?", "Answer 10."])
    await expect(page.locator(".chip")).to_contain_text(["opening_hoursday: Friday"])
    await expect(page.locator(".footnote")).to_have_text("first sound after 0.64 s")
    assert await page.evaluate(KEPT) is None, "a token is good for one use"

    await type_message(page, "And Sunday?")
    await expect(page.locator(BUBBLES)).to_have_text(["Friday?", "Answer 10.", "And Sunday?", "Answer 20."])
    await page.reload()
    assert (await host.call(3)).resumes == "token-2"
    await expect(page.locator(BUBBLES)).to_have_text(["Friday?", "Answer 10.", "And Sunday?", "Answer 20."])
    await expect(page.locator("body")).to_have_attribute("data-phase", "listening")
    assert await page.get_by_role("alert").count() == 0


async def test_a_muted_microphone_stays_muted(page: Page, host: ScriptedHost) -> None:
    host.script = answering
    await page.goto(host.url)
    await page.get_by_role("button", name="Start talking").click()
    await page.get_by_role("button", name="Mute", exact=True).click()
    await page.reload()
    await expect(page.locator("#status-text")).to_have_text("Microphone muted")
    call = await host.call(2)
    await call.wait_for(lambda: len(call.audio_frames) > 5)
    assert not any(call.audio)
    await page.get_by_role("button", name="Unmute").click()
    await expect(page.locator("#status-text")).to_have_text("Listening")


async def test_a_call_that_was_ended_is_not_resumed(page: Page, host: ScriptedHost) -> None:
    host.script = answering
    await page.goto(host.url)
    await type_message(page, "Friday?")
    await expect(page.locator(BUBBLES)).to_have_count(2)
    await page.get_by_role("button", name="Hang up").click()
    await page.reload()
    await type_message(page, "Friday?")
    assert (await host.call(2)).resumes is None


async def test_a_page_that_is_left_and_visited_again_does_not_resume(page: Page, host: ScriptedHost) -> None:
    host.script = answering
    await page.goto(host.url)
    await type_message(page, "Friday?")
    await expect(page.locator(BUBBLES)).to_have_count(2)
    await page.goto("about:blank")
    await page.goto(host.url)
    await expect(page.get_by_role("button", name="Start talking")).to_be_enabled()
    await page.reload()
    await type_message(page, "Friday?")
    assert (await host.call(2)).resumes is None


async def test_a_call_that_has_ended_meanwhile_leaves_what_was_said(page: Page, host: ScriptedHost) -> None:
    async def script(call: ScriptedCall) -> None:
        if call.resumes is None:
            await answering(call)
        else:
            await call.close(4401, "there is no call to resume")

    host.script = script
    await page.goto(host.url)
    await type_message(page, "Friday?")
    await expect(page.locator(BUBBLES)).to_have_text(["Friday?", "Answer 10."])
    await page.reload()
    await expect(page.get_by_role("alert")).to_contain_text("could not go on: the host has ended it meanwhile")
    await expect(page.locator(BUBBLES)).to_have_text(["Friday?", "Answer 10."])
    assert await page.get_by_role("button", name="Call again").is_visible()


async def test_a_browser_that_keeps_the_page_silent_is_asked_for_a_click_first(page: Page, host: ScriptedHost) -> None:
    host.script = answering
    await page.add_init_script(SILENT_UNTIL_CLICKED)
    await page.goto(host.url)
    await page.get_by_label("Message").fill("Friday?")
    await page.get_by_role("button", name="Send").click()
    await expect(page.locator(BUBBLES)).to_have_text(["Friday?", "Answer 10."])
    await page.reload()
    await expect(page.locator("#status-text")).to_have_text("Click anywhere or press a key to go on with the call")
    await expect(page.locator("[aria-live]")).to_have_text("Click anywhere or press a key to go on with the call")
    await expect(page.locator(BUBBLES)).to_have_text(["Friday?", "Answer 10."])
    assert len(host.calls) == 1, "what is said now would not be heard"
    await page.get_by_label("Message").fill("And Sunday?")
    await page.evaluate("document.getElementById('type').requestSubmit()")
    await page.reload()  # nobody has gone on with the call yet: it waits, and so does what was typed
    await page.get_by_role("button", name="Go on").click()
    assert (await host.call(2)).resumes == "token-1"
    await expect(page.locator(BUBBLES)).to_have_text(["Friday?", "Answer 10.", "And Sunday?", "Answer 20."])
    await expect(page.locator("body")).to_have_attribute("data-phase", "listening")
