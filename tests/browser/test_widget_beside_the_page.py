"""The widget and the page that it stands on do not disturb each other."""

from __future__ import annotations

import json

import pytest
from playwright.async_api import Page, expect

from tests.browser.customer_site import CustomerSite
from tests.browser.scripted_host import ScriptedHost

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]

# Rules that match the widget's element, as those that many pages have for all elements.
FOR_ALL_ELEMENTS = {
    "columns": "body { display: grid } body > * { grid-column: 2; max-width: 240px; position: relative }",
    "cards": """body { display: flex; gap: 2rem } body > * { flex: 1; display: block; margin: 3rem; padding: 1rem;
      border: 1px solid; min-width: 50vw; min-height: 50vh; overflow: hidden; transform: translateX(9px) }""",
    "words": """body * { font-family: 'Courier New'; font-size: 30px; color: #c00; line-height: 1.8;
      letter-spacing: 3px; text-transform: uppercase; text-align: right; cursor: crosshair }""",
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
