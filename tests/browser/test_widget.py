"""The widget on a page of another origin: it calls, shows the call, and says what to do when something fails."""

from __future__ import annotations

import json
import re
from html import escape

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.customer_site import CustomerSite
from tests.browser.scripted_host import ScriptedCall, ScriptedHost, tone

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]

NOBODY = "ws://127.0.0.1:9"  # an address where nobody listens
INLINE = '<voice-agent agent="front-desk" placement="inline"></voice-agent>'


async def chatting(call: ScriptedCall) -> None:
    """Confirm and answer each typed turn."""
    await call.ready()
    number = 0
    while True:
        said = (await call.message("text"))["text"]
        number += 1
        await call.send("turn", text=said)
        await call.send("reply_delta", reply=number, text="You said ")
        await call.send("chat", reply=number, text=f"You said {said}", steps=[])
        await call.send("tts_done", reply=number)


async def type_message(widget: Page | Locator, text: str) -> None:
    await widget.get_by_label("Message").fill(text)
    await widget.get_by_label("Message").press("Enter")


async def test_a_button_in_the_corner_opens_a_call_by_keyboard(
    page: Page, host: ScriptedHost, site: CustomerSite
) -> None:
    host.script = chatting
    await page.goto(site.show(host.url, '<voice-agent agent="front-desk" label="Ask the shop"></voice-agent>'))
    launcher = page.get_by_role("button", name="Ask the shop")
    await expect(launcher).to_have_attribute("aria-expanded", "false")
    assert host.calls == []
    await launcher.press("Enter")
    await expect(page.get_by_role("region", name="Ask the shop")).to_be_visible()
    await expect(page.get_by_role("button", name="Start talking")).to_be_focused()
    await type_message(page, "Hello")
    await expect(page.locator(".agent .bubble")).to_have_text("You said Hello")
    await expect(page.locator(".user .bubble")).to_have_text("Hello")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("region", name="Ask the shop")).to_be_hidden()
    await expect(launcher).to_be_focused()
    assert (await host.call()).closed_with is None, "closing the panel does not end the call"
    await launcher.press("Enter")
    await page.get_by_role("button", name="Hang up").click()
    await expect(page.locator(".note")).to_have_text("You hung up.")
    await expect(page.get_by_role("button", name="Start talking")).to_be_focused()
    await (await host.call()).wait_for(lambda: host.calls[0].closed_with == 1000)
    assert await page.get_by_role("alert").count() == 0


async def test_a_spoken_call_is_heard_shown_and_interrupted(page: Page, host: ScriptedHost, site: CustomerSite) -> None:
    async def script(call: ScriptedCall) -> None:
        await call.ready()
        await call.send("greeting", reply=1, text="Welcome to the shop.")
        await call.speak(tone(20.0))
        await call.wait_for(lambda: len(call.audio) > 16000)
        await call.send("transcript", text="What’s the", final=False)
        await call.message("cancel")
        await call.send("cancelled", reply=1, heard="Welcome to")
        await call.send("transcript", text="What’s the weather like?", final=True)
        await call.send("turn", text="What’s the weather like?")
        await call.send("thinking")

    host.script = script
    await page.goto(site.show(host.url, INLINE))
    await page.get_by_role("button", name="Start talking").click()
    await expect(page.locator(".status")).to_have_text("Speaking")
    await expect(page.locator(".partial .bubble")).to_have_text("What’s the")
    await page.get_by_role("button", name="Stop speaking").click()
    await expect(page.locator(".agent .bubble")).to_have_text("Welcome to …")
    await expect(page.locator(".user .bubble")).to_have_text("What’s the weather like?")
    await expect(page.locator(".status")).to_have_text("Thinking …")
    call = await host.call()
    assert set(call.audio_frames) == {640}
    await page.get_by_role("button", name="Mute", exact=True).click()
    await expect(page.get_by_role("button", name="Unmute")).to_be_visible()


