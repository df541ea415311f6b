"""Widgets in the corners of a page of another origin: in which one, and beside others."""

from __future__ import annotations

import pytest
from playwright.async_api import FloatRect, Locator, Page, expect

from tests.browser.customer_site import CustomerSite
from tests.browser.scripted_host import ScriptedCall, ScriptedHost

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]


def widget(name: str, placement: str = "") -> str:
    return f'<voice-agent id="{name}" agent="{name}" label="Ask {name}" placement="{placement}"></voice-agent>'


async def box(shown: Locator) -> FloatRect:
    found = await shown.bounding_box()
    assert found
    return found


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=f"Ask {name}")


def panel(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=f"Ask {name}")


async def corner(page: Page, shown: Locator) -> tuple[str, str]:
    """The edges of the window that are 16 px away."""
    size = page.viewport_size
    assert size
    found = await box(shown)
    gaps = {
        "top": found["y"],
        "bottom": size["height"] - found["y"] - found["height"],
        "left": found["x"],
        "right": size["width"] - found["x"] - found["width"],
    }
    vertical, horizontal = (name for name, gap in gaps.items() if gap == 16)
    return vertical, horizontal


async def placed(page: Page, name: str, y: float) -> None:
    """Wait until the button is in its place: it follows what the page does to others."""
    top = f"document.getElementById('{name}').shadowRoot.querySelector('.launcher').getBoundingClientRect().top"
    await page.wait_for_function(f"(y) => {top} === y", arg=y)


def align(found: FloatRect, side: str) -> float:
    return found["x"] if side == "left" else found["x"] + found["width"]


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
async def test_the_button_and_its_panel_are_in_the_corner_of_their_placement(
    page: Page, host: ScriptedHost, site: CustomerSite, direction: str
) -> None:
    await page.goto(site.show(host.url, widget("Ada"), f"document.documentElement.dir = '{direction}';"))
    logged: list[str] = []
    page.on("console", lambda line: logged.append(line.text))
    own = ("bottom", "right" if direction == "ltr" else "left")
    corners = {"": own, "bottom_left": own}
    corners |= {f"{edge}-{side}": (edge, side) for edge in ("top", "bottom") for side in ("left", "right")}
    for placement, wanted in corners.items():
        await page.evaluate("name => document.querySelector('#Ada').setAttribute('placement', name)", placement)
        assert await corner(page, button(page, "Ada")) == wanted, placement
        await button(page, "Ada").click()
        opened, closing = await box(panel(page, "Ada")), await box(button(page, "Ada"))
        below = opened["y"] > closing["y"]
        assert below == (wanted[0] == "top"), placement
        assert align(opened, wanted[1]) == align(closing, wanted[1]), placement
        for words in (".intro", ".status"):  # English ones end with their full stop on any page
            await expect(page.locator(words)).to_have_css("direction", "ltr")
        await page.keyboard.press("Escape")
        await expect(button(page, "Ada")).to_be_focused()
    assert [line for line in logged if line.startswith("<voice-agent>")] == [
        '<voice-agent>: placement="bottom_left" is unknown: '
        "use one of bottom-left, bottom-right, top-left, top-right, inline"
    ]


@pytest.mark.parametrize("placement", ["", "bottom-left", "top-right"])
async def test_widgets_in_the_same_corner_do_not_cover_each_other(
    page: Page, host: ScriptedHost, site: CustomerSite, placement: str
) -> None:
    await page.set_viewport_size({"width": 320, "height": 640})
    narrower = "document.getElementById('Ben').style.setProperty('--voice-agent-width', '15rem');"  # in the same corner
    await page.goto(site.show(host.url, widget("Ada", placement) + widget("Ben", placement), narrower))
    ada, ben = button(page, "Ada"), button(page, "Ben")
    first, second = await box(ada), await box(ben)
    gap = first["y"] - second["y"] - second["height"]
    if placement.startswith("top-"):
        gap = second["y"] - first["y"] - first["height"]
    assert gap == 12
    await ben.click()
    await expect(panel(page, "Ben")).to_be_visible()
    await expect(ada).to_be_hidden()
    await page.get_by_role("textbox", name="Message").click()  # nothing lies upon it
    await page.evaluate("document.querySelector('voice-agent').open()")
    await expect(panel(page, "Ben")).to_be_hidden()
    await page.keyboard.press("Escape")
    await expect(ada).to_be_focused()
    await page.evaluate("document.querySelector('#Ada').hidden = true")
    await placed(page, "Ben", first["y"])
    await page.evaluate("document.querySelector('#Ada').hidden = false")
    await placed(page, "Ben", second["y"])
    await ada.click()
    await expect(ben).to_be_hidden()
    await page.evaluate("document.querySelector('#Ada').hidden = true")  # with its open panel
    await expect(ben).to_be_visible()
    await page.evaluate("document.querySelector('#Ada').remove()")
    assert (await box(ben))["y"] == first["y"]


