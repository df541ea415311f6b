"""`client.js` on a page of another origin, as its author uses it."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page

from tests.browser.customer_site import CustomerSite
from tests.browser.scripted_host import ScriptedCall, ScriptedHost

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]

PAGE = """
import { connect, listDevices, watchDevices, CallError } from "HOST/client.js";
Object.assign(window, { connect, listDevices, watchDevices, CallError, heard: [] });
window.begin = (options) => {
  window.call = connect({ agent: "front-desk", ...options });
  for (const name of ["ready", "lost", "turn", "reply", "reset", "error", "ended"]) {
    call.on(name, (detail) => heard.push([name, detail]));
  }
};
window.failing = (promise) => promise.then(() => null, (error) => [error instanceof CallError, error.code]);
"""


async def opened(page: Page, host: ScriptedHost, site: CustomerSite) -> None:
    await page.goto(site.show(host.url, "", PAGE))
    await page.wait_for_function("() => window.begin !== undefined")


async def heard(page: Page) -> list[Any]:
    """Take the events so far: their names and details."""
    events: list[Any] = await page.evaluate("JSON.parse(JSON.stringify(heard.splice(0)))")
    return events


async def silent(call: ScriptedCall) -> None:
    await call.ready("first" if call.resumes is None else "next")


# The first device opens only when the second one is in use.
TWO_CHOICES = """async ([slow, quick]) => {
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  let release;
  const waiting = new Promise((done) => (release = done));
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    if (wanted.audio.deviceId.exact === slow) await waiting;
    return await open(wanted);
  };
  const first = call.chooseMicrophone(slow);
  await call.chooseMicrophone(quick);
  release();
  await first;
  delete navigator.mediaDevices.getUserMedia;
}"""


async def test_a_person_chooses_microphone_and_loudspeaker(page: Page, host: ScriptedHost, site: CustomerSite) -> None:
    host.script = silent
    await opened(page, host, site)
    await page.evaluate("begin()")
    call = await host.call()
    await call.wait_for(lambda: len(call.audio) > 3200)
    devices = await page.evaluate("listDevices()")
    used = await page.evaluate("call.inputDevice")
    assert used["label"] in {device["label"] for device in devices["microphones"]}
    other = next(device for device in devices["microphones"] if device["label"] not in ("", used["label"]))
    await page.evaluate("(id) => call.chooseMicrophone(id)", other["id"])
    assert await page.evaluate("call.inputDevice") == other
    received = len(call.audio)
    await call.wait_for(lambda: len(call.audio) > received + 3200)
    assert await page.evaluate("failing(call.chooseMicrophone('none such'))") == [True, "microphone_not_found"]
    assert await page.evaluate("call.inputDevice") == other, "the present one is kept"
    await page.evaluate("(id) => call.chooseSpeaker(id)", devices["speakers"][-1]["id"])
    assert await page.evaluate("call.outputDevice") == devices["speakers"][-1]["id"]
    assert await page.evaluate("failing(call.chooseSpeaker('none such'))") == [True, "speaker_failed"]
    await page.evaluate("call.mute()")
    assert await page.evaluate("call.microphone") == "muted"
    await page.evaluate("(id) => call.chooseMicrophone(id)", used["id"])
    assert await page.evaluate("call.microphone") == "muted", "another device does not unmute"
    await page.evaluate("call.closeMicrophone()")
    assert await page.evaluate("[call.microphone, call.inputDevice]") == ["off", None]
    await page.evaluate("call.openMicrophone()")
    await page.evaluate(TWO_CHOICES, [used["id"], other["id"]])
    assert await page.evaluate("call.inputDevice") == other
    await page.evaluate("call.closeMicrophone(), call.openMicrophone()")
    assert await page.evaluate("call.inputDevice") == other, "the choice that was made last counts"
    await page.evaluate("call.hangUp(), begin({ inputDevice: 'none such' })")
    await page.wait_for_function("() => call.microphone === 'on'")
    await page.evaluate("(id) => void (call.hangUp(), begin({ inputDevice: id }))", other["id"])
    await page.wait_for_function("(label) => call.inputDevice?.label === label", arg=other["label"])


async def test_what_is_wrong_with_the_options_is_said_at_once(
    page: Page, host: ScriptedHost, site: CustomerSite
) -> None:
    await opened(page, host, site)

    async def refusal(options: str) -> str:
        expression = f"(() => {{ try {{ connect({options}) }} catch (error) {{ return `${{error}}` }} }})()"
        return str(await page.evaluate(expression))

    assert "TypeError: connect() needs `agent`" in await refusal("{}")
    assert "getToken must be a function" in await refusal("{agent: 'a', getToken: 'token'}")
    assert "metadata must not have `token`" in await refusal("{agent: 'a', metadata: {token: 1}}")
    assert "metadata.basket must be a string, a number" in await refusal("{agent: 'a', metadata: {basket: ['tea']}}")
    assert "host must begin with https:// or wss://, not ftp:" in await refusal("{agent: 'a', host: 'ftp://a.example'}")
    assert "url is no address" in await refusal("{url: 'https://'}")
    assert host.calls == []


async def test_a_call_comes_back_although_the_backend_was_away_too(
    page: Page, host: ScriptedHost, site: CustomerSite
) -> None:
    host.script = silent
    await opened(page, host, site)
    await page.clock.install()
    await page.evaluate("""
        window.tokens = ["one", "two", new Error("offline"), "three"];
        begin({ microphone: false, getToken: async () => {
          const next = tokens.shift();
          if (next instanceof Error) throw next;
          return next;
        } });
    """)
    await page.wait_for_function("() => call.state === 'listening'")
    await host.calls[0].close(1012)
    await page.wait_for_function("() => call.state === 'reconnecting'")
    await page.evaluate("call.say('Are you there?')")
    assert await page.evaluate("call.unsent") == ["Are you there?"]
    await page.clock.run_for(1_000)
    assert (await (await host.call(2)).message("text"))["text"] == "Are you there?"
    assert host.subprotocols[1] == "voice-host.token.two"
    await host.calls[1].close(1012)
    await page.wait_for_function("() => call.state === 'reconnecting'")
    while len(host.calls) < 3:
        await page.clock.run_for(500)
    await page.wait_for_function("() => call.state === 'listening'")
    assert host.subprotocols[1] == "voice-host.token.three"
    assert [call.resumes for call in host.calls] == [None, "first", "next"]
    names = [name for name, _ in await heard(page)]
    assert names == ["ready", "lost", "ready", "lost", "ready"]


async def test_a_token_that_never_comes_is_told_of_as_such(page: Page, host: ScriptedHost, site: CustomerSite) -> None:
    host.script = silent
    await opened(page, host, site)
    await page.clock.install()
    await page.evaluate("""() => begin({ microphone: false, getToken: () => {
      window.isAsked = true;
      return new Promise(() => {});
    } })""")
    await page.wait_for_function("() => window.isAsked")
    await page.clock.fast_forward(20_000)
    ((name, end),) = await heard(page)
    assert (name, end["cause"], end["reason"]) == ("ended", "token_failed", "getToken did not answer within 20 s")
    assert host.calls == []
    # In a call that comes back it is as if the network were away: another one may be asked for.
    await page.evaluate("""() => {
      window.tokens = ["one", new Promise(() => {}), "two"];
      begin({ microphone: false, getToken: () => tokens.shift() });
    }""")
    await page.wait_for_function("() => call.state === 'listening'")
    await host.calls[0].close(1012)
    await page.wait_for_function("() => call.state === 'reconnecting'")
    while len(host.calls) < 2:
        await page.clock.run_for(2_000)
    await page.wait_for_function("() => call.state === 'listening'")
    assert host.calls[1].resumes == "first"


async def test_a_change_of_network_is_looked_at_at_once(page: Page, host: ScriptedHost, site: CustomerSite) -> None:
    host.script = silent
    await opened(page, host, site)
    await page.clock.install()
    await page.evaluate("begin({ microphone: false })")
    await page.wait_for_function("() => call.state === 'listening'")
    await page.evaluate("window.dispatchEvent(new Event('offline'))")
    await host.calls[0].message("ping")  # nobody answers
    await page.clock.fast_forward(5_000)
    await page.wait_for_function("() => call.state === 'reconnecting'")
    await page.evaluate("window.dispatchEvent(new Event('online'))")  # no timer has fired since
    await host.call(2)
    await page.wait_for_function("() => call.state === 'listening'")


async def test_a_token_that_is_none_and_a_listener_that_fails(
    page: Page, host: ScriptedHost, site: CustomerSite
) -> None:
    async def script(call: ScriptedCall) -> None:
        await call.ready()
        await call.send("error", code="model_failed", message="The model does not answer.", fatal=False)
        await call.send("turn", text="Hello")
        await call.message("reset")
        await call.send("reset")

    host.script = script
    await opened(page, host, site)
    await page.evaluate("begin({ microphone: false, getToken: () => ({ token: 'wrapped' }) })")
    await page.wait_for_function("() => call.state === 'ended'")
    ((_, end),) = await heard(page)
    assert (end["cause"], end["failed"]) == ("token_failed", True)
    assert "a token must be a string" in end["reason"]
    assert await page.evaluate("call.end.cause") == "token_failed"
    await page.evaluate("""
        window.reportError = (error) => heard.push(["reported", error.message]);
        begin({ microphone: false });
        call.on("turn", () => { throw new Error("of the page") });
        const remove = call.on("turn", () => heard.push(["removed"]));
        remove();
    """)
    await page.wait_for_function("() => heard.some(([name]) => name === 'reported')")
    await page.evaluate("call.reset()")
    await page.wait_for_function("() => heard.some(([name]) => name === 'reset')")
    await page.evaluate("call.hangUp(); call.say('too late'); call.hangUp(); call.unmute()")
    events = await heard(page)
    assert [name for name, _ in events] == ["ready", "error", "turn", "reported", "reset", "ended"]
    assert events[1][1] == {"name": "CallError", "code": "model_failed", "isOfHost": True, "isFatal": False}
    assert events[-1][1]["cause"] == "hung_up"