async def test_a_silent_call_says_what_to_do_now(page: Page, host: ScriptedHost, site: CustomerSite) -> None:
    await page.goto(site.show(host.url, INLINE))
    intro = page.locator(".intro")
    await expect(intro).to_have_text("Press “Start talking” and speak, or type a message.")
    await page.get_by_role("button", name="Start talking").click()
    await expect(intro).to_have_text("Speak, or type a message.")
    await page.get_by_role("button", name="Mute", exact=True).click()
    await expect(intro).to_be_hidden()
    await expect(page.locator(".status")).to_have_text("Microphone muted")


async def test_a_visitor_who_has_scrolled_up_is_not_scrolled_back(
    page: Page, host: ScriptedHost, site: CustomerSite
) -> None:
    async def script(call: ScriptedCall) -> None:
        await call.ready()
        for number in range(1, 12):
            await call.send("chat", reply=number, text=f"Reply {number}. " * 20, steps=[])
        await call.message("go on")
        await call.send("chat", reply=12, text="Reply 12.", steps=[])

    host.script = script
    await page.goto(site.show(host.url, INLINE, "document.querySelector('voice-agent').start({ microphone: false });"))
    replies = page.locator(".agent .bubble")
    await expect(replies.last).to_contain_text("Reply 11.")
    await expect(replies.last).to_be_in_viewport()
    await page.locator(".scroller").hover()
    await page.mouse.wheel(0, -5_000)
    await expect(replies.first).to_be_in_viewport()
    await (await host.call()).pretend("go on")
    await expect(replies.last).to_have_text("Reply 12.")
    await expect(replies.first).to_be_in_viewport()
    await type_message(page, "Hello")  # what one says oneself is shown
    await expect(page.locator(".user .bubble")).to_be_in_viewport()


async def test_the_page_decides_words_metadata_and_token_before_and_after_the_script_is_there(
    page: Page, host: ScriptedHost, site: CustomerSite
) -> None:
    host.script = chatting
    script = """
        const widget = document.querySelector("voice-agent");
        widget.texts = { start: "Gespräch beginnen", send: "Senden" };
        widget.metadata = { table: 7 };
        widget.getToken = async () => "token-of-the-page";
        const events = (window.events = []);
        document.addEventListener("callstart", ({ detail }) => {
          detail.on("turn", ({ text }) => events.push(text));
        });
        document.addEventListener("callend", ({ detail }) => events.push(detail.cause));
        await import("HOST/widget.js");
        document.body.append(document.createElement("voice-agent"));
    """
    address = site.show(host.url, INLINE, script)
    site.body = INLINE  # the script loads the widget later
    await page.goto(address)
    await expect(page.get_by_role("button", name="Gespräch beginnen")).to_be_visible()
    await type_message(page.locator("voice-agent").first, "Hello")
    await expect(page.locator(".agent .bubble")).to_have_text("You said Hello")
    assert host.subprotocols == ["voice-host.v1", "voice-host.token.token-of-the-page"]
    assert (await host.call()).parameters == {"table": "7"}
    await page.get_by_role("button", name="Hang up").click()
    await expect(page.locator(".note")).to_have_count(1)
    assert await page.evaluate("events") == ["Hello", "hung_up"]


async def test_widgets_call_independently_and_end_with_their_element(
    page: Page, host: ScriptedHost, site: CustomerSite
) -> None:
    host.script = chatting
    body = "".join(f'<voice-agent id="{name}" agent="{name}" placement="inline"></voice-agent>' for name in "ab")
    await page.goto(site.show(host.url, body))
    first, second = page.locator("#a"), page.locator("#b")
    await type_message(first, "one")
    await expect(first.locator(".agent .bubble")).to_have_text("You said one")
    await type_message(second, "two")
    await expect(second.locator(".agent .bubble")).to_have_text("You said two")
    assert [call.address for call in host.calls] == ["a", "b"]
    await page.evaluate("document.body.prepend(document.querySelector('#b'))")  # it is only moved
    await type_message(second, "three")
    await expect(second.locator(".agent .bubble").last).to_have_text("You said three")
    await page.evaluate("document.querySelector('#a').remove()")
    await host.calls[0].wait_for(lambda: host.calls[0].closed_with == 1000)
    assert host.calls[1].closed_with is None
    await page.evaluate("document.querySelector('#b').setAttribute('agent', 'c')")
    await host.calls[1].wait_for(lambda: host.calls[1].closed_with == 1000)
    await expect(second.locator(".bubble")).to_have_count(0)
    await type_message(second, "four")
    await expect(second.locator(".agent .bubble")).to_have_text("You said four")
    assert host.calls[2].address == "c"
    await page.goto("about:blank")
    await host.calls[2].wait_for(lambda: host.calls[2].closed_with is not None)
    assert host.calls[2].closed_with == 1000, "a page that was left does not come back for its call"