async def test_widgets_on_both_sides_are_independent_in_a_wide_window_and_make_room_in_a_narrow_one(
    page: Page, host: ScriptedHost, site: CustomerSite
) -> None:
    body = widget("Ada", "bottom-left") + widget("Ben", "bottom-right")
    await page.goto(site.show(host.url, body))
    ada, ben = button(page, "Ada"), button(page, "Ben")
    await ada.click()
    await ben.click()
    await expect(panel(page, "Ada")).to_be_visible()
    await expect(panel(page, "Ben")).to_be_visible()
    await page.set_viewport_size({"width": 320, "height": 640})
    await expect(panel(page, "Ada")).to_be_hidden()
    await panel(page, "Ben").get_by_role("button", name="Close").click()
    assert (await box(ada))["y"] == (await box(ben))["y"], "there is room for both"
    await ada.click()
    await expect(ben).to_be_hidden()
    await page.get_by_role("button", name="Send").click()  # nothing lies upon it
    await page.get_by_role("button", name="Close").click()
    for name in ("Ada", "Ben"):
        await page.evaluate("id => document.getElementById(id).setAttribute('label', `Ask our kind ${id}`)", name)
    ada, ben = (page.get_by_role("button", name=f"Ask our kind {name}") for name in ("Ada", "Ben"))
    lower, upper = await box(ada), await box(ben)
    assert upper["y"] + upper["height"] < lower["y"], "the labels are too long for one line"
    await page.set_viewport_size({"width": 1280, "height": 640})
    await expect(page.locator("#Ben .launcher")).to_have_css("margin-bottom", "0px")


async def test_a_widget_above_a_bar_of_the_page_fits_a_small_window(
    page: Page, host: ScriptedHost, site: CustomerSite
) -> None:
    await page.set_viewport_size({"width": 320, "height": 360})
    lifted = "document.getElementById('Ada').style.setProperty('--voice-agent-inset-block', '80px');"
    await page.goto(site.show(host.url, widget("Ada", "bottom-left"), lifted))
    await button(page, "Ada").click()
    shown = await box(panel(page, "Ada"))
    assert shown["y"] >= 16
    assert shown["y"] + shown["height"] == 280


async def refusing(call: ScriptedCall) -> None:
    await call.message("fail")
    await call.close(4500)


async def test_the_button_tells_of_a_call_that_goes_on_behind_it(
    page: Page, host: ScriptedHost, site: CustomerSite
) -> None:
    words = "document.querySelector('voice-agent').texts = { inCall: 'Im Gespräch' };"
    await page.goto(site.show(host.url, script=words))
    launcher, call = page.get_by_role("button", name="Talk to us"), "document.querySelector('voice-agent')"
    await expect(launcher).to_have_accessible_description("")
    await page.evaluate(f"{call}.start({{ microphone: false }})")
    await expect(launcher).to_have_accessible_description("Im Gespräch")
    await page.evaluate(f"{call}.call.unmute()")
    await expect(launcher).to_have_accessible_description("In a call, microphone on")
    await page.evaluate(f"{call}.call.mute()")
    await expect(launcher).to_have_accessible_description("In a call, microphone muted")
    tree = await (await page.context.new_cdp_session(page)).send("Accessibility.getFullAXTree")
    described = [node["description"]["value"] for node in tree["nodes"] if node.get("description", {}).get("value")]
    assert described == ["In a call, microphone muted"]
    await page.evaluate(f"{call}.hangUp()")
    await expect(launcher).to_have_accessible_description("")


async def test_a_problem_does_not_close_the_panel_that_somebody_uses(
    page: Page, host: ScriptedHost, site: CustomerSite
) -> None:
    host.script = refusing
    await page.goto(site.show(host.url, widget("Ada") + widget("Ben") + widget("Cyd", "inline")))
    await page.evaluate("for (const id of ['Ada', 'Cyd']) document.getElementById(id).start({ microphone: false })")
    await button(page, "Ben").click()
    await panel(page, "Ben").get_by_role("textbox", name="Message").fill("Half a sent")
    for number in (1, 2):
        await (await host.call(number)).pretend("fail")
    await expect(page.locator("#Ada .problem")).to_have_text("The call could not be started. Try again in a moment.")
    await expect(panel(page, "Cyd").get_by_role("alert")).to_contain_text("could not be started")
    await expect(panel(page, "Ben").get_by_role("textbox", name="Message")).to_be_focused()
    await expect(panel(page, "Ada")).to_be_hidden()
    await page.keyboard.press("Escape")
    await button(page, "Ada").click()
    await expect(panel(page, "Ada").get_by_role("alert")).to_be_visible()


async def test_a_widget_that_comes_to_a_corner_does_not_close_the_panel_that_somebody_uses(
    page: Page, host: ScriptedHost, site: CustomerSite
) -> None:
    await page.goto(site.show(host.url, widget("Ada", "inline") + widget("Ben") + widget("Cyd", "bottom-left")))
    await page.evaluate("for (const id of ['Ada', 'Cyd']) document.getElementById(id).open()")
    await button(page, "Ben").click()
    await panel(page, "Ben").get_by_role("textbox", name="Message").fill("Half a sent")
    for name in ("Ada", "Cyd"):
        await page.evaluate("id => document.getElementById(id).setAttribute('placement', 'bottom-right')", name)
        await expect(panel(page, name)).to_be_hidden()
        await expect(panel(page, "Ben").get_by_role("textbox", name="Message")).to_be_focused()
    await page.keyboard.press("Escape")
    places = [(await box(button(page, name)))["y"] for name in ("Ada", "Ben", "Cyd")]
    assert places == sorted(places, reverse=True)
    assert len(set(places)) == 3
