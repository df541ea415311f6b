"""The talk page on phones and in low windows: nothing is cut, nothing overlaps, and a call gets the room."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.browser.scripted_host import ScriptedCall, ScriptedHost, agent

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]

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

# What can be used and is not all in sight: beyond an edge, or below something else.
OUT_OF_REACH = """() => [...document.querySelectorAll("button, input:not([type=radio]), summary, .agent-card")]
  .filter((element) => element.checkVisibility({ visibilityProperty: true }) && !element.closest(".scroller"))
  .filter((element) => {
    const { left, top, right, bottom } = element.getBoundingClientRect();
    const inside = left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight;
    const hit = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
    return !inside || !(element.contains(hit) || hit?.contains(element));
  })
  .map((element) => element.id || element.className || element.outerHTML.slice(0, 60))"""

SCROLLS_SIDEWAYS = "() => document.documentElement.scrollWidth > innerWidth"
SCROLLS_DOWN = "() => document.documentElement.scrollHeight > innerHeight + 1"

# Two frames later the page has heard of it.
SCROLL_UP = """async element => {
  element.scrollBy(0, -400);
  for (let frame = 0; frame < 2; frame += 1) await new Promise(requestAnimationFrame);
}"""

SIZES = [(844, 390), (1280, 420), (320, 640)]


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


async def long_call(call: ScriptedCall) -> None:
    await call.ready()
    await call.message("text")
    for number in range(1, 12):
        await call.send("turn", text=f"Question {number}: when do you open, and can one sit outside?")
        await call.send("tool_call", id="a", name="opening_hours", arguments={"day": "friday"})
        await call.send("chat", reply=number, text="From nine to five, and on Saturdays until noon. " * 3, steps=[])
    await call.send("error", code="model_failed", message="The model does not answer.", fatal=False)
    await call.message("text")
    await call.close(4429, "too many calls of this customer at once")


@pytest.mark.parametrize(("width", "height"), SIZES)
async def test_a_call_fits_phones_on_their_side_and_low_windows(
    page: Page, host: ScriptedHost, width: int, height: int
) -> None:
    host.script = long_call
    await page.set_viewport_size({"width": width, "height": height})
    await page.goto(host.url)
    await type_message(page, "Hello")
    error = page.locator(".note.error")
    await page.wait_for_function(INSIDE_THE_SCROLLER, arg=await error.element_handle())
    for state in ("in a call", "refused"):
        if state == "refused":
            await type_message(page, "One more")
            await expect(page.get_by_role("alert")).to_contain_text("too many calls")
        assert await page.evaluate(OUT_OF_REACH) == [], state
        assert not await page.evaluate(SCROLLS_SIDEWAYS), state
        assert not await page.evaluate(SCROLLS_DOWN), state
        assert (await page.locator(".scroller").bounding_box() or {}).get("height", 0) > 90, state


async def test_the_end_is_followed_unless_a_reader_has_scrolled_up(page: Page, host: ScriptedHost) -> None:
    host.script = long_call
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.goto(host.url)
    await type_message(page, "Hello")
    error = await page.locator(".note.error").element_handle()
    await page.wait_for_function(INSIDE_THE_SCROLLER, arg=error)
    await page.set_viewport_size({"width": 390, "height": 500})
    await page.wait_for_function(INSIDE_THE_SCROLLER, arg=error)
    await page.locator(".scroller").evaluate(SCROLL_UP)
    read_at = await page.locator(".scroller").evaluate("element => element.scrollTop")
    await page.set_viewport_size({"width": 390, "height": 700})
    await (await host.call()).send("chat", reply=50, text="Something new.", steps=[])
    await expect(page.locator('[data-reply="50"]')).to_have_count(1)
    assert await page.locator(".scroller").evaluate("element => element.scrollTop") == read_at


@pytest.mark.parametrize(("width", "height"), SIZES[:2])
async def test_the_start_fits_phones_on_their_side_and_low_windows(
    page: Page, host: ScriptedHost, width: int, height: int
) -> None:
    host.agents = [agent("front-desk", "Front desk", examples=["Are you open on Sunday?", "Book a table."])]
    host.agents += [agent(f"other-{number}", f"Other {number}") for number in range(9)]
    await page.set_viewport_size({"width": width, "height": height})
    await page.goto(host.url)
    await expect(page.get_by_role("button", name="Start talking")).to_be_enabled()
    for element in [*await page.locator("#empty p").all(), *await page.locator("#examples button").all()]:
        assert await element.evaluate(INSIDE_THE_SCROLLER)
    shown = await page.evaluate(OUT_OF_REACH)
    assert set(shown) <= {"agent-card"}, "the list of agents scrolls by itself"
    assert not await page.evaluate(SCROLLS_SIDEWAYS)
    assert not await page.evaluate(SCROLLS_DOWN)