async def test_words_of_others_are_never_markup(page: Page, host: ScriptedHost, site: CustomerSite) -> None:
    evil = "<img src=x onerror=document.title=1></script><a href=javascript:alert(1)>x</a>"

    async def script(call: ScriptedCall) -> None:
        await call.ready()
        await call.send("greeting", reply=1, text=evil)
        await call.send("turn", text=(await call.message("text"))["text"])
        await call.send("tool_call", id="a", name=evil, arguments={evil: evil})
        await call.send("reply_delta", reply=2, text=evil)
        await call.send("cancelled", reply=2, heard=evil)
        await call.send("error", code=evil, message=evil, fatal=False)
        await call.send("transcript", text=evil, final=False)
        await call.message("text")
        await call.close(4500, evil)

    host.script = script
    agent = evil.partition("</")[0]  # a slash is none of an id
    attributes = f'agent="{escape(agent)}" label="{escape(evil)}"'
    words = f"document.querySelector('voice-agent').texts = {{ could_not_start: {json.dumps(evil)} }};"
    await page.goto(site.show(host.url, f"<voice-agent {attributes}></voice-agent>", words))
    await page.get_by_role("button", name=evil).click()
    await type_message(page, evil)
    await expect(page.locator(".bubble")).to_have_text([evil, evil, f"{evil} …", evil, evil])
    assert (await host.call()).address == agent
    await type_message(page, "more")
    await expect(page.get_by_role("alert")).to_have_text(evil)
    assert await page.locator("img, a, voice-agent script").count() == 0
    assert await page.title() == "Shop"
    for address in ("javascript:alert(1)", "data:text/html,x"):
        body = f'<voice-agent agent="a" host="{address}" placement="inline"></voice-agent>'
        await page.goto(site.show(host.url, body))
        await page.get_by_role("button", name="Start talking").click()
        await expect(page.get_by_role("alert")).to_contain_text("not set up correctly")


REFUSALS = [
    (4401, "There is no permission to call", "set the attribute token-url"),
    (4403, "does not take calls from this site", "add http://localhost:"),
    (4404, "has no such agent", "check the attribute agent"),
    (4429, "All lines are busy. Try again", ""),
    (4500, "could not be started. Try again", ""),
    (4503, "cannot take calls at the moment", ""),
    (4504, "is restarting. Try again", ""),
    (1011, "ended because of an error. Try again", ""),
]


async def test_a_call_that_is_refused_says_what_to_do(page: Page, host: ScriptedHost, site: CustomerSite) -> None:
    async def script(call: ScriptedCall) -> None:
        await call.close(code, "for a reason")

    host.script = script
    logged: list[str] = []
    page.on("console", lambda line: logged.append(line.text))
    await page.goto(site.show(host.url))
    await page.get_by_role("button", name="Talk to us").click()
    for code, words, hint in REFUSALS:
        logged.clear()
        await page.get_by_role("button", name="Start talking").click()
        await expect(page.get_by_role("alert")).to_contain_text(words)
        assert await page.get_by_role("button", name="Start talking").is_enabled()
        hints = [text for text in logged if text.startswith("<voice-agent>")]
        assert bool(hint) == bool(hints), code
        assert hint in "".join(hints)


