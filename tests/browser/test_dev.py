"""The talk page beside `voice-host dev`: it lives through saves, good and bad, without being touched."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import find_chromium
from tests.dev.project import BAD, GOOD, Dev, Project, developing
from tests.processes import descendants

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(180)]

PATIENCE_MS = 60_000

KEEP_SHOWN = """() => {
  window.statuses = [];
  window.problems = [];
  for (const [id, kept] of [["status-text", window.statuses], ["problem-text", window.problems]]) {
    const element = document.getElementById(id);
    new MutationObserver(() => kept.push(element.textContent)).observe(element, { childList: true });
  }
}"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("dev") / "project")


@pytest.fixture(scope="module")
def dev(project: Project) -> Iterator[Dev]:
    find_chromium()  # before anything is started for nothing
    with developing(project, "--no-open") as running:
        yield running


async def test_a_call_lives_through_a_bad_save_and_a_good_one(page: Page, dev: Dev, project: Project) -> None:
    await page.goto(dev.url)
    await expect(page.get_by_role("heading", name="Ice cream")).to_be_visible()
    await page.evaluate(KEEP_SHOWN)
    await page.get_by_label("Message").fill("Hello")
    await page.keyboard.press("Enter")
    await expect(page.locator(".entry.agent .bubble").first).to_contain_text("Hello.", timeout=PATIENCE_MS)

    project.save(BAD)
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text("ice-cream is broken", timeout=PATIENCE_MS)
    await expect(alert).to_contain_text("it was not configured")
    await expect(alert).to_contain_text("AgentConfg")
    await expect(alert).to_contain_text("ice_cream/__init__.py:11")
    await expect(page.locator(".agent-card.broken")).to_contain_text("ice_cream/__init__.py:11")
    trace = page.get_by_role("group", name="What the agent’s code raised")
    await expect(trace).to_contain_text(f'{project.package / "__init__.py"}", line 11, in agent_config')
    await expect(trace).to_contain_text("return AgentConfg(title=")
    assert "/voice_host/" not in await trace.inner_text()
    await expect(page.get_by_role("button", name="Start talking")).to_be_disabled()
    assert "The host is restarting …" in await page.evaluate("statuses")

    project.save(GOOD.replace("Hello.", "Good day."))
    await expect(page.locator(".note").last).to_have_text("The host was restarted.", timeout=PATIENCE_MS)
    await expect(page.locator(".entry.agent .bubble").last).to_contain_text("Good day.", timeout=PATIENCE_MS)
    await expect(page.locator(".entry.agent .bubble").first).to_contain_text("Hello.")
    await expect(alert).to_have_count(0)
    await expect(trace).to_be_hidden()
    assert not [problem for problem in await page.evaluate("problems") if "shutting down" in problem]
    assert await page.locator(".note.error").count() == 0
    await page.get_by_role("button", name="Hang up").click()
    await expect(page.locator("body")).to_have_attribute("data-phase", "idle")


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
async def test_a_call_lives_through_a_crash_and_the_next_save(page: Page, dev: Dev, project: Project) -> None:
    await page.goto(dev.url)
    await page.get_by_label("Message").fill("Hello")
    await page.keyboard.press("Enter")
    bubbles = page.locator(".entry.agent .bubble")
    await expect(bubbles.first).to_be_visible(timeout=PATIENCE_MS)

    _, child, *_ = descendants(dev.process.pid)
    os.kill(child, signal.SIGKILL)
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text("the agent's process ended by signal 9", timeout=PATIENCE_MS)

    project.save(GOOD.replace("Hello.", "Good evening."))
    await expect(bubbles.last).to_contain_text("Good evening.", timeout=PATIENCE_MS)
    await expect(alert).to_have_count(0)


async def test_a_page_that_is_in_no_call_shows_the_next_state_and_calls_nobody(
    page: Page, dev: Dev, project: Project
) -> None:
    await page.goto(dev.url)
    await expect(page.get_by_role("button", name="Start talking")).to_be_enabled()
    project.save(GOOD.replace('"Ice cream"', '"Sorbet"'))
    await expect(page.get_by_role("heading", name="Sorbet")).to_be_visible(timeout=PATIENCE_MS)
    await expect(page.get_by_role("button", name="Start talking")).to_be_enabled()
    assert await page.locator("body").get_attribute("data-phase") == "idle"
