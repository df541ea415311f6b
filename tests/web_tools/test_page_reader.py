"""Pages that are made to be hard to read: the process that converts them is limited, and gone after the visit."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from tests.web_tools.test_visit_url import PAGE, Site
from voice_host.outbound import page_reader
from voice_host.outbound.page_process import PageTask, decoded, text_of
from voice_host.outbound.page_reader import CONVERSIONS_AT_ONCE, PageReader
from voice_host.outbound.public_fetch import FetchedPage, FetchError, PublicFetcher
from voice_host.tenancy.event_loop import run_in_event_loop

MB = 1_000_000

HOSTILE = {
    "comments": "<!--" * (MB // 4),  # these three take the parser time with the square of their length
    "sections": "<![CDATA[" * (MB // 9),
    "instructions": "<?" * (MB // 2),
    "nested": "<b>" * (MB // 3),
    "attributes": "<a " + "b " * (MB // 2) + ">",  # 0.4 GB of memory
}


def reader(timeout_s: float = 60.0) -> PageReader:
    return PageReader(PublicFetcher(allowed=lambda address: True), max_chars=4000, timeout_s=timeout_s)


@asynccontextmanager
async def serving(body: str, kind: str = "text/html") -> AsyncIterator[str]:
    async with Site().running() as site:
        site.add("/", body, kind=kind)
        yield f"http://127.0.0.1:{site.port}/"


def on_the_hosts_loop(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(120):
            await main()

    run_in_event_loop(run())


class Children:
    """The processes that were started, and how many of them ran at once."""

    def __init__(self) -> None:
        self.started: list[asyncio.subprocess.Process] = []
        self.most = 0
        self._start = asyncio.create_subprocess_exec

    async def start(self, *args: Any, **options: Any) -> asyncio.subprocess.Process:
        process = await self._start(*args, **options)
        self.started.append(process)
        self.most = max(self.most, len(self.alive))
        return process

    @property
    def alive(self) -> list[asyncio.subprocess.Process]:
        return [process for process in self.started if process.returncode is None]


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> Children:
    started = Children()
    monkeypatch.setattr(asyncio, "create_subprocess_exec", started.start)
    return started


@pytest.mark.skipif(sys.platform != "linux", reason="limits of a process")
@pytest.mark.fault("plugin: visits a hostile page")
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_page_takes_no_more_than_the_process_may(
    kind: str, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_reader, "MAX_CPU_S", 1)

    async def main() -> None:
        async with serving(HOSTILE[kind]) as url:
            with suppress(FetchError):
                assert len(await reader().read(url)) <= 4001

    before = os.times()
    on_the_hosts_loop(main)
    after = os.times()
    assert not children.alive
    assert len(children.started) == 1
    spent_s = after.children_user + after.children_system - before.children_user - before.children_system
    assert spent_s < 2.5, "a limit of CPU time, which no load of the machine changes"


def test_a_visit_that_is_over_leaves_no_process(children: Children) -> None:
    async def main() -> None:
        async with serving(HOSTILE["comments"]) as url:
            with pytest.raises(FetchError, match="too long"):
                await reader(timeout_s=1.0).read(url)
            count = len(children.started)
            visit = asyncio.create_task(reader().read(url))
            while len(children.started) == count:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            visit.cancel()
            await asyncio.wait([visit])
        assert visit.cancelled()
        assert not children.alive

    on_the_hosts_loop(main)


def test_pages_of_one_reader_wait_for_one_another(children: Children, monkeypatch: pytest.MonkeyPatch) -> None:
    reads_on = "import sys; print(len(sys.stdin.buffer.read()))"
    monkeypatch.setattr(page_reader, "CONVERTER", (sys.executable, "-c", reads_on))

    async def main() -> None:
        async with serving(PAGE) as url:
            visiting = reader()
            await asyncio.gather(*(visiting.read(url) for _ in range(6)))

    on_the_hosts_loop(main)
    assert (len(children.started), children.most) == (6, CONVERSIONS_AT_ONCE)


@pytest.mark.parametrize("command", ["sys.exit(3)", "os.kill(os.getpid(), 9)", "sys.stdin.close(); sys.exit(3)"])
def test_a_process_that_dies_before_it_has_read_the_page_is_an_error_with_words(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_reader, "CONVERTER", (sys.executable, "-c", f"import os, sys; {command}"))

    async def main() -> None:
        async with serving("<p>" + "x" * 2 * MB) as url:
            with pytest.raises(FetchError, match="too large or too complicated"):
                await reader().read(url)

    on_the_hosts_loop(main)


def test_keys_of_the_environment_are_not_the_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSEMBLYAI_API_KEY", "a-key")
    show = "import os, sys; sys.stdin.buffer.read(); print('ASSEMBLYAI_API_KEY' in os.environ)"
    monkeypatch.setattr(page_reader, "CONVERTER", (sys.executable, "-c", show))

    async def main() -> None:
        async with serving(PAGE) as url:
            assert (await reader().read(url)).strip() == "False"

    on_the_hosts_loop(main)


def task(kind: str = "text/html", charset: str | None = None, max_chars: int = 4000) -> PageTask:
    return PageTask(kind, charset, max_chars, max_cpu_s=5)


def test_what_is_said_of_a_page_is_its_text() -> None:
    html = """<title> Opening &amp; closing </title><style>p {}</style><script>var x</script><template>t</template>
        <h1>Hours</h1><ul><li>Mon: <b>9</b></li></ul><img src="x" alt="a shop"><a href="/x">Way</a><!-- no -->
        <table><tr><th>Day</th></tr><tr><td>Tue</td></tr></table>"""
    text = text_of(html.encode(), task())
    assert text.startswith("Opening & closing\n\n")
    for words in ("# Hours", "Mon: **9**", "Way", "Day", "Tue"):
        assert words in text
    for words in ("var x", "p {}", "a shop", "/x", "no -->", "\n\n\n"):
        assert words not in text


def test_plain_text_and_json_are_left_as_they_are() -> None:
    assert text_of(b"a < b\n\n\n\nc", task("text/plain")) == "a < b\n\nc"
    assert text_of(b'{"a": "<b>"}', task("application/json")) == '{"a": "<b>"}'


@pytest.mark.parametrize("charset", ["latin-1", "windows-1252"])
def test_a_charset_that_the_server_names(charset: str) -> None:
    assert "Grüße" in text_of("<p>Grüße</p>".encode(charset), task(charset=charset))


@pytest.mark.parametrize("charset", ["punycode", "PunyCode", "idna", "rot13", "undefined", "nonsense", "x\0", ""])
def test_a_charset_that_is_none_is_utf_8(charset: str) -> None:
    body = "ü".encode() + b"a" * MB
    assert decoded(body, charset)[:2] == "üa"
    assert FetchedPage("http://shop.example/", 200, "text/html", body, charset).text[:2] == "üa"