async def test_a_host_that_cannot_be_reached_is_told_of(page: Page, host: ScriptedHost, site: CustomerSite) -> None:
    body = f'<voice-agent agent="front-desk" host="{NOBODY}" placement="inline"></voice-agent>'
    site.also_allowed = NOBODY
    await page.goto(site.show(host.url, body))
    await page.get_by_role("button", name="Start talking").click()
    await expect(page.get_by_role("alert")).to_contain_text("cannot be reached. Check your internet connection")


async def test_a_token_that_is_refused_is_not_told_of_as_missing(
    page: Page, host: ScriptedHost, site: CustomerSite
) -> None:
    async def script(call: ScriptedCall) -> None:
        await call.close(4401, "this key or token is for another agent")

    host.script = script
    logged: list[str] = []
    page.on("console", lambda line: logged.append(line.text))
    set_up = "document.querySelector('voice-agent').getToken = () => 'a-token';"
    await page.goto(site.show(host.url, INLINE, set_up))
    await page.get_by_role("button", name="Start talking").click()
    await expect(page.get_by_role("alert")).to_contain_text("There is no permission to call")
    hint = next(line for line in logged if line.startswith("<voice-agent>"))
    assert "the host does not accept this call token" in hint
    assert "(this key or token is for another agent)" in hint


async def test_a_page_without_an_agent_or_a_token_is_told(page: Page, host: ScriptedHost, site: CustomerSite) -> None:
    body = '<voice-agent agent="front-desk" token-url="/voice-token" placement="inline"></voice-agent>'
    logged: list[str] = []
    page.on("console", lambda line: logged.append(line.text))
    await page.goto(site.show(host.url, body))
    await page.get_by_role("button", name="Start talking").click()
    await expect(page.get_by_role("alert")).to_contain_text("got no call token. Try again")
    assert any("/voice-token answered 401" in line for line in logged)
    assert host.calls == []
    await page.evaluate("document.querySelector('voice-agent').removeAttribute('agent')")
    await expect(page.get_by_role("button", name="Start talking")).to_be_disabled()
    await page.evaluate("document.querySelector('voice-agent').start()")
    await expect(page.get_by_role("alert")).to_contain_text("not set up correctly")
    logged.clear()
    await page.evaluate("document.body.replaceChildren(document.createElement('voice-agent'))")
    await expect(page.get_by_role("alert")).to_have_count(0)  # the panel is closed
    await page.get_by_role("button", name="Talk to us").click()
    await expect(page.get_by_role("alert")).to_contain_text("not set up correctly")
    assert "<voice-agent>: it needs the attribute agent, the id of an agent" in logged
    await page.evaluate("document.querySelector('voice-agent').setAttribute('agent', 'front-desk')")
    await expect(page.get_by_role("alert")).to_have_count(0)
    await expect(page.get_by_role("button", name="Start talking")).to_be_enabled()


async def test_a_microphone_that_is_refused_leaves_a_call_by_keyboard(
    page: Page, host: ScriptedHost, site: CustomerSite
) -> None:
    host.script = chatting
    await page.add_init_script(
        "window.real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);"
        "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('no', 'NotAllowedError'); }"
    )
    await page.goto(site.show(host.url, INLINE))
    await page.get_by_role("button", name="Start talking").click()
    await expect(page.get_by_role("alert")).to_contain_text("not allowed to use the microphone. Allow it")
    await expect(page.get_by_role("alert")).to_contain_text("Then press “Use microphone”. Or type your message.")
    await type_message(page, "Hello")
    await expect(page.locator(".agent .bubble")).to_have_text("You said Hello")
    await page.evaluate("() => void (navigator.mediaDevices.getUserMedia = window.real)")
    await page.get_by_role("button", name="Use microphone").click()
    await expect(page.get_by_role("button", name="Mute", exact=True)).to_be_visible()
    await expect(page.get_by_role("alert")).to_be_hidden()
    await (await host.call()).wait_for(lambda: len(host.calls[0].audio) > 3200)


CATCHING = """
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (constraints) => (window.stream = await open(constraints));
window.unplug = () => {
  const [track] = window.stream.getAudioTracks();
  track.stop();
  track.dispatchEvent(new Event("ended")); // which `stop` alone does not cause
};
"""


