"""The talk page goes on with a call whose connection was lost, shows that it does, and gives up in words."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.browser.scripted_host import ScriptedCall, ScriptedHost, tone
from tests.browser.test_talk_page_failures import type_message

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]


async def test_a_lost_call_goes_on_with_the_token_of_its_last_ready(page: Page, host: ScriptedHost) -> None:
    async def script(call: ScriptedCall) -> None:
        if call.resumes is None:
            await call.ready("first")
            await call.message("text")
            await call.send("chat", reply=1, text="I count to ten: one, two, three.", steps=[])
            await call.speak(tone(3.0))
            await call.close(1012)
        elif call.resumes == "first":
            await call.message("never") if len(host.calls) == 2 else await call.ready("second")
            await call.send("chat", reply=2, text="one, two, three.", steps=[])
            await call.send("tts_done", reply=2)
            await call.message("text")
            await call.close(1001)
        else:
            await call.ready("third")
            await call.send("chat", reply=3, text="Still here.", steps=[])

    host.script = script
    await page.clock.install()
    await page.goto(host.url)
    await type_message(page, "Count")
    await expect(page.locator("body")).to_have_attribute("data-phase", "reconnecting")
    await expect(page.locator("#status-text")).to_have_text("Connection lost. Reconnecting …")
    assert await page.evaluate("window.voiceHost.facts.speaker.playing") is False
    await page.clock.run_for(1_000)
    await (await host.call(2)).close(1012)  # in vain, this time
    await type_message(page, "Hello?")
    assert await page.get_by_role("button", name="Hang up").is_enabled()
    await page.clock.run_for(2_000)
    third = await host.call(3)
    await expect(page.locator("body")).not_to_have_attribute("data-phase", "idle")
    await third.wait_for(lambda: third.closed_with is not None)
    await page.clock.run_for(1_000)
    await expect(page.locator(".entry.agent .bubble").last).to_have_text("Still here.")
    assert [call.resumes for call in host.calls] == [None, "first", "first", "second"]
    await expect(page.locator(".note")).to_have_text(
        ["The connection was lost. Reconnecting …", "Connected again: the call goes on."] * 2
    )
    assert await page.get_by_role("alert").count() == 0
    await page.get_by_role("button", name="Hang up").click()
    await (await host.call(4)).wait_for(lambda: host.calls[3].closed_with == 1000)
    host.failures.clear()  # of the script that was cut off


async def test_a_call_that_the_host_has_ended_is_given_up_at_once(page: Page, host: ScriptedHost) -> None:
    async def script(call: ScriptedCall) -> None:
        if call.resumes is None:
            await call.ready("first")
            await call.message("text")
            await call.close(1012)
        else:
            await call.close(4401, "there is no call to resume")

    host.script = script
    await page.goto(host.url)
    await type_message(page, "Hello")
    await expect(page.get_by_role("alert")).to_contain_text("could not go on: the host has ended it meanwhile")
    assert await page.get_by_role("button", name="Call again").is_visible()
    assert await page.locator("body").get_attribute("data-phase") == "idle"


async def test_a_host_that_stays_away_is_given_up_when_it_would_have_forgotten(page: Page, host: ScriptedHost) -> None:
    async def script(call: ScriptedCall) -> None:
        if call.resumes is None:
            await call.ready("first")
            await call.message("text")
        await call.close(1012)

    host.script = script
    await page.clock.install()
    await page.goto(host.url)
    await type_message(page, "Hello")
    await expect(page.locator("body")).to_have_attribute("data-phase", "reconnecting")
    for _ in range(60):
        await page.clock.run_for(1_000)
    await expect(page.get_by_role("alert")).to_contain_text("could not be reached again in time")
    assert 2 < len(host.calls) < 15


async def test_a_host_that_falls_silent_is_called_anew(page: Page, host: ScriptedHost) -> None:
    async def script(call: ScriptedCall) -> None:
        await call.ready("first")

    host.script = script
    await page.clock.install()
    await page.goto(host.url)
    await type_message(page, "Hello")
    await expect(page.locator("body")).to_have_attribute("data-phase", "listening")
    for _ in range(4):
        await page.clock.run_for(10_000)  # the scripted host answers no ping
    second = await host.call(2)
    assert second.resumes == "first"
    await host.calls[0].wait_for(lambda: host.calls[0].closed_with == 4000)
    await expect(page.locator("body")).to_have_attribute("data-phase", "listening")
