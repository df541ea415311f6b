"""A page with the widget, its backend and the real host, each of its own origin: real speech, real tokens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.browser.customer_site import CustomerSite
from tests.browser.fake_microphone import padded_recording
from tests.browser.firefox import firefox
from tests.browser.scripted_host import serving_app
from tests.front.test_authorization import TOML, key_for
from tests.real_host import real_host

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]

PATIENCE_MS = 60_000
WIDGET = '<voice-agent agent="front-desk" token-url="/voice-token"></voice-agent>'


class Line:
    """The network between a page and the host, which can be cut."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._writers: set[asyncio.StreamWriter] = set()
        self.url = ""
        self.is_cut = False

    def cut(self) -> None:
        """Break all connections without a word, and let none be made until `is_cut` is False again."""
        self.is_cut = True
        for writer in self._writers:
            writer.transport.abort()

    @asynccontextmanager
    async def laid(self) -> AsyncIterator[Line]:
        async with await asyncio.start_server(self._connect, "127.0.0.1", 0) as server:
            self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield self
            self.cut()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut:
            writer.transport.abort()
            return
        name, _, port = self._host.removeprefix("http://").partition(":")
        far_reader, far_writer = await asyncio.open_connection(name, int(port))
        self._writers |= {writer, far_writer}
        await asyncio.gather(self._copy(reader, far_writer), self._copy(far_reader, writer))
        self._writers -= {writer, far_writer}

    @staticmethod
    async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while received := await reader.read(65536):
                writer.write(received)
                await writer.drain()
        except ConnectionError:
            pass  # it was cut
        writer.close()


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def shop() -> AsyncIterator[CustomerSite]:
    """A site that is the only one whose pages may call."""
    customer = CustomerSite()
    async with serving_app(customer.app) as port:
        customer.url = f"http://localhost:{port}"
        yield customer


@pytest.fixture(scope="module")
def guarded_url(shop: CustomerSite, tmp_path_factory: pytest.TempPathFactory, embedded_speech: None) -> Iterator[str]:
    """The real host, which wants call tokens, takes calls from the shop, and has no talk page."""
    folder = tmp_path_factory.mktemp("guarded")
    shop.key = key_for(folder, "tokens")
    settings = f'{TOML}page = "off"\n[server]\nallowed_origins = ["{shop.url}"]\n'
    with real_host(folder, settings) as url:
        yield url


async def test_a_visitor_speaks_with_the_agent_and_goes_on_after_a_loss_of_the_network(
    page: Page, shop: CustomerSite, guarded_url: str
) -> None:
    async with Line(guarded_url).laid() as line:
        await page.goto(shop.show(line.url, WIDGET))
        await page.get_by_role("button", name="Talk to us").click()
        await page.evaluate("""() => document.addEventListener("callstart", ({ detail }) => (window.call = detail))""")
        await page.get_by_role("button", name="Start talking").click()
        await expect(page.locator(".agent .bubble").first).to_contain_text("Ada", timeout=PATIENCE_MS)
        await expect(page.locator(".user:not(.partial) .bubble").first).to_contain_text(
            "weather", ignore_case=True, timeout=PATIENCE_MS
        )
        # The answer to the spoken turn is heard.
        await page.wait_for_function("() => call.stats.speaker.peakOfReply[2] > 0.05", timeout=PATIENCE_MS)
        asked = len(shop.token_requests)
        line.cut()
        await expect(page.locator(".status")).to_have_text("Connection lost. Reconnecting …")
        line.is_cut = False
        await expect(page.locator(".note")).to_have_text("Connected again: the call goes on.", timeout=PATIENCE_MS)
        assert len(shop.token_requests) > asked, "it comes back with a fresh token"
        await page.get_by_label("Message").fill("What time do you open on Friday?")
        await page.keyboard.press("Enter")
        await expect(page.locator(".agent .bubble").last).to_contain_text("Friday", timeout=PATIENCE_MS)
        await page.get_by_role("button", name="Hang up").click()
        assert await page.get_by_role("alert").count() == 0


# Firefox has no microphone that plays a file: the page plays it into a stream.
SPEAKING_IN_FIREFOX = """(() => {
  navigator.mediaDevices.getUserMedia = async () => {
    const context = new AudioContext();
    const source = context.createBufferSource();
    source.buffer = await context.decodeAudioData(await (await fetch("/speech.wav")).arrayBuffer());
    const microphone = context.createMediaStreamDestination();
    source.connect(microphone);
    source.start();
    return microphone.stream;
  };
  window.root = document.querySelector("voice-agent").shadowRoot;
  window.text = (selector) => [...root.querySelectorAll(selector)].map((found) => found.textContent).join("\\n");
  document.addEventListener("callstart", ({ detail }) => (window.call = detail));
})()"""


async def test_a_visitor_with_firefox_speaks_and_types(shop: CustomerSite, guarded_url: str, tmp_path: Path) -> None:
    shop.recording = padded_recording(tmp_path)
    async with firefox(tmp_path) as tab:
        await tab.goto(shop.show(guarded_url, WIDGET))
        await tab.wait_for("document.querySelector('voice-agent').shadowRoot")
        await tab.evaluate(SPEAKING_IN_FIREFOX)
        await tab.click("root.querySelector('.launcher')")
        await tab.click("root.querySelector('.talk')")
        assert "weather" in (await tab.wait_for("text('.user:not(.partial) .bubble')")).lower()
        await tab.wait_for("call.stats.speaker?.peakOfReply[2] > 0.05")
        await tab.click("root.querySelector('input')")
        await tab.type("What time do you open on Friday?")
        await tab.wait_for("text('.agent .bubble').includes('On Friday we are open')")
        await tab.wait_for("call.state === 'speaking'")
        assert await tab.evaluate("root.querySelector('.problem').hidden")
        await tab.goto("about:blank")


async def test_a_site_that_is_not_allowed_is_told_so(page: Page, site: CustomerSite, guarded_url: str) -> None:
    await page.goto(site.show(guarded_url, '<voice-agent agent="front-desk" token="none"></voice-agent>'))
    logged: list[str] = []
    page.on("console", lambda line: logged.append(line.text))
    await page.get_by_role("button", name="Talk to us").click()
    await page.get_by_role("button", name="Start talking").click()
    await expect(page.get_by_role("alert")).to_contain_text("does not take calls from this site")
    assert any(f"add {site.url} to allowed_origins" in line for line in logged)