async def test_a_microphone_that_goes_away_is_replaced_or_told_of(
    page: Page, host: ScriptedHost, site: CustomerSite
) -> None:
    host.script = chatting
    await page.add_init_script(CATCHING)
    await page.goto(site.show(host.url, INLINE))
    await page.get_by_role("button", name="Start talking").click()
    call = await host.call()
    await call.wait_for(lambda: len(call.audio) > 3200)
    before = await page.evaluate("window.unplug(), window.stream.id")
    await expect(page.locator(".note")).to_have_text("The microphone was disconnected. Another one is used now.")
    assert await page.evaluate("window.stream.id") != before
    received = len(call.audio)
    await call.wait_for(lambda: len(call.audio) > received + 3200)
    await page.evaluate("navigator.mediaDevices.enumerateDevices = async () => [], window.unplug()")
    await expect(page.get_by_role("alert")).to_contain_text("The microphone was disconnected. Plug it in.")
    await type_message(page, "Hello")
    await expect(page.locator(".agent .bubble")).to_have_text("You said Hello")
    assert await page.get_by_role("button", name="Use microphone").is_visible()


REFUSED = """() => {
  navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("", "NotReadableError"));
}"""


# All but one microphone are unplugged.
UNPLUGGED = """() => {
  const devices = navigator.mediaDevices;
  const connected = devices.enumerateDevices.bind(devices);
  devices.enumerateDevices = async () => (await connected()).filter(({ kind }) => kind === "audioinput").slice(0, 1);
  devices.dispatchEvent(new Event("devicechange"));
}"""


async def test_a_visitor_chooses_among_several_microphones(page: Page, host: ScriptedHost, site: CustomerSite) -> None:
    host.script = chatting
    await page.goto(site.show(host.url, INLINE))
    choice, talk = page.get_by_role("combobox", name="Microphone"), page.get_by_role("button", name="Start talking")
    await expect(choice).to_be_hidden()
    await talk.click()
    await expect(choice).to_be_visible()
    used = "document.querySelector('voice-agent').call.inputDevice?.label"
    first = await page.evaluate(used)
    other = next(label for label in await choice.locator("option").all_text_contents() if label != first)
    await page.evaluate("void document.querySelector('voice-agent').call.on('microphone', (on) => (window.state = on))")
    await choice.select_option(label=other)
    await page.wait_for_function(f"(other) => {used} === other && window.state === 'on'", arg=other)
    call = await host.call()
    received = len(call.audio)
    await call.wait_for(lambda: len(call.audio) > received + 3200)
    await page.evaluate(REFUSED)
    await choice.select_option(label=first)
    await expect(page.get_by_role("alert")).to_contain_text("another program uses it. Close that.")
    await expect(page.get_by_role("alert")).not_to_contain_text("Use microphone")
    await expect(choice.locator("option:checked")).to_have_text(other)
    await page.evaluate("() => void delete navigator.mediaDevices.getUserMedia")
    await choice.select_option(label=first)
    await expect(page.get_by_role("alert")).to_be_hidden()
    await choice.select_option(label=other)
    await page.wait_for_function(f"(other) => {used} === other", arg=other)
    await page.get_by_role("button", name="Hang up").click()
    await expect(choice).to_be_hidden()
    await talk.click()
    await page.wait_for_function(f"(other) => {used} === other", arg=other)
    await expect(choice.locator("option:checked")).to_have_text(other)
    await choice.focus()
    await page.evaluate(UNPLUGGED)
    await expect(choice).to_be_hidden()
    await expect(page.get_by_role("button", name="Mute")).to_be_focused()


