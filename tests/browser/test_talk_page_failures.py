"""The talk page when things go wrong: it says so in words, and offers what can be done."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.browser.scripted_host import ScriptedCall, ScriptedHost

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]


async def type_message(page: Page, text: str) -> None:
    await page.get_by_label("Message").fill(text)
    await page.keyboard.press("Enter")


REFUSALS = {
    4401: "wants to know who is calling",
    4403: "does not take calls from the address of this page",
    4404: "no such agent",
    4429: "limit of calls",
    4500: "could not be started",
    4503: "broken",
    4504: "shutting down",
    1011: "because of an error",
    1012: "connection to the host was lost",
}


async def test_refused_call_is_explained_with_the_reason_of_the_host(page: Page, host: ScriptedHost) -> None:
    async def script(call: ScriptedCall) -> None:
        await call.close(code, f"because of rule {code}")

    host.script = script
    await page.goto(host.url)
    for code, words in REFUSALS.items():
        await type_message(page, "Hello")
        await expect(page.get_by_role("alert")).to_contain_text(f"because of rule {code}")
        assert words in await page.get_by_role("alert").inner_text()
        assert await page.locator("body").get_attribute("data-phase") == "idle"


async def test_call_that_was_lost_can_be_made_again(page: Page, host: ScriptedHost) -> None:
    async def first(call: ScriptedCall) -> None:
        await call.ready()
        await call.message("text")
        await call.send("chat", reply=1, text="I am here.", steps=[])
        await call.message("text")
        await call.close(1012)

    host.script = first
    await page.goto(host.url)
    await type_message(page, "Hello")
    await expect(page.locator(".entry.agent")).to_have_count(1)
    await type_message(page, "Still there?")
    await expect(page.get_by_role("alert")).to_contain_text("connection to the host was lost")

    async def second(call: ScriptedCall) -> None:
        await call.ready()
        await call.send("greeting", reply=1, text="Hello again.")

    host.script = second
    await page.get_by_role("button", name="Call again").click()
    # The new call counts its replies from one again: they are new bubbles all the same.
    await expect(page.locator(".entry.agent .bubble")).to_have_text(["I am here.", "Hello again."])
    assert len(host.calls) == 2
    assert await page.get_by_role("alert").count() == 0


async def test_host_that_falls_silent_is_noticed(page: Page, host: ScriptedHost) -> None:
    await page.clock.install()
    await page.goto(host.url)
    await type_message(page, "Hello")
    await expect(page.locator("body")).to_have_attribute("data-phase", "listening")
    call = await host.call()
    await page.clock.fast_forward(11_000)
    await call.message("ping")  # the scripted host does not answer it
    await page.clock.fast_forward(11_000)
    await call.message("ping")
    await page.clock.fast_forward(11_000)
    await expect(page.get_by_role("alert")).to_contain_text("connection to the host was lost")
    assert await page.locator("body").get_attribute("data-phase") == "idle"


async def test_a_host_that_is_followed_and_does_not_come_back_is_told_of(page: Page, host: ScriptedHost) -> None:
    running = ["first"]

    async def listed(route: Route) -> None:
        if running:
            await route.fulfill(json=host.agents, headers={"link": f'<dev/restart?of={running[0]}>; rel="monitor"'})
        else:
            await route.abort()

    async def leaving(route: Route) -> None:
        if route.request.url.endswith("of=first"):
            running.clear()
            await route.fulfill(status=205)

    await page.route("**/agents", listed)
    await page.route("**/dev/restart?*", leaving)
    await page.clock.install()
    await page.goto(host.url)
    await expect(page.locator("#status-text")).to_have_text("The host is restarting …")
    alert = page.get_by_role("alert")
    assert await alert.count() == 0
    while await alert.count() == 0:
        await page.clock.run_for(1_000)
    await expect(alert).to_contain_text("The host does not answer. Is it still running?")
    running.append("second")
    while await alert.count() == 1:
        await page.clock.run_for(1_000)
    await expect(page.get_by_role("button", name="Start talking")).to_be_enabled()


async def test_host_that_never_becomes_ready_is_given_up(page: Page, host: ScriptedHost) -> None:
    async def script(call: ScriptedCall) -> None:
        await call.message("never")

    host.script = script
    await page.clock.install()
    await page.goto(host.url)
    await type_message(page, "Hello")
    await host.call()
    await page.clock.fast_forward(21_000)
    await expect(page.get_by_role("alert")).to_contain_text("The host does not answer. Is it still running?")
    assert await page.get_by_role("button", name="Call again").is_visible()
    host.failures.clear()  # the script's own deadline, if it was reached


async def test_end_of_the_call_by_the_agent_is_no_failure(page: Page, host: ScriptedHost) -> None:
    async def script(call: ScriptedCall) -> None:
        await call.ready()
        await call.message("text")
        await call.close(1000, "goodbye")

    host.script = script
    await page.goto(host.url)
    await type_message(page, "Bye")
    await expect(page.locator(".note")).to_have_text("The call has ended. The host says: goodbye")
    assert await page.get_by_role("alert").count() == 0


async def test_error_message_is_shown_and_the_call_goes_on(page: Page, host: ScriptedHost) -> None:
    async def script(call: ScriptedCall) -> None:
        await call.ready()
        await call.message("text")
        await call.send("thinking")
        await call.send("error", code="model_failed", message="The model does not answer.", fatal=False)

    host.script = script
    await page.goto(host.url)
    await type_message(page, "Hello")
    await expect(page.locator(".note.error")).to_have_text("The model does not answer.")
    assert await page.locator("body").get_attribute("data-phase") == "listening"


async def test_what_the_page_does_not_understand_does_not_end_the_call(page: Page, host: ScriptedHost) -> None:
    async def script(call: ScriptedCall) -> None:
        await call.ready()
        for nonsense in ("{", "null", "[]", '"text"', '{"type": 7}', '{"type": "constructor"}', '{"type": "later"}'):
            await call.send_raw(nonsense)
        await call.speak(b"\x01")  # half a sample
        await call.send("chat", reply=1, text="Still here.", steps=[])

    host.script = script
    await page.goto(host.url)
    await type_message(page, "Hello")
    await expect(page.locator(".entry.agent .bubble")).to_have_text("Still here.")
    assert await page.locator("body").get_attribute("data-phase") == "listening"


async def reading(call: ScriptedCall) -> None:
    """A call in writing."""
    await call.ready()
    await call.message("text")
    await call.send("chat", reply=1, text="I can read.", steps=[])
    await call.speak(b"\0\0" * 480)
    await call.send("tts_done", reply=1)


UNUSABLE = {
    "NotAllowedError": "not allowed to use the microphone. Allow it",
    "NotFoundError": "No microphone was found. Plug one in",
    "NotReadableError": "another program",
    "AbortError": "could not be opened",
}

FAILING = """(error) => {
  window.real ??= navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("no", error));
}"""


async def test_a_microphone_that_cannot_be_used_leaves_a_call_by_keyboard(page: Page, host: ScriptedHost) -> None:
    host.script = reading
    await page.goto(host.url)
    alert = page.get_by_role("alert")
    for count, (error, words) in enumerate(UNUSABLE.items(), 1):
        await page.evaluate(FAILING, error)
        await page.get_by_role("button", name="Start talking").click()
        await expect(alert).to_contain_text(words)
        await expect(alert).to_contain_text("press “Use microphone”. Or type your message.")
        await type_message(page, "Hello")
        await expect(page.locator(".entry.agent .bubble")).to_have_text(["I can read."] * count)
        await page.evaluate("() => void (navigator.mediaDevices.getUserMedia = window.real)")
        await page.get_by_role("button", name="Use microphone").click()
        await expect(page.get_by_role("button", name="Mute")).to_be_visible()
        await expect(alert).to_be_hidden()
        await page.get_by_role("button", name="Hang up").click()


# A microphone that is switched off, until `switchOn` is called.
SWITCHED_OFF = """
  const context = new AudioContext();
  const device = context.createMediaStreamDestination();
  window.switchOn = () => {
    const sound = new OscillatorNode(context);
    sound.connect(device);
    sound.start();
  };
  navigator.mediaDevices.getUserMedia = async () => device.stream;
