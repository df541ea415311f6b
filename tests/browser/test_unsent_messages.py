"""What was typed for a call that then failed is back in the field, on the talk page and in the widget."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.customer_site import CustomerSite
from tests.browser.scripted_host import ScriptedCall, ScriptedHost
from tests.browser.test_talk_page_failures import type_message

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]

INLINE = '<voice-agent agent="front-desk" placement="inline"></voice-agent>'


async def refuse_once_asked(call: ScriptedCall) -> None:
    await call.wait_for(lambda: {"type": "refuse"} in call.messages)
    await call.close(4404, "for a reason")


async def answer(call: ScriptedCall) -> None:
    await call.ready()
    said = (await call.message("text"))["text"]
    await call.send("turn", text=said)
    await call.send("chat", reply=1, text="Yes.", steps=[])
    await call.message("text")
    await call.close(4500)


@pytest.mark.parametrize("shown", ["talk page", "widget"])
async def test_a_message_is_typed_once_although_its_first_call_fails(
    page: Page, host: ScriptedHost, site: CustomerSite, shown: str
) -> None:
    host.script = refuse_once_asked
    await page.goto(host.url if shown == "talk page" else site.show(host.url, INLINE))
    field, alert = page.get_by_role("textbox", name="Message"), page.get_by_role("alert")
    said = page.locator(".user:not(.partial) .bubble")
    await type_message(page, "Are you open")
    await expect(field).to_have_value("")
    await expect(said).to_have_text("Are you open")
    await field.fill("on Sunday?")
    await (await host.call()).pretend("refuse")
    await expect(alert).to_contain_text("no such agent")
    await expect(field).to_have_value("Are you open on Sunday?")
    await expect(said).to_have_count(0)

    host.script = answer
    await field.press("Enter")
    await expect(page.locator(".agent .bubble")).to_have_text("Yes.")
    await expect(said).to_have_text("Are you open on Sunday?")
    await type_message(page, "Thanks")  # which reaches the host, whatever comes then
    await expect(alert).to_contain_text("could not be started")
    await expect(field).to_have_value("")
    await expect(said).to_have_text(["Are you open on Sunday?", "Thanks"])


@pytest.mark.parametrize("shown", ["talk page", "widget"])
async def test_a_message_is_not_lost_when_the_caller_hangs_up_before_it_was_sent(
    page: Page, host: ScriptedHost, site: CustomerSite, shown: str
) -> None:
    host.script = refuse_once_asked
    await page.goto(host.url if shown == "talk page" else site.show(host.url, INLINE))
    await type_message(page, "Are you open")
    await host.call()
    await page.get_by_role("button", name=re.compile("Hang up|End")).click()
    await expect(page.get_by_role("textbox", name="Message")).to_have_value("Are you open")
    await expect(page.locator(".user:not(.partial) .bubble")).to_have_count(0)


async def test_a_message_stays_in_the_field_of_a_widget_that_cannot_call(
    page: Page, host: ScriptedHost, site: CustomerSite
) -> None:
    body = '<voice-agent agent="front-desk" host="data:text/html,x" placement="inline"></voice-agent>'
    await page.goto(site.show(host.url, body))
    await type_message(page, "Hello")
    await expect(page.get_by_role("alert")).to_contain_text("not set up correctly")
    await expect(page.get_by_role("textbox", name="Message")).to_have_value("Hello")
