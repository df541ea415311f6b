"""A Chromium of the system, fresh pages in it, and the two hosts that a page can be served by."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.browser.customer_site import CustomerSite
from tests.browser.fake_microphone import padded_recording
from tests.browser.scripted_host import ReplaceableApp, ScriptedHost, agent, serving_replaceable
from tests.real_host import real_host

if TYPE_CHECKING:  # tests/groups.py
    from playwright.async_api import Browser, BrowserContext, Page

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    # A name that is not this machine to the browser: pages from it are no secure context.
    "--host-resolver-rules=MAP elsewhere.test 127.0.0.1",
]


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run these tests in real time, as a browser does."""
    return {"loop": asyncio.SelectorEventLoop}


def find_chromium() -> str:
    """The path of a Chromium. Without one the tests are skipped; in continuous integration they fail."""
    named = os.environ.get("VOICE_HOST_CHROMIUM")
    found = named or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found:
        return found
    message = "no Chromium found: `apt-get install chromium`, or name one in VOICE_HOST_CHROMIUM"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    """One headless Chromium for all tests, its microphone a recording of a person."""
    from playwright.async_api import async_playwright, expect

    expect.set_options(timeout=30_000)  # for a busy machine: what is there at once is not waited for
    executable = find_chromium()
    recording = padded_recording(tmp_path_factory.mktemp("microphone"))
    flags = [*CHROMIUM_FLAGS, f"--use-file-for-fake-audio-capture={recording}%noloop"]
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=executable, args=["--headless=new", *flags])
        yield chromium
        await chromium.close()


@pytest_asyncio.fixture(loop_scope="package")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """A fresh profile that may use the microphone."""
    fresh = await browser.new_context(permissions=["microphone"], viewport={"width": 1280, "height": 800})
    yield fresh
    await fresh.close()


@pytest_asyncio.fixture(loop_scope="package")
async def page(context: BrowserContext) -> AsyncIterator[Page]:
    """A page that fails its test on any uncaught error or breach of the content security policy."""
    tab = await context.new_page()
    tab.set_default_timeout(15_000)
    faults: list[str] = []
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("console", lambda line: faults.append(line.text) if "Content Security Policy" in line.text else None)
    yield tab
    await tab.close()
    assert faults == []


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def host_server() -> AsyncIterator[ReplaceableApp]:
    """The server of all scripted hosts."""
    async with serving_replaceable() as replaceable:
        yield replaceable


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def site_server() -> AsyncIterator[ReplaceableApp]:
    """The server of all customers' sites."""
    async with serving_replaceable() as replaceable:
        yield replaceable


@pytest.fixture
def host(host_server: ReplaceableApp) -> Iterator[ScriptedHost]:
    """The scripted host with one agent that works and one that does not."""
    scripted = ScriptedHost()
    scripted.agents = [
        agent("front-desk", "Front desk"),
        agent("night-shift", "Night shift", status="broken", phase="imported", error="No module named 'moon'"),
    ]
    with host_server.serves(scripted.app) as scripted.port:
        scripted.url = f"http://127.0.0.1:{scripted.port}"
        yield scripted
    assert scripted.failures == []


@pytest.fixture
def site(site_server: ReplaceableApp) -> Iterator[CustomerSite]:
    """A web site of another origin than the host's."""
    customer = CustomerSite()
    with site_server.serves(customer.app) as port:
        customer.url = f"http://localhost:{port}"
        yield customer


@pytest.fixture(scope="module")
def real_host_url(tmp_path_factory: pytest.TempPathFactory, embedded_speech: None) -> Iterator[str]:
    """The real host in a process of its own."""
    with real_host(tmp_path_factory.mktemp("host")) as url:
        yield url