async def test_a_microphone_that_the_system_mutes_is_told_of_until_it_is_heard_again(
    page: Page, host: ScriptedHost, site: CustomerSite
) -> None:
    host.script = chatting
    await page.add_init_script(CATCHING)
    await page.goto(site.show(host.url, INLINE))
    await page.get_by_role("button", name="Start talking").click()
    await (await host.call()).wait_for(lambda: len(host.calls[0].audio) > 3200)
    await page.evaluate("() => void stream.getAudioTracks()[0].dispatchEvent(new Event('mute'))")
    await expect(page.get_by_role("alert")).to_have_text(re.compile("^No sound comes .* the settings of your system.$"))
    await page.evaluate("() => void stream.getAudioTracks()[0].dispatchEvent(new Event('unmute'))")
    await expect(page.get_by_role("alert")).to_be_hidden()


async def test_sound_that_the_browser_blocks_begins_with_the_next_click(
    page: Page, host: ScriptedHost, site: CustomerSite
) -> None:
    host.script = chatting
    await page.add_init_script("""
        const resume = AudioContext.prototype.resume;
        let allow;
        const allowed = new Promise((resolve) => (allow = resolve));
        addEventListener("click", allow, true);
        AudioContext.prototype.resume = async function () { await allowed; await resume.call(this); };
    """)
    await page.goto(site.show(host.url, INLINE, "document.querySelector('voice-agent').start({ microphone: false });"))
    await expect(page.locator(".status")).to_have_text("Click anywhere or press a key to go on with the call")
    await expect(page.locator("[aria-live]")).to_have_text("Click anywhere or press a key to go on with the call")
    assert host.calls == []
    await page.get_by_role("heading", name="Shop").click()
    await expect(page.locator(".status")).to_have_text("Your turn: type, or use the microphone")


# Browsers take neither Shift nor Escape for a gesture. Playwright’s own calls would count, so this is played.
SILENT_UNTIL_A_GESTURE = """
  const { resume } = AudioContext.prototype;
  const waiting = [];
  let isActive = false;
  Object.defineProperty(navigator, "userActivation", { value: { get isActive() { return isActive; } } });
  addEventListener("keydown", ({ key }) => { isActive ||= !["Shift", "Escape"].includes(key); }, true);
  AudioContext.prototype.resume = function () {
    if (!isActive) return new Promise((resolve) => waiting.push(resolve));
    const begun = () => waiting.splice(0).forEach((resolved) => resolved());
    return resume.call(this).then(() => void setTimeout(begun)); // it takes a moment
  };
"""


async def test_blocked_sound_begins_with_a_key_that_is_a_gesture_and_does_nothing_else(
    page: Page, host: ScriptedHost, site: CustomerSite
) -> None:
    host.script = chatting
    await page.add_init_script(SILENT_UNTIL_A_GESTURE)
    await page.clock.install()
    await page.goto(site.show(host.url, INLINE, "document.querySelector('voice-agent').start({ microphone: false });"))
    await page.clock.fast_forward(1_000)
    go_on = page.get_by_role("button", name="Go on")
    for key in ("Shift", "Escape"):
        await page.keyboard.press(key)
        await page.clock.fast_forward(5_000)
        await expect(go_on).to_be_visible()
    await go_on.focus()
    await page.keyboard.down("Space")
    await page.evaluate("new Promise((resolve) => setTimeout(resolve, 100))")  # as long as a person holds it
    await page.keyboard.up("Space")  # which presses the button
    await expect(page.locator(".status")).to_have_text("Your turn: type, or use the microphone")
    assert await page.evaluate("document.querySelector('voice-agent').call.microphone") == "off"
    await expect(page.get_by_role("alert")).to_have_count(0)


async def test_a_computer_without_sound_output_leaves_a_call_in_writing(
    page: Page, host: ScriptedHost, site: CustomerSite
) -> None:
    host.script = chatting
    await page.add_init_script("AudioContext.prototype.resume = () => new Promise(() => {});")  # as Firefox does then
    await page.clock.install()
    await page.goto(site.show(host.url, INLINE))
    await page.get_by_role("button", name="Start talking").click()
    await page.clock.fast_forward(1_000)
    await expect(page.locator(".status")).to_have_text("Click anywhere or press a key to go on with the call")
    await page.clock.fast_forward(3_000)
    await expect(page.get_by_role("alert")).to_contain_text(
        "could not start its sound. Check this computer’s sound output"
    )
    await type_message(page, "Hello")
    await expect(page.locator(".agent .bubble")).to_have_text("You said Hello")