"""


async def test_a_microphone_without_a_sound_is_told_of_until_there_is_one(page: Page, host: ScriptedHost) -> None:
    await page.add_init_script(SWITCHED_OFF)
    await page.goto(host.url)
    await page.get_by_role("button", name="Start talking").click()
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text("No sound comes from the microphone. Is it switched off or muted")
    await expect(alert).not_to_contain_text("Use microphone")
    await page.evaluate("switchOn()")
    await expect(alert).to_be_hidden()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("delete window.AudioWorkletNode;", "This browser cannot record or play a call. Use a current Chrome"),
        ("AudioWorklet.prototype.addModule = () => Promise.reject(new Error());", "could not start its sound. Check"),
        ("window.AudioContext = class { constructor() { throw new Error(); } };", "could not start its sound. Check"),
    ],
)
async def test_a_browser_without_sound_says_what_to_do_and_leaves_a_call_by_keyboard(
    page: Page, host: ScriptedHost, fault: str, words: str
) -> None:
    host.script = reading
    await page.add_init_script(fault)
    await page.goto(host.url)
    await page.get_by_role("button", name="Start talking").click()
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text(words)
    await type_message(page, "Hello")
    await expect(page.locator(".entry.agent .bubble")).to_have_text("I can read.")
    await expect(page.locator("body")).to_have_attribute("data-phase", "listening")
    await page.get_by_role("button", name="Dismiss").click()
    await page.get_by_role("button", name="Use microphone").click()
    await expect(alert).to_contain_text(words)


async def test_page_without_https_says_why_it_is_mute(browser: Browser, host: ScriptedHost) -> None:
    host.script = reading
    page = await browser.new_page()
    await page.goto(f"http://elsewhere.test:{host.port}")
    await page.get_by_role("button", name="Start talking").click()
    await expect(page.get_by_role("alert")).to_contain_text("only to pages served over HTTPS")
    await type_message(page, "Hello")
    await expect(page.locator(".entry.agent .bubble")).to_have_text("I can read.")
    assert await page.evaluate("isSecureContext") is False
    await page.close()
