"""The talk page's sound: what it sends of the microphone, what it plays, and how it falls silent."""

from __future__ import annotations

import array
import math

import pytest
from playwright.async_api import Page, expect

from tests.browser.scripted_host import ScriptedCall, ScriptedHost, tone

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]

FRAME_BYTES = 640  # 20 ms at 16 kHz
PLAYING = "() => voiceHost.facts.speaker?.playing === true"
FINISHED = "() => voiceHost.facts.speaker.playing === false"


def peak(pcm: bytes) -> float:
    samples = array.array("h", pcm[: len(pcm) // 2 * 2])
    return max(map(abs, samples), default=0) / 32768


async def open_by_typing(page: Page, host: ScriptedHost) -> ScriptedCall:
    await page.goto(host.url)
    await page.get_by_label("Message").fill("hello")
    await page.keyboard.press("Enter")
    return await host.call()


async def test_microphone_is_sent_in_small_frames_at_the_rate_asked_for(page: Page, host: ScriptedHost) -> None:
    await page.goto(host.url)
    await page.get_by_role("button", name="Start talking").click()
    call = await host.call()
    await expect(page.locator("#status-text")).to_have_text("Listening")
    await call.wait_for(lambda: peak(bytes(call.audio)) > 0.05)  # the person in the recording
    assert set(call.audio_frames) == {FRAME_BYTES}


async def test_muted_microphone_goes_on_in_silence(page: Page, host: ScriptedHost) -> None:
    await page.goto(host.url)
    await page.get_by_role("button", name="Start talking").click()
    call = await host.call()
    await call.wait_for(lambda: len(call.audio_frames) > 5)
    await page.get_by_role("button", name="Mute", exact=True).click()
    await expect(page.locator("#status-text")).to_have_text("Microphone muted")
    await call.wait_for(lambda: len(call.audio) > 10 * FRAME_BYTES and not any(call.audio[-10 * FRAME_BYTES :]))
    await page.get_by_role("button", name="Unmute").click()
    await expect(page.locator("#status-text")).to_have_text("Listening")
    assert call.closed_with is None


async def test_speech_is_played_and_its_progress_reported(page: Page, host: ScriptedHost) -> None:
    async def script(call: ScriptedCall) -> None:
        await call.ready()
        await call.message("text")
        await call.send("turn", text="hello")
        await call.send("reply_delta", reply=7, text="A tone.")
        await call.speak(tone(2, amplitude=0.5))
        await call.send("chat", reply=7, text="A tone.", steps=[])
        await call.send("tts_done", reply=7)
        await call.message("finished")
        await call.send("metrics", reply=7, stages_ms={"model_request": 3.5, "first_audio_out": 1234.5})

    host.script = script
    call = await open_by_typing(page, host)
    await page.wait_for_function(PLAYING)
    await expect(page.locator("body")).to_have_attribute("data-phase", "speaking")
    await page.wait_for_function(FINISHED)
    await expect(page.locator("body")).to_have_attribute("data-phase", "listening")
    footnote = page.locator('[data-reply="7"] .footnote')
    assert await footnote.is_hidden(), "only the host knows when the caller’s turn ended"
    await call.pretend("finished")
    await expect(footnote).to_have_text("first sound after 1.2 s")
    facts = await page.evaluate("voiceHost.facts.speaker")
    assert facts["peak"] == pytest.approx(0.5, abs=0.03)
    await call.wait_for(lambda: any(m["type"] == "playback" and m["played_ms"] >= 1990 for m in call.messages))
    reports = [m for m in call.messages if m["type"] == "playback"]
    assert {report["reply"] for report in reports} == {7}
    assert reports[-1]["played_ms"] == pytest.approx(2000, abs=5)
    assert [r["played_ms"] for r in reports] == sorted(r["played_ms"] for r in reports)


async def test_waiting_is_shown_where_somebody_waited(page: Page, host: ScriptedHost) -> None:
    async def script(call: ScriptedCall) -> None:
        await call.ready()
        await call.send("greeting", reply=1, text="Welcome.")
        await call.send("metrics", reply=1, stages_ms={"first_audio_out": 189.2})
        await call.message("text")
        await call.send("chat", reply=2, text="We open at nine. We close at five.", steps=[])
        await call.send("metrics", reply=2, stages_ms={"model_request": 0.5, "first_audio_out": 812.3})
        await call.send("cancelled", reply=2, heard="We open at nine.")
        await call.send("chat", reply=3, text="Nobody can hear this.", steps=[])
        await call.send("metrics", reply=3, stages_ms={"model_request": 0.5})

    host.script = script
    await open_by_typing(page, host)
    await expect(page.locator('[data-reply="3"] .bubble')).to_be_visible()
    shown = [await note.text_content() for note in await page.locator(".footnote").all()]
    assert shown == ["", "first sound after 0.81 s · cut off, the rest was not heard", ""]


async def test_audio_is_counted_for_the_reply_it_belongs_to(page: Page, host: ScriptedHost) -> None:
    async def script(call: ScriptedCall) -> None:
        await call.ready()
        for reply, text in ((1, "Welcome."), (2, "How are you?")):
            await call.send("reply_delta", reply=reply, text=text)
        for reply, amplitude in ((1, 0.25), (2, 0.75)):
            await call.speak(tone(0.2, amplitude=amplitude))
            await call.send("tts_done", reply=reply)

    host.script = script
    await open_by_typing(page, host)
    await page.wait_for_function("() => voiceHost.facts.speaker?.peak > 0.7 && !voiceHost.facts.speaker.playing")
    peaks = await page.evaluate("voiceHost.facts.speaker.peakOfReply")
    assert peaks == {"1": pytest.approx(0.25, abs=0.02), "2": pytest.approx(0.75, abs=0.04)}


async def test_a_reply_that_is_held_pauses_at_once_and_goes_on_where_it_was(page: Page, host: ScriptedHost) -> None:
    async def script(call: ScriptedCall) -> None:
        await call.ready()
        await call.message("text")
        await call.send("turn", text="hello")
        await call.send("chat", reply=7, text="A tone.", steps=[])
        await call.speak(tone(2, amplitude=0.5))
        await call.send("tts_done", reply=7)
        await call.wait_for(lambda: any(m["type"] == "playback" and m["played_ms"] > 300 for m in call.messages))
        await call.send("hold", reply=7)
        await call.message("go on")
        await call.send("unhold", reply=7)

    host.script = script
    call = await open_by_typing(page, host)
    await call.wait_for(lambda: any(m.get("held") for m in call.messages))
    [held] = [m for m in call.messages if m.get("held")]
    assert held["reply"] == 7
    assert 300 < held["played_ms"] < 1900
    # A second later nothing more has been played, and nobody took the pause for the end.
    await page.evaluate("() => new Promise((resolve) => setTimeout(resolve, 1000))")
    assert [m for m in call.messages if m["type"] == "playback"][-1] == held
    assert await page.evaluate(PLAYING)
    await call.pretend("go on")
    await page.wait_for_function(FINISHED)
    await call.wait_for(lambda: any(m["type"] == "playback" and m["played_ms"] >= 1990 for m in call.messages))
    facts = await page.evaluate("voiceHost.facts.speaker")
    assert (facts["holds"], facts["drops"], facts["underruns"]) == (1, 0, 0)


async def test_a_reply_that_is_held_before_it_is_audible_is_reported_as_not_played(
    page: Page, host: ScriptedHost
) -> None:
    async def script(call: ScriptedCall) -> None:
        await call.ready()
        await call.message("text")
        await call.send("chat", reply=7, text="A tone.", steps=[])
        await call.send("hold", reply=7)
        await call.speak(tone(0.3, amplitude=0.5))
        await call.message("go on")
        await call.send("unhold", reply=7)
        await call.send("tts_done", reply=7)

    host.script = script
    call = await open_by_typing(page, host)
    await call.wait_for(lambda: any(m.get("held") for m in call.messages))
    [held] = [m for m in call.messages if m.get("held")]
    assert (held["reply"], held["played_ms"]) == (7, 0)
    await call.pretend("go on")
    await call.wait_for(lambda: any(m.get("played_ms", 0) >= 290 for m in call.messages))


async def test_a_held_reply_that_is_cancelled_does_not_hold_the_next(page: Page, host: ScriptedHost) -> None:
    async def script(call: ScriptedCall) -> None:
        await call.ready()
        await call.message("text")
        await call.send("chat", reply=7, text="A tone.", steps=[])
        await call.speak(tone(2, amplitude=0.5))
        await call.wait_for(lambda: any(m["type"] == "playback" and m["played_ms"] > 300 for m in call.messages))
        await call.send("hold", reply=7)
        await call.send("cancelled", reply=7, heard="A")
        await call.send("chat", reply=8, text="Another.", steps=[])
        await call.speak(tone(0.5, amplitude=0.5))
        await call.send("tts_done", reply=8)

    host.script = script
    call = await open_by_typing(page, host)
    await call.wait_for(lambda: any(m.get("reply") == 8 and m.get("played_ms", 0) >= 490 for m in call.messages))


async def test_cancelled_reply_falls_silent_at_once_and_shows_what_was_heard(page: Page, host: ScriptedHost) -> None:
    async def script(call: ScriptedCall) -> None:
        await call.ready()
        await call.send("reply_delta", reply=1, text="We open at nine. We close at five.")
        await call.speak(tone(30))
        await call.message("playback")
        await call.send("cancelled", reply=1, heard="We open at  nine.")
        await call.send("chat", reply=1, text="We open at nine. We close at five.", steps=[])

    host.script = script
    await open_by_typing(page, host)
    reply = page.locator('[data-reply="1"]')
    await expect(reply).to_have_attribute("data-state", "cut")
    await expect(reply.locator(".spoken")).to_have_text("We open at nine.")
    await expect(reply.locator(".unheard")).to_have_text("We close at five.")
    await expect(reply.locator(".footnote")).to_have_text("cut off, the rest was not heard")
    await expect(page.locator("body")).to_have_attribute("data-phase", "listening")
    facts = await page.evaluate("voiceHost.facts.speaker")
    assert facts["drops"] == 1
    assert facts["playing"] is False
    assert facts["playedMs"] < 25_000


@pytest.mark.parametrize(
    ("heard", "spoken", "footnote"),
    [
        ("", "", "cut off before anything was heard"),
        ("At nine o'clock", "At 9:00.", "cut off, heard: “At nine o'clock”"),
        ("At 9:00.", "At 9:00.", "cut off at the end"),
    ],
)
async def test_heard_part_is_marked_as_well_as_it_can_be(
    page: Page, host: ScriptedHost, heard: str, spoken: str, footnote: str
) -> None:
    async def script(call: ScriptedCall) -> None:
        await call.ready()
        await call.send("chat", reply=1, text="At 9:00.", steps=[])
        await call.send("cancelled", reply=1, heard=heard)

    host.script = script
    await open_by_typing(page, host)
    await expect(page.locator(".footnote")).to_have_text(footnote)
    assert await page.locator(".spoken").text_content() == spoken


async def test_greeting_that_never_sounded_leaves_nothing(page: Page, host: ScriptedHost) -> None:
    async def script(call: ScriptedCall) -> None:
        await call.ready()
        await call.send("greeting", reply=1, text="Welcome.")
        await call.send("cancelled", reply=1, heard="")
        await call.send("chat", reply=2, text="To your question.", steps=[])

    host.script = script
    await open_by_typing(page, host)
    await expect(page.locator(".entry.agent .bubble")).to_have_text(["To your question."])
    assert await page.locator(".footnote:visible").count() == 0


async def test_stop_button_silences_before_the_host_agrees(page: Page, host: ScriptedHost) -> None:
    async def script(call: ScriptedCall) -> None:
        await call.ready()
        await call.send("reply_delta", reply=1, text="A long story.")
        await call.speak(tone(10))
        await call.message("cancel")
        await call.message("go on")
        await call.send("cancelled", reply=1, heard="A long")

    host.script = script
    call = await open_by_typing(page, host)
    await page.wait_for_function(PLAYING)
    await page.get_by_role("button", name="Stop speaking").click()
    await expect(page.locator("body")).not_to_have_attribute("data-phase", "speaking")
    assert await page.locator('[data-reply="1"]').get_attribute("data-state") == "streaming"
    await call.pretend("go on")
    await expect(page.locator('[data-reply="1"] .unheard')).to_have_text("story.")


async def test_audio_under_way_when_the_button_was_pressed_is_not_played(page: Page, host: ScriptedHost) -> None:
    async def script(call: ScriptedCall) -> None:
        await call.ready()
        await call.send("reply_delta", reply=1, text="A long story.")
        await call.speak(tone(10, amplitude=0.3))
        await call.message("cancel")
        await call.speak(tone(0.3, amplitude=0.95))
        # The host had finished in that very moment: nothing was left to cancel, so nothing here empties the queue.
        await call.send("tts_done", reply=1)
        await call.send("reply_delta", reply=2, text="Yes?")
        await call.speak(tone(0.2, amplitude=0.6))
        await call.send("tts_done", reply=2)

    host.script = script
    await open_by_typing(page, host)
    await page.wait_for_function(PLAYING)
    await page.get_by_role("button", name="Stop speaking").click()
    await page.wait_for_function("() => '2' in voiceHost.facts.speaker.peakOfReply")
    facts = await page.evaluate("voiceHost.facts.speaker")
    assert facts["peak"] == pytest.approx(0.6, abs=0.03)


async def test_late_audio_is_waited_for_and_counted_as_a_gap(page: Page, host: ScriptedHost) -> None:
    async def script(call: ScriptedCall) -> None:
        await call.ready()
        await call.send("reply_delta", reply=1, text="A stutter.")
        await call.speak(tone(0.2))
        await call.message("go on")
        await call.speak(tone(0.2))
        await call.send("tts_done", reply=1)

    host.script = script
    call = await open_by_typing(page, host)
    await page.wait_for_function("() => voiceHost.facts.speaker?.underruns >= 1")
    await call.pretend("go on")
    await page.wait_for_function(FINISHED)
    facts = await page.evaluate("voiceHost.facts.speaker")
    assert facts["playedMs"] == pytest.approx(400, abs=5)


RESAMPLE = """async ([from, to, hertz, chunk]) => {
  const { Resampler } = await import("/client/resampler.js");
  const input = Float32Array.from({ length: from }, (_, i) => Math.sin((2 * Math.PI * hertz * i) / from));
  const resampler = new Resampler(from, to);
  const output = [];
  for (let at = 0; at < input.length; at += chunk) output.push(...resampler.push(input.subarray(at, at + chunk)));
  output.push(...resampler.finish());
  return output;
}"""


async def test_resampler_keeps_speech(page: Page, host: ScriptedHost) -> None:
    await page.goto(host.url)
    for source, target in [(48000, 16000), (44100, 16000), (24000, 48000), (24000, 44100), (16000, 16000)]:
        output = await page.evaluate(RESAMPLE, [source, target, 1000, 128])
        assert abs(len(output) - target) <= 1  # one second stays one second
        wanted = [math.sin(2 * math.pi * 1000 * index / target) for index in range(target)]
        inner = range(200, target - 200)
        assert max(abs(output[index] - wanted[index]) for index in inner) < 0.01, (source, target)


async def test_resampler_does_not_fold_what_is_too_high_into_speech(page: Page, host: ScriptedHost) -> None:
    await page.goto(host.url)
    output = await page.evaluate(RESAMPLE, [48000, 16000, 10_000, 128])
    assert max(map(abs, output[200:-200])) < 0.003  # 50 dB down
