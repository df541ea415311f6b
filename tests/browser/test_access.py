"""The talk page on a host that asks who is calling, and with agents whose words are traps."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.scripted_host import ScriptedCall, ScriptedHost, agent
from tests.front.hosting import installed, running
from tests.front.test_authorization import TOML, key_for
from tests.sample_plugins import HELLO

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]

TRAP = '<img src=x onerror="document.title=1"><script>document.title=2</script>'


async def give(page: Page, credential: str) -> None:
    await page.get_by_label("API key or call token").fill(credential)
    await page.get_by_role("button", name="Use").click()


async def test_the_page_asks_for_a_key_and_keeps_it_in_its_tab(page: Page, tmp_path: Path) -> None:
    key, too_little = key_for(tmp_path, "calls"), key_for(tmp_path, "tokens")
    with installed(tmp_path) as plugins:
        plugins.install("hello", HELLO)
        async with running(tmp_path, TOML, allow="hello") as r:
            requested: list[str] = []
            page.on("request", lambda request: requested.append(request.url))
            page.on("websocket", lambda socket: requested.append(socket.url))
            await page.goto(f"http://{r.address}")
            alert = page.get_by_role("alert")
            await expect(alert).to_contain_text("The host says: a key or a call token is needed")
            await expect(page.get_by_text("shows its agents to those")).to_be_visible()
            await give(page, "no key, not at all")
            await expect(alert).to_contain_text("That is no key")
            await give(page, "nonsense")
            await expect(alert).to_contain_text("not a call token of this host")
            await give(page, too_little)
            await expect(alert).to_contain_text("not for calls")
            await give(page, f" {key}\n")
            await expect(page.get_by_role("radio", name="Hello")).to_be_checked()
            await expect(alert).to_be_hidden()
            await expect(page.get_by_label("API key or call token")).to_be_hidden()
            await page.get_by_label("Message").fill("Hello there")
            await page.keyboard.press("Enter")
            # The greeting is left out where the typed words came before it.
            await expect(page.locator(".entry.agent .bubble").last).to_have_text("Hello. What can I do for you?")
            await page.reload()
            await expect(page.get_by_role("radio", name="Hello")).to_be_checked()
            assert await page.evaluate("localStorage.length") == 0
            assert any(url.startswith("ws:") for url in requested)
            assert not [url for url in requested if key in url]
            # The page goes on with its call after the reload: it must not connect while the server shuts down.
            await page.goto("about:blank")


async def test_a_call_that_is_refused_asks_for_a_key(page: Page, host: ScriptedHost) -> None:
    async def refuse(call: ScriptedCall) -> None:
        await call.close(4401, f"the call token has expired {TRAP}")

    host.script = refuse
    await page.goto(host.url)
    await page.get_by_label("Message").fill("Hello")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text(f"The host says: the call token has expired {TRAP}")
    await give(page, "vh_a_better_one")
    await expect(page.get_by_role("alert")).to_be_hidden()

    async def greet(call: ScriptedCall) -> None:
        await call.ready()

    host.script = greet
    await page.get_by_label("Message").fill("Hello")
    await page.keyboard.press("Enter")
    await host.call(2)
    assert host.subprotocols == ["voice-host.v1", "voice-host.token.vh_a_better_one"]


async def test_words_of_agents_and_hosts_are_shown_as_words(browser: Browser, host: ScriptedHost) -> None:
    host.agents = [
        agent(
            "front-desk", TRAP, description=TRAP, distribution=TRAP, providers={"stt": TRAP, "tts": "x", "model": "y"}
        ),
        agent("night-shift", "Night", status="broken", phase=TRAP, error=TRAP, where=TRAP, hint=TRAP),
    ]

    async def say_traps(call: ScriptedCall) -> None:
        await call.ready()
        await call.message("text")
        await call.send("turn", text=TRAP)
        await call.send("tool_call", id="1", name=TRAP, arguments={TRAP: TRAP})
        await call.send("tool_result", id="1", name=TRAP, ok=True)
        await call.send("chat", reply=1, text=TRAP, steps=[TRAP])
        await call.send("error", code="x", message=TRAP, fatal=False)
        await call.message("never")

    host.script = say_traps
    page = await browser.new_page()
    await page.goto(host.url)
    await expect(page.locator("#agent-title")).to_have_text(TRAP)
    await expect(page.locator("#agent-description")).to_have_text(TRAP)
    await page.get_by_label("Message").fill("Hello")
    await page.keyboard.press("Enter")
    await expect(page.locator(".entry.agent .bubble")).to_have_text(TRAP)
    await expect(page.locator(".note.error")).to_have_text(TRAP)
    assert await page.title() == "Talk · voice-host"
    # One image of the page's own; no script but its module.
    assert await page.locator("img").count() == 1
    assert await page.locator("script").count() == 1
    await page.close()
    host.failures.clear()  # the script's own deadline, if it was reached
