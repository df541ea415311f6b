"""The details of a call on the talk page: latencies, events, tools, devices, parameters, saving, keyboard shortcuts."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.async_api import Page, expect

from tests.browser.scripted_host import ScriptedCall, ScriptedHost

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]

STAGES = {
    "speech_end": 0.0,
    "transcript_final": 310.0,
    "model_request": 312.0,
    "first_token": 742.0,
    "first_clause": 760.0,
    "first_audio_in": 920.0,
    "first_audio_out": 925.0,
    "audible_end": 3925.0,
}

# What can be used and is beyond an edge of the window, or below something else.
OUT_OF_REACH = """() => [...document.querySelectorAll("button, select, input, [role=tab]")]
  .filter((element) => element.checkVisibility({ visibilityProperty: true }) && !element.closest(".tab-panel, .agents"))
  .filter((element) => {
    const { left, top, right, bottom } = element.getBoundingClientRect();
    const inside = left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight;
    const hit = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
    return !inside || !(element.contains(hit) || hit?.contains(element));
  })
  .map((element) => element.id || element.outerHTML.slice(0, 60))"""


# Tabs on top of each other, or with a label of several lines.
CROWDED = """() => {
  const found = [...document.querySelectorAll("[role=tab], #panel-close")];
  const tabs = found.map((tab) => [tab, tab.getBoundingClientRect()]);
  return tabs
    .filter(([, { height, right }], index) => height > 48 || (tabs[index + 1] && right > tabs[index + 1][1].left))
    .map(([tab]) => tab.id);
}"""


async def answer_once(call: ScriptedCall) -> None:
    await call.ready("s1.secret", agent_version="1.3.0")
    await call.send("turn", text=(await call.message("text"))["text"])
    await call.send("tool_call", id="a", name="book_table", arguments={"day": "friday", "guests": 2})
    await call.send("tool_result", id="a", name="book_table", ok=True)
    for piece in ("You are ", "booked ", "for Friday."):
        await call.send("reply_delta", reply=1, text=piece)
    await call.send("chat", reply=1, text="You are booked for Friday.", steps=[])
    await call.send("metrics", reply=1, stages_ms=STAGES)
    await call.send("cancelled", reply=1, heard="You are booked")


async def type_message(page: Page, text: str) -> None:
    await page.get_by_role("textbox", name="Message").fill(text)
    await page.keyboard.press("Enter")


async def open_panel(page: Page, tab: str) -> None:
    if await page.locator("#panel").is_hidden():
        await page.get_by_role("button", name="Details", exact=True).click()
    await page.get_by_role("tab", name=tab).click()


async def test_a_waterfall_shows_where_the_time_went(page: Page, host: ScriptedHost) -> None:
    host.script = answer_once
    await page.goto(host.url)
    await open_panel(page, "Latency")
    await type_message(page, "A table for two")
    waterfall = page.locator(".waterfall")
    await expect(waterfall).to_contain_text("Reply 1")
    await expect(waterfall).to_contain_text("first sound after 925 ms")
    await expect(waterfall).to_contain_text("spoke for 3.0 s")
    rows = [await row.inner_text() for row in await waterfall.locator("tr").all()]
    assert [row.split("\t")[0].strip() for row in rows] == [
        "Recognition", "Request", "Model", "First words", "Voice", "Sending",
    ]  # fmt: skip
    await expect(waterfall.locator(".slowest")).to_contain_text("430 ms")
    bars = await waterfall.locator(".bar-of-step").all()
    boxes = [await bar.bounding_box() for bar in bars]
    lefts = [box["x"] for box in boxes if box]
    assert lefts == sorted(lefts)
    assert len(set(lefts)) > 3, "the bars begin where the step before ended"


async def test_a_model_that_began_early_overlaps_the_recognition(page: Page, host: ScriptedHost) -> None:
    async def script(call: ScriptedCall) -> None:
        await call.ready()
        await call.message("text")
        await call.send("metrics", reply=1, stages_ms=STAGES | {"model_request": -150.0, "first_token": 210.0})

    host.script = script
    await page.goto(host.url)
    await open_panel(page, "Latency")
    await type_message(page, "Hello")
    rows = page.locator(".waterfall tr")
    await expect(rows.nth(1)).to_contain_text("360 ms")
    recognition, model = [await row.locator(".bar-of-step").bounding_box() for row in (await rows.all())[:2]]
    assert recognition
    assert model
    assert model["x"] < recognition["x"] < model["x"] + model["width"]


async def test_events_are_listed_without_the_secret_and_unfold(page: Page, host: ScriptedHost) -> None:
    host.script = answer_once
    await page.goto(host.url)
    await open_panel(page, "Events")
    await type_message(page, "A table for two")
    events = page.locator("#event-list")
    await expect(events).to_contain_text("cancelled")
    await expect(events).to_contain_text("reply_delta ×3")
    tool = events.locator(".event", has_text="tool_call").locator(".summary")
    await expect(tool).to_have_text('name: book_table · arguments: {"day":"friday","guests":2}')
    sent = events.locator(".event.page", has_text="text")
    await expect(sent).to_contain_text("A table for two")
    assert "s1.secret" not in await events.inner_text()
    ready = events.locator(".event", has_text="ready")
    await ready.locator("summary").first.click()
    await expect(ready.locator("pre")).to_contain_text('"tts_sample_rate": 24000')


async def many_events(call: ScriptedCall) -> None:
    await call.ready()
    while True:
        said = (await call.message("text"))["text"]
        for number in range(40):
            await call.send("metrics", reply=number, stages_ms=STAGES)
        await call.send("turn", text=said)


async def test_events_show_the_newest_unless_somebody_has_scrolled_up(page: Page, host: ScriptedHost) -> None:
    host.script = many_events
    await page.goto(host.url)
    await type_message(page, "one")
    last = page.locator("#event-list > li").last
    await expect(last).to_contain_text("one")  # while the panel is closed
    await open_panel(page, "Events")
    await expect(last).to_be_in_viewport()
    await type_message(page, "two")
    await expect(last).to_contain_text("two")
    await expect(last).to_be_in_viewport()
    events = page.locator("#events")
    await events.focus()
    await page.keyboard.press("Home")
    read = page.locator("#event-list > li").first
    await expect(read).to_be_in_viewport()
    await type_message(page, "three")
    await expect(last).to_contain_text("three")
    await expect(read).to_be_in_viewport()
    await open_panel(page, "Setup")
    await open_panel(page, "Events")
    await expect(read).to_be_in_viewport()
    await events.focus()
    await page.keyboard.press("End")
    await expect(last).to_be_in_viewport()
    await type_message(page, "four")
    await expect(last).to_contain_text("four")
    await expect(last).to_be_in_viewport()
    unfolded = page.locator("#event-list > li", has_text="metrics").last
    await unfolded.evaluate("(entry) => entry.querySelector('summary').click()")
    await type_message(page, "five")
    await expect(last).to_contain_text("five")
    await expect(page.locator("#event-list details[open] pre")).to_be_in_viewport()  # it is being read


async def test_a_long_call_keeps_a_bounded_number_of_events(page: Page, host: ScriptedHost) -> None:
    async def script(call: ScriptedCall) -> None:
        await call.ready()
        await call.message("text")
        for number in range(1, 301):
            await call.send("metrics", reply=number, stages_ms=STAGES)
            await call.send("thinking")
        await call.send("turn", text="The last words")

    host.script = script
    await page.goto(host.url)
    await type_message(page, "Hello")
    await expect(page.locator("#transcript")).to_contain_text("The last words")
    assert await page.locator("#event-list > li").count() == 400
    assert await page.locator(".waterfall").count() == 50
    await expect(page.locator("#latency-summary")).to_have_text(
        "First sound of 50 replies: median 925 ms, slowest 925 ms"
    )
    await expect(page.locator(".waterfall").first).to_contain_text("Reply 300")


async def test_a_tool_unfolds_its_arguments(page: Page, host: ScriptedHost) -> None:
    host.script = answer_once
    await page.goto(host.url)
    await type_message(page, "A table for two")
    chip = page.locator(".chip")
    await expect(chip).to_contain_text("ok")
    await expect(chip.locator("pre")).to_be_hidden()
    await chip.locator("summary").click()
    await expect(chip.locator("pre")).to_have_text('{\n  "day": "friday",\n  "guests": 2\n}')


async def test_a_conversation_is_saved_as_text_and_as_json(page: Page, host: ScriptedHost, tmp_path: Path) -> None:
    host.script = answer_once
    await page.goto(f"{host.url}/?customer=4711")
    await open_panel(page, "Setup")
    as_text = page.get_by_role("button", name="Save as text")
    await expect(as_text).to_be_disabled()
    await type_message(page, "A table for two")
    await expect(page.locator("#transcript")).to_contain_text("the rest was not heard")
    saved = {}
    for name in ("text", "JSON"):
        async with page.expect_download() as download:
            await page.get_by_role("button", name=f"Save as {name}").click()
        file = await download.value
        await file.save_as(tmp_path / name)
        saved[file.suggested_filename.rsplit(".", 1)[1]] = (tmp_path / name).read_text(encoding="utf-8")
        assert file.suggested_filename.startswith("front-desk-2")
    assert "Front desk (voice-agent-example 1.3.0)\n" in saved["txt"]
    assert "customer = 4711\n" in saved["txt"]
    assert "\nCaller: A table for two\n" in saved["txt"]
    assert '  tool book_table({"day":"friday","guests":2}) ok' in saved["txt"]
    remarks = "  [first sound after 925 ms]\n  [interrupted; heard: You are booked]\n"
    assert f"Agent: You are booked for Friday.\n{remarks}" in saved["txt"]
    data = json.loads(saved["json"])
    assert data["agent"] == {"id": "front-desk", "title": "Front desk", "release": "voice-agent-example 1.3.0"}
    assert data["parameters"] == {"customer": "4711"}
    caller, reply = data["transcript"]
    assert (caller["role"], caller["text"]) == ("caller", "A table for two")
    assert (reply["role"], reply["heard"], reply["first_sound_ms"]) == ("agent", "You are booked", 925)
    assert reply["tools"][0]["arguments"] == {"day": "friday", "guests": 2}
    assert "metrics" in [event["type"] for event in data["events"]]
    assert "s1.secret" not in saved["json"]


async def test_words_of_others_stay_words_in_the_panel_and_in_files(
    page: Page, host: ScriptedHost, tmp_path: Path
) -> None:
    evil = "<img src=x onerror=document.title=1></script><a href=javascript:alert(1)>x</a>"
    two_lines = f"{evil}\nCaller: yes"

    async def script(call: ScriptedCall) -> None:
        await call.ready()
        await call.send("turn", text=(await call.message("text"))["text"])
        await call.send("tool_call", id="a", name=two_lines, arguments={evil: evil})
        await call.send("tool_result", id="a", name=two_lines, ok=True)
        await call.send("chat", reply=1, text=two_lines, steps=[])
        await call.send("metrics", reply=1, stages_ms=STAGES)
        await call.send("cancelled", reply=1, heard=two_lines)
        await call.send("error", code=evil, message=two_lines, fatal=False)

    host.script = script
    await page.goto(f"{host.url}/?{urlencode({evil: two_lines, 'agent': evil})}#front-desk")
    await type_message(page, evil)
    await expect(page.locator(".note.error")).to_contain_text(evil)
    for tab in ("Latency", "Events", "Setup"):
        await open_panel(page, tab)
    await expect(page.locator("#event-list .event", has_text="error").last).to_contain_text(evil)
    await expect(page.get_by_label("Name of the parameter")).to_have_value(evil)
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Save as text").click()
    await (await download.value).save_as(tmp_path / "saved.txt")
    lines = (tmp_path / "saved.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("Caller:")] == [f"Caller: {evil}"]
    assert f"Agent: {evil}" in lines
    assert await page.locator("body img:not(.logo), body a, body script").count() == 0
    assert await page.title() == "Talk · voice-host"


async def test_parameters_of_the_address_go_with_the_call_and_typed_ones_into_the_address(
    page: Page, host: ScriptedHost
) -> None:
    await page.goto(f"{host.url}/?customer=4711&agent=front-desk#front-desk")
    await open_panel(page, "Setup")
    await page.get_by_role("button", name="Add a parameter").click()
    await page.keyboard.type("language")
    await page.keyboard.press("Tab")
    await page.keyboard.type("en gb&x")
    query = parse_qs(urlsplit(page.url).query)
    assert query == {"agent": ["front-desk"], "customer": ["4711"], "language": ["en gb&x"]}
    assert page.url.endswith("#front-desk")
    await type_message(page, "Hello")
    assert (await host.call()).parameters == {"customer": "4711", "language": "en gb&x"}


async def test_a_parameter_that_the_host_uses_itself_is_refused_in_words(page: Page, host: ScriptedHost) -> None:
    await page.goto(f"{host.url}/?token=x&resume=y")
    await open_panel(page, "Setup")
    await expect(page.locator("#parameters li")).to_have_count(0)
    await page.get_by_role("button", name="Add a parameter").click()
    await page.keyboard.type("token")
    await expect(page.locator("#parameters-problem")).to_contain_text("“token” is a name that the host uses itself")
    await type_message(page, "Hello")
    assert (await host.call()).parameters == {}


async def test_the_release_that_answers_is_named(page: Page, host: ScriptedHost) -> None:
    host.script = answer_once
    await page.goto(host.url)
    await open_panel(page, "Setup")
    await expect(page.locator("#call-facts")).to_contain_text("voice-agent-example 1.0.0")  # of the list
    await type_message(page, "Hello")
    await expect(page.locator("#call-facts")).to_contain_text("voice-agent-example 1.3.0")  # of `ready`


TELL_THE_MICROPHONE = """
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (constraints) => {
  if (window.isBusy) throw new DOMException("", "NotReadableError");
  const stream = await open(constraints);
  window.microphone = stream.getAudioTracks()[0].label;
  return stream;
};
"""


async def test_a_microphone_is_chosen_and_remembered(page: Page, host: ScriptedHost) -> None:
    await page.add_init_script(TELL_THE_MICROPHONE)
    await page.goto(host.url)
    await open_panel(page, "Setup")
    await page.get_by_role("button", name="Start talking").click()
    await expect(page.locator("body")).to_have_attribute("data-microphone", "on")
    choice = page.get_by_label("Microphone", exact=True)
    other = choice.locator("option", has_text="Fake Audio Input 2")
    await expect(other).to_have_count(1)
    before = await choice.input_value()
    wanted = await other.get_attribute("value")
    assert wanted
    assert wanted != before
    await choice.select_option(wanted)
    await expect(page.locator("body")).to_have_attribute("data-microphone", "on")
    await expect(choice).to_have_value(wanted)
    alert = page.get_by_role("alert")
    await page.evaluate("window.isBusy = true")
    await choice.select_option("The system’s choice")
    await expect(alert).to_contain_text("perhaps because another program uses it")
    await expect(choice).to_have_value(wanted)
    await page.evaluate("window.isBusy = false")
    await choice.select_option("The system’s choice")
    await expect(alert).to_be_hidden()
    await choice.select_option(wanted)
    await page.evaluate("AudioContext.prototype.setSinkId = async (id) => { if (id) throw new DOMException(); }")
    speaker = page.get_by_label("Loudspeaker")
    await speaker.select_option(index=1)
    await expect(alert).to_contain_text("This loudspeaker cannot be used. Choose another one.")
    await speaker.select_option("The system’s choice")
    await expect(alert).to_be_hidden()
    await page.get_by_role("button", name="Hang up").click()
    await page.reload()
    await expect(page.get_by_label("Microphone", exact=True)).to_have_value(wanted)
    await page.get_by_role("button", name="Start talking").click()
    await page.wait_for_function("() => window.microphone === 'Fake Audio Input 2'")


async def test_keys_work_unless_somebody_types(page: Page, host: ScriptedHost) -> None:
    await page.goto(host.url)
    body = page.locator("body")
    await expect(page.get_by_role("button", name="Start talking")).to_be_enabled()
    await page.keyboard.press("m")
    message = page.get_by_role("textbox", name="Message")
    await expect(message).to_be_focused()
    await page.keyboard.type("that's mine?")
    await expect(message).to_have_value("that's mine?")
    await expect(body).to_have_attribute("data-phase", "idle")
    await message.blur()
    await page.keyboard.press("t")
    await expect(body).to_have_attribute("data-microphone", "on")
    await page.keyboard.press("t")
    await expect(body).to_have_attribute("data-microphone", "muted")
    await page.keyboard.press("d")
    await expect(page.get_by_role("tab", name="Latency")).to_be_focused()
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_role("tab", name="Events")).to_be_focused()
    await expect(page.get_by_role("tabpanel", name="Events")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#panel")).to_be_hidden()
    await expect(page.get_by_role("button", name="Details", exact=True)).to_be_focused()
    await page.keyboard.press("h")
    await expect(body).to_have_attribute("data-phase", "idle")


async def test_keys_are_listed_and_can_be_switched_off(page: Page, host: ScriptedHost) -> None:
    await page.goto(host.url)
    await expect(page.get_by_role("button", name="Start talking")).to_be_enabled()
    await page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    await expect(dialog).to_contain_text("Hang up")
    await page.keyboard.press("t")
    await dialog.get_by_role("checkbox").uncheck()
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await page.reload()
    await expect(page.get_by_role("button", name="Start talking")).to_be_enabled()
    await page.keyboard.press("t")
    await page.keyboard.press("?")
    await expect(dialog).to_be_hidden()
    assert host.calls == []
    await page.get_by_role("button", name="Keyboard shortcuts").click()
    await dialog.get_by_role("checkbox").check()
    await page.keyboard.press("Escape")
    await page.keyboard.press("t")
    await host.call()


DENIED = "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('no', 'NotAllowedError'); };"


PHONES = [(320, 640), (360, 740), (375, 667)]


@pytest.mark.parametrize(("sizes", "denied"), [([*PHONES, (844, 390), (800, 600), (1280, 800)], False), (PHONES, True)])
async def test_the_panel_leaves_everything_in_reach(
    page: Page, host: ScriptedHost, sizes: list[tuple[int, int]], denied: bool
) -> None:
    host.script = answer_once
    await page.set_viewport_size({"width": sizes[0][0], "height": sizes[0][1]})
    await page.add_init_script(DENIED)
    await page.goto(f"{host.url}/?customer=4711")
    await type_message(page, "A table for two")
    if denied:
        await page.get_by_role("button", name="Use microphone").click()
        await expect(page.get_by_role("alert")).to_contain_text("not allowed to use the microphone")
    for (width, height), tab in itertools.product(sizes, ("Latency", "Events", "Setup")):
        await page.set_viewport_size({"width": width, "height": height})
        await open_panel(page, tab)
        assert await page.evaluate(OUT_OF_REACH) == []
        assert not await page.evaluate("document.documentElement.scrollWidth > innerWidth")
        panel = await page.get_by_role("tabpanel", name=tab).bounding_box()
        assert panel
        assert panel["height"] > 100
        assert await page.evaluate(CROWDED) == []
        dock = await page.locator(".dock").bounding_box()
        assert dock
        assert dock["x"] + dock["width"] <= panel["x"] or dock["y"] >= panel["y"] + panel["height"]
        for control in await page.locator(".dock :is(button, input):visible").all():
            box = await control.bounding_box()
            assert box
            beside = box["x"] + box["width"] <= panel["x"] - 10
            assert beside or box["y"] >= panel["y"] + panel["height"]
    await page.get_by_role("button", name="Close the details").click()
    await expect(page.locator("#transcript")).to_be_visible()