async def test_pages_style_the_widget_and_the_system_chooses_dark(
    page: Page, host: ScriptedHost, site: CustomerSite
) -> None:
    script = """
        const sheet = new CSSStyleSheet();
        sheet.replaceSync(`* { display: none } html, body, voice-agent { display: block }
          voice-agent { --voice-agent-accent: rgb(1, 2, 3) } voice-agent::part(talk) { border-width: 7px }`);
        document.adoptedStyleSheets = [sheet];
    """
    await page.goto(site.show(host.url, INLINE, script))
    talk, panel = page.locator(".talk"), page.locator(".panel")
    await expect(talk).to_have_css("background-color", "rgb(1, 2, 3)")
    await expect(talk).to_have_css("border-width", "7px")
    await expect(panel).to_have_css("background-color", "rgb(255, 255, 255)")
    await page.emulate_media(color_scheme="dark")
    await expect(panel).to_have_css("background-color", "rgb(22, 30, 29)")
    await page.evaluate("document.querySelector('voice-agent').setAttribute('theme', 'light')")
    await expect(panel).to_have_css("background-color", "rgb(255, 255, 255)")


TREE = """() => {
  const root = document.querySelector("voice-agent").shadowRoot;
  return [...root.querySelectorAll("button, input")].filter((element) => element.checkVisibility()).map((element) => ({
    name: element.ariaLabel || element.textContent || (element.labels?.[0].textContent ?? ""),
    height: element.getBoundingClientRect().height,
  }));
}"""


async def test_every_control_has_a_name_and_is_large_enough_to_touch(
    page: Page, host: ScriptedHost, site: CustomerSite
) -> None:
    async def script(call: ScriptedCall) -> None:
        await call.ready()
        await call.send("thinking")

    host.script = script
    await page.set_viewport_size({"width": 320, "height": 560})
    await page.goto(site.show(host.url))
    await page.get_by_role("button", name="Talk to us").click()
    await page.get_by_role("button", name="Start talking").click()
    await expect(page.get_by_role("button", name="Stop speaking")).to_be_visible()
    controls = await page.evaluate(TREE)
    assert len(controls) == 6, json.dumps(controls)  # the launcher makes room for the open panel
    assert [control for control in controls if not control["name"] or control["height"] < 44] == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320


@pytest.mark.parametrize("placement", ["bottom-left", "inline"])
async def test_typing_is_in_reach_beside_a_problem_in_windows_of_every_size(
    page: Page, host: ScriptedHost, site: CustomerSite, placement: str
) -> None:
    host.script = chatting
    await page.add_init_script(
        "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('no', 'NotAllowedError'); }"
    )
    await page.set_viewport_size({"width": 320, "height": 480})
    await page.goto(site.show(host.url, f'<voice-agent agent="front-desk" placement="{placement}"></voice-agent>'))
    for width, height in [(320, 480), (360, 640), (640, 360), (1280, 800)]:
        await page.set_viewport_size({"width": width, "height": height})
        if placement != "inline":
            await page.get_by_role("button", name="Talk to us").click()
        await page.get_by_role("button", name="Start talking").click()
        await expect(page.get_by_role("alert")).to_contain_text("Or type your message.")
        await page.get_by_label("Message").fill(f"Hello from {width}")
        send = page.get_by_role("button", name="Send")
        await send.hover()
        assert await send.evaluate("(button) => button.clientHeight") < 50, "“Send” stands on one line"
        await page.mouse.wheel(0, 2_000)
        await send.click()
        await expect(page.locator(".agent .bubble").last).to_have_text(f"You said Hello from {width}")
        await page.get_by_role("button", name="Hang up").click()
        if placement != "inline":
            await page.get_by_role("button", name="Close").click()
            await expect(page.get_by_role("button", name="Talk to us")).to_be_focused()
