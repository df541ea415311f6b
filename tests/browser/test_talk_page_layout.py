"""The talk page on a phone: nothing is cut, nothing overlaps, and a call gets the room."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.browser.scripted_host import ScriptedHost

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

ONE_LINE_PX = 40  # a line of text and its padding; two lines of it are more

# Whether the element is wholly inside the scroller, which cuts what is not.
INSIDE_THE_SCROLLER = """element => {
  const box = element.getBoundingClientRect();
  const frame = element.closest(".scroller").getBoundingClientRect();
  return box.height > 0 && box.top >= frame.top && box.bottom <= frame.bottom;
}"""

# The buttons from left to right: where each begins and ends, and the place they have.
BUTTONS = """() => ["stop", "talk", "hang-up"].map((id) => document.getElementById(id).getBoundingClientRect())
  .concat(document.querySelector(".buttons").getBoundingClientRect())
  .map(({ left, right }) => [left, right])"""


async def type_message(page: Page, text: str) -> None:
    await page.get_by_label("Message").fill(text)
    await page.keyboard.press("Enter")


async def height(page: Page, selector: str) -> float:
    box = await page.locator(selector).bounding_box()
    assert box is not None
    return box["height"]


@pytest.mark.parametrize("unfolded", [False, True])
async def test_first_words_are_whole_on_a_phone(page: Page, host: ScriptedHost, unfolded: bool) -> None:
    await page.set_viewport_size({"width": 375, "height": 700})
    await page.goto(host.url)
    await expect(page.locator("#notices summary")).to_be_visible()
    assert await height(page, "#notices") < ONE_LINE_PX
    if unfolded:
        await page.locator("#notices summary").click()
        await expect(page.locator("#notices")).to_contain_text("Set VOICE_HOST_MODEL")
        assert await height(page, "#notices") > ONE_LINE_PX
    for words in await page.locator("#empty p").all():
        assert await words.evaluate(INSIDE_THE_SCROLLER)


async def test_notices_fold_when_a_call_begins(page: Page, host: ScriptedHost) -> None:
    await page.goto(host.url)
    explained = page.locator("#notices p").first
    await expect(explained).to_be_visible()
    await type_message(page, "Hello")
    await expect(explained).to_be_hidden()
    assert await height(page, "#notices") < ONE_LINE_PX
    await page.locator("#notices summary").click()
    await expect(explained).to_be_visible()  # who wants to read them in a call can


@pytest.mark.parametrize("width", [320, 375])
async def test_buttons_of_a_typed_call_fit_a_phone(page: Page, host: ScriptedHost, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 700})
    await page.goto(host.url)
    await type_message(page, "Hello")
    await expect(page.locator("#talk-label")).to_have_text("Use microphone")
    stop, talk, hang_up, place = await page.evaluate(BUTTONS)
    assert place[0] <= stop[0]
    assert stop[1] < talk[0]
    assert talk[1] < hang_up[0]
    assert hang_up[1] <= place[1]


async def test_status_of_a_typed_call_is_one_line_with_a_round_lamp(page: Page, host: ScriptedHost) -> None:
    await page.set_viewport_size({"width": 375, "height": 700})
    await page.goto(host.url)
    await type_message(page, "Hello")
    await expect(page.locator("#status-text")).to_contain_text("use the microphone")
    assert await height(page, ".status") < ONE_LINE_PX
    lamp = await page.locator(".lamp").bounding_box()
    assert lamp is not None
    assert lamp["width"] == lamp["height"]
