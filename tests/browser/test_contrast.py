"""The contrast of text, fields and the focus (WCAG AA) in light and dark, computed from what the browser shows."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.browser.customer_site import CustomerSite
from tests.browser.scripted_host import ScriptedCall, ScriptedHost

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]

# Disabled controls may be faint. Borders of buttons are decoration: their text tells that they are there.
TOO_FAINT = """() => {
  const parsed = (css) => { const [r, g, b, alpha = 1] = css.match(/[\\d.]+/g).map(Number); return [r, g, b, alpha]; };
  const over = ([r, g, b, a], below) => [r, g, b].map((value, index) => value * a + below[index] * (1 - a));
  const linear = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const luminance = (colour) => {
    const [r, g, b] = colour.map((value) => linear(value / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  };
  const above = (element) => element.parentElement ?? element.getRootNode().host ?? null;
  const chain = (element) => (element ? [...chain(above(element)), element] : []);
  const colour = (element) => parsed(getComputedStyle(element).backgroundColor);
  const ground = (element) => chain(element).reduce((below, each) => over(colour(each), below), [255, 255, 255]);
  const opacity = (element) => chain(element).reduce((all, each) => all * getComputedStyle(each).opacity, 1);
  const everything = (root) =>
    [...root.querySelectorAll("*")].flatMap((each) => [each, ...(each.shadowRoot ? everything(each.shadowRoot) : [])]);
  const found = [];
  for (const element of everything(document.body)) {
    if (!element.checkVisibility({ visibilityProperty: true }) || element.closest(":disabled, option")) continue;
    const style = getComputedStyle(element);
    const name = `${element.id || element.className || element.localName} “${element.textContent.trim().slice(0, 20)}”`;
    const judge = (what, wanted, is) => is < wanted && found.push(`${what} of ${name}: ${is.toFixed(2)}`);
    if ([...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim())) {
      const [r, g, b, alpha] = parsed(style.color);
      const below = ground(element);
      judge("text", 4.5, contrast(over([r, g, b, alpha * opacity(element)], below), below));
    }
    const around = ground(above(element));
    if (element.matches("input:not([type=radio], [type=checkbox]), select")) {
      judge("border", 3, contrast(parsed(style.borderTopColor).slice(0, 3), around));
    }
    if (element.matches("button, input, select, [tabindex]")) {
      element.focus({ focusVisible: true });
      const ring = style.boxShadow.match(/^rgb\\([^)]*\\)(?= 0px 0px 0px)/)?.[0]; // between the focus and the page
      judge("focus", 3, contrast(parsed(style.outlineColor).slice(0, 3), ring ? parsed(ring).slice(0, 3) : around));
    }
  }
  return found;
}"""


async def everything_once(call: ScriptedCall) -> None:
    await call.ready()
    await call.send("turn", text=(await call.message("text"))["text"])
    for ok in (True, False):
        await call.send("tool_call", id="a", name="book_table", arguments={"day": "friday"})
        await call.send("tool_result", id="a", name="book_table", ok=ok)
    await call.send("chat", reply=1, text="You are booked for Friday.", steps=[])
    await call.send(
        "metrics", reply=1, stages_ms={"model_request": 312.0, "first_token": 742.0, "first_audio_out": 925.0}
    )
    await call.send("cancelled", reply=1, heard="You are")
    await call.send("error", code="model_failed", message="The model does not answer.", fatal=False)
    await call.send("transcript", text="And a", final=False)
    await call.message("text")
    await call.close(4429, "too many calls")


async def type_message(page: Page, text: str) -> None:
    await page.get_by_role("textbox", name="Message").fill(text)
    await page.keyboard.press("Enter")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_talk_page(page: Page, host: ScriptedHost, scheme: str) -> None:
    host.script = everything_once
    await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
    await page.goto(f"{host.url}/?customer=4711")
    await expect(page.get_by_role("button", name="Start talking")).to_be_enabled()
    assert await page.evaluate(TOO_FAINT) == []
    await type_message(page, "A table")
    await expect(page.locator(".partial")).to_be_visible()
    await page.get_by_role("button", name="Details", exact=True).click()
    for tab in ("Latency", "Events", "Setup"):
        await page.get_by_role("tab", name=tab).click()
        assert await page.evaluate(TOO_FAINT) == []
    await type_message(page, "Goodbye")
    await expect(page.get_by_role("alert")).to_be_visible()
    assert await page.evaluate(TOO_FAINT) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_the_widget(page: Page, host: ScriptedHost, site: CustomerSite, theme: str) -> None:
    host.script = everything_once
    body = f'<voice-agent agent="front-desk" theme="{theme}"></voice-agent>'
    await page.goto(site.show(host.url, body))
    await page.get_by_role("button", name="Talk to us").click()
    await type_message(page, "A table")
    await expect(page.locator(".partial")).to_be_visible()
    assert await page.evaluate(TOO_FAINT) == []
    await type_message(page, "Goodbye")
    await expect(page.get_by_role("alert")).to_be_visible()
    assert await page.evaluate(TOO_FAINT) == []
