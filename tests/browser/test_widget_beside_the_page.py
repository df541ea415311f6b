"""The widget and the page that it stands on do not disturb each other."""

from __future__ import annotations

import json

import pytest
from playwright.async_api import Page, expect

from tests.browser.customer_site import CustomerSite
from tests.browser.scripted_host import ScriptedHost
from tests.browser.test_widget import SILENT_UNTIL_A_GESTURE

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]

# Rules that match the widget's element, as those that many pages have for all elements.
FOR_ALL_ELEMENTS = {
    "columns": "body { display: grid } body > * { grid-column: 2; max-width: 240px; position: relative }",
    "cards": """body { display: flex; gap: 2rem } body > * { flex: 1; display: block; margin: 3rem; padding: 1rem;
      border: 1px solid; min-width: 50vw; min-height: 50vh; overflow: hidden; transform: translateX(9px) }""",
    "words": """body * { font-family: 'Courier New'; font-size: 30px; color: #c00; line-height: 1.8;
      letter-spacing: 3px; text-transform: uppercase; text-align: right; cursor: crosshair }""",
    "layout": """body > * { display: grid; grid-template-columns: 1fr 1fr; columns: 2; aspect-ratio: 16/9 }
      body > * { contain: strict } *::before { content: 'XX'; display: block }""",
    "effects": "body > * { rotate: 9deg; zoom: 1.5; scale: 0.5; translate: 9px; perspective: 9px; opacity: 0.3 }",
    "variables": "* { --accent: red; --text: red; --inset: 0px; --inset-block: 9rem; --inset-inline: 9rem }",
}

PARTS = """() => {
  const { shadowRoot } = document.querySelector("voice-agent");
  const seen = ["color", "backgroundColor", "cursor", "font", "letterSpacing", "textAlign", "textTransform"];
  return Object.fromEntries([...shadowRoot.querySelectorAll("[part]")].map((element) => {
    const style = getComputedStyle(element);
    const { x, y, width, height } = element.getBoundingClientRect();
    return [element.getAttribute("part"), [x, y, width, height, ...seen.map((property) => style[property])]];
  }));
}"""

ADOPT = """(rules) => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(rules);
  document.adoptedStyleSheets = [sheet];
}"""


@pytest.mark.parametrize("placement", ["bottom-right", "top-left"])
async def test_rules_of_the_page_for_all_elements_do_not_reach_into_the_widget(
    page: Page, host: ScriptedHost, site: CustomerSite, placement: str
) -> None:
    await page.set_viewport_size({"width": 375, "height": 667})
    await page.goto(site.show(host.url, f'<voice-agent agent="front-desk" placement="{placement}"></voice-agent>'))
    launcher = page.get_by_role("button", name="Talk to us")
    for state in ("closed", "open"):
        if state == "open":
            await launcher.click()
            await expect(page.get_by_role("region", name="Talk to us")).to_be_visible()
        await page.evaluate(ADOPT, "")
        plain = await page.evaluate(PARTS)
        for name, rules in FOR_ALL_ELEMENTS.items():
            await page.evaluate(ADOPT, rules)
            assert await page.evaluate(PARTS) == plain, json.dumps([state, name])


async def test_rules_of_the_page_do_not_change_the_words_of_a_widget_within_it(
    page: Page, host: ScriptedHost, site: CustomerSite
) -> None:
    await page.goto(site.show(host.url, '<voice-agent agent="front-desk" placement="inline"></voice-agent>'))
    await expect(page.get_by_role("button", name="Start talking")).to_be_visible()
    plain = await page.evaluate(PARTS)
    for name in ("words", "variables"):
        await page.evaluate(ADOPT, FOR_ALL_ELEMENTS[name])
        changed = await page.evaluate(PARTS)
        assert {part: seen[2:] for part, seen in changed.items()} == {part: seen[2:] for part, seen in plain.items()}


async def test_the_page_decides_where_a_widget_within_it_stands_and_whether_one_is_shown(
    page: Page, host: ScriptedHost, site: CustomerSite
) -> None:
    await page.goto(site.show(host.url))
    launcher = page.get_by_role("button", name="Talk to us")
    await expect(launcher).to_be_visible()
    for hiding in ("display: none", "visibility: hidden"):
        await page.evaluate(ADOPT, f"voice-agent {{ {hiding} }}")
        await expect(launcher).to_be_hidden()
    await page.evaluate(ADOPT, "* { display: block }")
    await expect(launcher).to_be_visible()
    await page.evaluate("document.querySelector('voice-agent').hidden = true")
    await expect(launcher).to_be_hidden()
    await page.evaluate(
        "Object.assign(document.querySelector('voice-agent'), { hidden: false }).setAttribute('placement', 'inline')"
    )
    await page.evaluate(
        ADOPT, "body { margin: 0 } voice-agent { position: absolute; left: 100px; top: 50px; width: 20rem }"
    )
    panel = await page.get_by_role("region", name="Talk to us").bounding_box()
    assert panel is not None
    assert (panel["x"], panel["y"], panel["width"]) == (100, 50, 320)


# As many pages have them: single keys, unless they are typed into a field.
SHORTCUTS = """
  window.pressed = [];
  for (const type of ["keydown", "keypress", "keyup"]) {
    document.addEventListener(type, (event) => {
      if (event.target.matches("input, select")) return;
      pressed.push(event.key);
      if (event.key === "s") event.preventDefault();
    });
  }
"""


async def test_what_is_typed_into_the_widget_is_none_of_the_keyboard_shortcuts_of_the_page(
    page: Page, host: ScriptedHost, site: CustomerSite
) -> None:
    await page.goto(site.show(host.url, script=SHORTCUTS))
    await page.get_by_role("button", name="Talk to us").click()
    message = page.get_by_role("textbox", name="Message")
    await message.press_sequentially("best")
    await expect(message).to_have_value("best")
    await page.get_by_role("button", name="Start talking").click()
    microphones = page.get_by_role("combobox", name="Microphone")
    await expect(microphones).to_be_visible()
    await microphones.press("s")
    assert await page.evaluate("pressed") == []
    await message.press("Control+k")
    assert await page.evaluate("[...new Set(pressed.splice(0))]") == ["Control", "k"]
    await page.get_by_role("button", name="Hang up").press("x")
    await message.press("Escape")  # which dialogs of the page may wait for
    await expect(page.get_by_role("button", name="Talk to us")).to_be_focused()
    assert await page.evaluate("[...new Set(pressed)]") == ["x", "Escape"]


async def test_a_key_that_is_typed_into_the_widget_unblocks_its_sound(
    page: Page, host: ScriptedHost, site: CustomerSite
) -> None:
    await page.add_init_script(SILENT_UNTIL_A_GESTURE)
    call = "document.querySelector('voice-agent').start({ microphone: false });"
    await page.goto(site.show(host.url, '<voice-agent agent="front-desk" placement="inline"></voice-agent>', call))
    await expect(page.locator(".status")).to_have_text("Click anywhere or press a key to go on with the call")
    await page.get_by_role("textbox", name="Message").press("s")
    await expect(page.locator(".status")).to_have_text("Your turn: type, or use the microphone")
