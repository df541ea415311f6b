"""The talk page in a real browser: choosing an agent, and a conversation by keyboard and button."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.scripted_host import ScriptedCall, ScriptedHost, agent, tone

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]

PHASE = "data-phase"


# What a reader would have to scroll sideways for, or could not reach at all.
BEYOND_THE_EDGE = """() => [...document.querySelectorAll("body *:not(.for-screen-readers, .longer)")]
  .filter((element) => element.getBoundingClientRect().right > innerWidth)
  .map((element) => element.outerHTML.slice(0, 80))"""


async def type_message(page: Page, text: str) -> None:
    await page.get_by_label("Message").fill(text)
    await page.keyboard.press("Enter")


async def test_agents_are_listed_and_the_broken_one_says_why(page: Page, host: ScriptedHost) -> None:
    await page.goto(host.url)
    await expect(page.get_by_role("radio", name="Front desk")).to_be_checked()
    await expect(page.get_by_role("heading", name="Front desk")).to_be_visible()
    broken = page.locator(".agent-card.broken")
    await expect(broken).to_contain_text("imported")
    await expect(broken).to_contain_text("No module named 'moon'")
    assert await broken.get_by_role("radio").is_disabled()


@pytest.mark.parametrize("place", ["?agent=front-desk@staging", "#front-desk%40staging"])
async def test_a_release_is_opened_by_its_address(page: Page, host: ScriptedHost, place: str) -> None:
    await page.goto(f"{host.url}{place}")
    await expect(page.get_by_role("heading", name="Front desk @staging")).to_be_visible()
    await expect(page.get_by_role("radio", name="Front desk @staging")).to_be_checked()
    await type_message(page, "Hello")
    assert (await host.call()).address == "front-desk@staging"


async def test_the_address_of_a_release_of_no_agent_is_explained(page: Page, host: ScriptedHost) -> None:
    await page.goto(f"{host.url}?agent=back-desk@staging")
    await expect(page.get_by_text("There is no agent “back-desk@staging” on this host.")).to_be_visible()


async def test_demo_providers_are_named_and_their_limits_told(page: Page, host: ScriptedHost) -> None:
    await page.goto(host.url)
    await expect(page.locator("#providers")).to_contain_text("Speech-to-text")
    notices = page.locator("#notices")
    await expect(notices).to_contain_text("Demo speech on this machine.")
    shown = await notices.inner_text()
    assert "No language model is configured" in shown
    assert "Set VOICE_HOST_MODEL or ASSEMBLYAI_API_KEY." in shown


async def test_other_providers_get_no_notice(page: Page, host: ScriptedHost) -> None:
    providers = {"stt": "assemblyai", "tts": "baseten", "model": "openai:gpt-4.1-mini"}
    host.agents = [agent("front-desk", "Front desk", providers=providers, speech_notices=[])]
    await page.goto(host.url)
    await expect(page.locator("#providers")).to_contain_text("openai:gpt-4.1-mini")
    assert await page.locator("#notices").inner_text() == ""


async def test_a_host_without_speech_says_why(page: Page, host: ScriptedHost) -> None:
    providers = {"stt": "none", "tts": "none", "model": "openai:gpt-4.1-mini"}
    problem = "Embedded speech does not run on this machine: it needs glibc 2.34 or newer, and this is 2.31."
    host.agents = [agent("front-desk", "Front desk", providers=providers, speech_problem=problem, speech_notices=[])]
    await page.goto(host.url)
    await expect(page.locator("#notices")).to_contain_text(problem)
    await expect(page.locator("#notices")).not_to_contain_text("Demo speech")


async def test_address_chooses_the_agent(page: Page, host: ScriptedHost) -> None:
    host.agents = [agent("front-desk", "Front desk"), agent("bakery", "Bakery")]
    await page.goto(f"{host.url}/#bakery")
    await expect(page.get_by_role("heading", name="Bakery")).to_be_visible()
    await page.locator("label", has_text="Front desk").click()
    await expect(page.get_by_role("heading", name="Front desk")).to_be_visible()
    assert page.url.endswith("#front-desk")


@pytest.mark.parametrize(
    ("wanted", "words"),
    [("nobody", "There is no agent “nobody” on this host."), ("night-shift", "Night shift is broken")],
)
async def test_address_of_an_agent_that_cannot_be_called_says_so(
    page: Page, host: ScriptedHost, wanted: str, words: str
) -> None:
    await page.goto(f"{host.url}/#{wanted}")
    await expect(page.get_by_role("alert")).to_contain_text(words)
    assert await page.get_by_role("radio", name="Front desk").is_checked()


async def test_what_another_agent_raised_is_shown_beside_one_that_works(page: Page, host: ScriptedHost) -> None:
    host.agents[1] |= {"traceback": "Traceback (most recent call last):\nModuleNotFoundError: No module named 'moon'"}
    await page.goto(f"{host.url}/#front-desk")
    await expect(page.locator("#trace")).to_contain_text("Traceback (most recent call last)")
    await expect(page.get_by_role("alert")).to_contain_text("Night shift is broken")
    await type_message(page, "Hello")
    await expect(page.locator("#trace")).to_be_hidden()
    await expect(page.locator("body")).to_have_attribute(PHASE, "listening")


async def test_host_without_agents_offers_no_call(page: Page, host: ScriptedHost) -> None:
    host.agents = []
    await page.goto(host.url)
    await expect(page.locator("#agents-hint")).to_contain_text("No agent is installed")
    assert await page.get_by_role("button", name="Start talking").is_disabled()


async def test_list_that_fails_can_be_tried_again(page: Page, host: ScriptedHost) -> None:
    host.agents_status = 503
    await page.goto(host.url)
    await expect(page.get_by_role("alert")).to_contain_text("The host does not answer")
    host.agents_status = 200
    await page.get_by_role("button", name="Try again").click()
    await expect(page.get_by_role("radio", name="Front desk")).to_be_checked()
    assert await page.get_by_role("alert").count() == 0


async def test_typing_opens_a_call_without_the_microphone(page: Page, host: ScriptedHost) -> None:
    async def script(call: ScriptedCall) -> None:
        await call.ready()
        typed = await call.message("text")
        await call.send("turn", text=typed["text"])
        await call.send("thinking")
        await call.send("reply_delta", reply=1, text="From nine ")
        await call.send("reply_delta", reply=1, text="to five.")
        await call.send("chat", reply=1, text="From nine to five.", steps=[])
        await call.send("tts_done", reply=1)

    host.script = script
    await page.goto(host.url)
    await type_message(page, "When do you open?")
    await expect(page.locator(".entry.agent .bubble")).to_have_text("From nine to five.")
    await expect(page.locator(".entry.user .bubble")).to_have_text(["When do you open?"])  # once, not twice
    await expect(page.locator("body")).to_have_attribute(PHASE, "listening")
    call = await host.call()
    assert call.audio == b""
    assert host.subprotocols == ["voice-host.v1"]


async def test_a_silent_call_says_what_to_do_now(page: Page, host: ScriptedHost) -> None:
    await page.goto(host.url)
    words = page.locator("#empty-text")
    await expect(words).to_have_text("Press “Start talking” and speak, or type a message below.")
    await page.get_by_role("button", name="Start talking").click()
    await expect(words).to_have_text("Speak, or type a message below.")
    await page.get_by_role("button", name="Mute").click()
    await expect(words).to_have_text("Press “Unmute” and speak, or type a message below.")
    refusing = "() => Promise.reject(new DOMException('', 'NotAllowedError'))"
    await page.evaluate(f"() => void (navigator.mediaDevices.getUserMedia = {refusing})")
    await page.get_by_role("button", name="Hang up").click()
    await page.get_by_role("button", name="New conversation").click()
    await page.get_by_role("button", name="Start talking").click()
    await expect(words).to_have_text("Press “Use microphone” and speak, or type a message below.")


async def test_an_example_is_sent_as_a_typed_turn_and_offered_until_then(page: Page, host: ScriptedHost) -> None:
    async def script(call: ScriptedCall) -> None:
        await call.ready()
        await call.send("greeting", reply=1, text="Welcome.")
        for number in (2, 3):
            typed = await call.message("text")
            await call.send("turn", text=typed["text"])
            await call.send("chat", reply=number, text=f"You said: {typed['text']}", steps=[])
        await call.message("reset")
        await call.send("reset")

    host.script = script
    host.agents = [
        agent("front-desk", "Front desk", examples=["Are you open on Sunday?", "Book a table."]),
        agent("bakery", "Bakery"),
    ]
    await page.goto(host.url)
    examples = page.get_by_role("group", name="Examples of what to say")
    await page.locator("label", has_text="Bakery").click()
    await expect(examples).to_be_hidden()
    await page.locator("label", has_text="Front desk").click()
    await page.get_by_role("button", name="Book a table.").click()
    await expect(page.locator(".entry.agent .bubble").last).to_have_text("You said: Book a table.")
    await expect(examples).to_be_hidden()
    await expect(page.locator("#talk")).to_be_focused()
    assert (await host.call()).audio == b"", "without the microphone, as when it is typed"

    await type_message(page, "Thanks")
    await expect(page.locator(".entry.agent .bubble").last).to_have_text("You said: Thanks")
    await page.get_by_role("button", name="New conversation").click()
    await expect(examples).to_be_visible()


async def test_text_typed_before_the_greeting_stays_one_turn(page: Page, host: ScriptedHost) -> None:
    async def script(call: ScriptedCall) -> None:
        await call.ready()
        typed = await call.message("text")
        await call.send("greeting", reply=1, text="Welcome.")
        await call.send("cancelled", reply=1, heard="", by="turn")
        await call.send("turn", text=typed["text"])
        await call.send("thinking")
        await call.send("tool_call", id="a", name="opening_hours", arguments={"day": "Friday"})
        await call.send("chat", reply=2, text="From nine to five.", steps=[])

    host.script = script
    await page.goto(host.url)
    await type_message(page, "When do you open?")
    await expect(page.locator(".entry.agent .bubble")).to_have_text(["From nine to five."])
    await expect(page.locator('[data-reply="2"] .chip')).to_contain_text("opening_hours")
    await expect(page.locator(".entry.user .bubble")).to_have_text(["When do you open?"])


async def test_texts_typed_in_a_row_are_each_recognised(page: Page, host: ScriptedHost) -> None:
    async def script(call: ScriptedCall) -> None:
        await call.ready()
        first, second = await call.message("text"), await call.message("text")
        await call.send("turn", text=first["text"])
        await call.send("cancelled", reply=1, heard="")
        # What was said over the agent and had to wait is answered together with what was typed.
        await call.send("turn", text=f"uh-huh {second['text']}")
        await call.send("chat", reply=2, text="From noon.", steps=[])

    host.script = script
    await page.goto(host.url)
    await type_message(page, "Friday?")
    await type_message(page, "Or Sunday?")
    await expect(page.locator(".entry.agent .bubble")).to_have_text(["From noon."])
    await expect(page.locator(".entry.user .bubble")).to_have_text(["Friday?", "uh-huh Or Sunday?"])


async def test_reply_streams_in_while_the_host_thinks_and_speaks(page: Page, host: ScriptedHost) -> None:
    async def script(call: ScriptedCall) -> None:
        await call.ready()
        await call.message("text")
        await call.send("thinking")
        await call.message("text")
        await call.send("reply_delta", reply=4, text="One moment")

    host.script = script
    await page.goto(host.url)
    await type_message(page, "Hello")
    await expect(page.locator("body")).to_have_attribute(PHASE, "thinking")
    await expect(page.locator("#status-text")).to_have_text("Thinking …")
    await type_message(page, "Hurry")
    reply = page.locator('[data-reply="4"]')
    await expect(reply.locator(".bubble")).to_have_text("One moment")
    assert await reply.get_attribute("data-state") == "streaming"


async def test_partial_transcripts_give_way_to_the_turn(page: Page, host: ScriptedHost) -> None:
    async def script(call: ScriptedCall) -> None:
        await call.ready()
        await call.message("text")
        await call.send("transcript", text="what's the", final=False)
        await call.message("text")
        await call.send("transcript", text="what's the weather like", final=True)
        await call.send("turn", text="what's the weather like")

    host.script = script
    await page.goto(host.url)
    await type_message(page, "first")
    await expect(page.locator(".entry.partial .bubble")).to_have_text("what's the")
    await type_message(page, "second")
    await expect(page.locator(".entry.user .bubble").last).to_have_text("what's the weather like")
    assert await page.locator(".entry.partial").count() == 0


async def test_tools_are_chips_with_arguments_and_outcome(page: Page, host: ScriptedHost) -> None:
    async def script(call: ScriptedCall) -> None:
        await call.ready()
        await call.message("text")
        await call.send("tool_call", id="a", name="opening_hours", arguments={"day": "Friday", "late": True})
        await call.send("tool_call", id="b", name="opening_hours", arguments={"day": "Sunday"})
        await call.send("tool_result", id="b", name="opening_hours", ok=False)
        await call.send("tool_result", id="a", name="opening_hours", ok=True)
        await call.send("chat", reply=1, text="Until six.", steps=["Using opening_hours"])

    host.script = script
    await page.goto(host.url)
    await type_message(page, "Friday?")
    await expect(page.locator(".entry.agent .bubble")).to_have_text("Until six.")
    chips = page.locator('[data-reply="1"] .chip')
    await expect(chips.nth(0)).to_contain_text("day: Friday, late: true")
    await expect(chips.nth(1)).to_contain_text("day: Sunday")
    assert [await chip.get_attribute("data-state") for chip in await chips.all()] == ["ok", "failed"]


async def test_first_protocol_without_ids_and_with_steps_is_understood(page: Page, host: ScriptedHost) -> None:
    async def script(call: ScriptedCall) -> None:
        await call.send("ready", sample_rate=16000, tts_sample_rate=24000)
        await call.message("text")
        await call.send("chat", text="Sunny.", steps=["Using get_weather"])
        await call.speak(tone(0.3))
        await call.send("tts_done")
        await call.message("text")
        await call.send("chat", text="Still sunny.", steps=[])

    host.script = script
    await page.goto(host.url)
    await type_message(page, "Weather?")
    await expect(page.locator(".chip")).to_have_text("Using get_weather")
    await page.wait_for_function("() => voiceHost.facts.speaker.peak > 0.4")
    await type_message(page, "And now?")
    await expect(page.locator(".entry.agent .bubble")).to_have_text(["Sunny.", "Still sunny."])
    await expect(page.locator("body")).to_have_attribute(PHASE, "listening")
    assert host.calls[0].closed_with is None


async def test_new_conversation_clears_the_transcript_when_the_host_has_forgotten(
    page: Page, host: ScriptedHost
) -> None:
    async def script(call: ScriptedCall) -> None:
        await call.ready()
        await call.send("greeting", reply=1, text="Hello.")
        await call.message("reset")
        await call.send("reset")

    host.script = script
    await page.goto(host.url)
    await type_message(page, "Remember me")
    await expect(page.locator(".entry")).to_have_count(2)
    await page.get_by_role("button", name="New conversation").click()
    await expect(page.locator(".entry")).to_have_count(0)
    assert await page.locator("body").get_attribute(PHASE) == "listening"


async def test_what_was_said_stays_after_the_call_until_it_is_cleared(page: Page, host: ScriptedHost) -> None:
    await page.set_viewport_size({"width": 390, "height": 800})
    await page.goto(host.url)
    await type_message(page, "Hello")
    await expect(page.locator("body")).to_have_attribute(PHASE, "listening")
    await page.get_by_role("button", name="Hang up").click()
    await expect(page.locator(".entry.user .bubble")).to_have_text("Hello")
    await expect(page.locator("#agents")).to_be_hidden()  # a phone has no room for both
    await page.get_by_role("button", name="New conversation").click()
    await expect(page.locator("#agents")).to_be_visible()
    assert await page.locator("#transcript li").count() == 0


async def test_hanging_up_says_goodbye(page: Page, host: ScriptedHost) -> None:
    await page.goto(host.url)
    await type_message(page, "Hello")
    await expect(page.locator("body")).to_have_attribute(PHASE, "listening")
    await page.get_by_role("button", name="Hang up").click()
    await expect(page.locator("body")).to_have_attribute(PHASE, "idle")
    call = await host.call()
    await call.wait_for(lambda: call.closed_with is not None)
    assert call.closed_with == 1000


async def test_words_of_others_are_never_markup(page: Page, host: ScriptedHost) -> None:
    evil = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"

    async def script(call: ScriptedCall) -> None:
        await call.ready()
        await call.send("greeting", reply=1, text=evil)
        await call.message("text")
        await call.send("transcript", text=evil, final=False)
        await call.send("tool_call", id=evil, name=evil, arguments={evil: {evil: evil}})
        await call.send("reply_delta", reply=2, text=evil)
        await call.send("cancelled", reply=2, heard=evil[:9])
        await call.send("error", code=evil, message=evil, fatal=False)
        await call.close(4500, "<b>no</b>")

    host.script = script
    providers = {"stt": evil, "tts": evil, "model": evil}
    host.agents = [
        agent(
            "front-desk", evil, description=evil, distribution=evil, version=evil, providers=providers, examples=[evil]
        ),
        agent("other", evil, status="broken", phase=evil, error=evil, traceback=evil),
    ]
    await page.goto(host.url)
    await expect(page.locator("#trace")).to_have_text(evil)
    await expect(page.locator("#examples button")).to_have_text(evil)
    await type_message(page, evil)
    await expect(page.get_by_role("alert")).to_contain_text("<b>no</b>")
    await expect(page.locator(".note.error")).to_have_text(evil)
    await expect(page.locator(".agent-title").first).to_have_text(evil)
    assert await page.locator("body script, body img:not(.logo), body b").count() == 0
    assert await page.title() == "Talk · voice-host"


async def test_nothing_runs_off_a_phone(page: Page, host: ScriptedHost) -> None:
    long_word = "Donaudampfschifffahrtsgesellschaftskapitän" * 6

    async def script(call: ScriptedCall) -> None:
        await call.ready()
        await call.message("text")
        await call.send("tool_call", id="a", name=long_word, arguments={"word": long_word})
        await call.send("chat", reply=1, text=long_word, steps=[])
        await call.send("error", code="x", message=long_word, fatal=False)

    host.script = script
    host.agents = [
        agent("front-desk", long_word, description=long_word),
        agent("b", "B", status="broken", error=long_word),
    ]
    await page.set_viewport_size({"width": 360, "height": 700})
    await page.goto(host.url)
    await expect(page.locator(".agent-card.broken")).to_be_visible()
    assert await page.evaluate(BEYOND_THE_EDGE) == []
    await type_message(page, long_word)
    await expect(page.locator(".note.error")).to_be_visible()
    assert await page.evaluate(BEYOND_THE_EDGE) == []


async def test_page_can_be_used_with_the_keyboard_and_a_screen_reader(page: Page, host: ScriptedHost) -> None:
    async def script(call: ScriptedCall) -> None:
        await call.ready()
        await call.message("text")
        await call.send("chat", reply=1, text="Good morning.", steps=[])

    host.script = script
    host.agents = [agent("front-desk", "Front desk"), agent("bakery", "Bakery")]
    await page.goto(host.url)
    await page.get_by_role("radio", name="Front desk").focus()
    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_role("heading", name="Bakery")).to_be_visible()
    reached = set()
    for _ in range(8):
        await page.keyboard.press("Tab")
        reached.add(await page.evaluate("document.activeElement.id"))
    assert {"talk", "message", "send"} <= reached
    await type_message(page, "Hello")
    await expect(page.locator('[aria-live="polite"]')).to_contain_text("Bakery: Good morning.")
    await page.get_by_role("button", name="Hang up").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Start talking")).to_be_focused()


async def test_nothing_is_fetched_from_elsewhere(page: Page, host: ScriptedHost) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(host.url)
    await type_message(page, "Hello")
    await expect(page.locator("body")).to_have_attribute(PHASE, "listening")
    assert asked
    assert [url for url in asked if not re.match(rf"(http|ws)://127\.0\.0\.1:{host.port}/", url)] == []
