"""`fetch_public_url` against servers on loopback, which a resolver of the test's own leads to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from tests.web_tools.test_visit_url import Site
from voice_host import fetch_public_url
from voice_host.outbound.public_address import is_allowed
from voice_host.outbound.public_fetch import AddressRefused, FetchedPage, FetchError, PublicFetcher

PUBLIC = "127.0.0.1"  # counts as public in these tests, and nothing else that is not
DEFAULTS: dict[str, Any] = {"headers": None, "timeout_s": 10.0, "max_bytes": 10_000, "max_redirects": 3}


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with Site().running() as running:
        yield running


class Names:
    """A resolver that knows what it was told, each answer once; the last one stays."""

    def __init__(self, **known: Sequence[Sequence[str]]) -> None:
        self._known = {name.replace("_", "."): list(answers) for name, answers in known.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        if host not in self._known:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
            return [str(entry[4][0]) for entry in found]
        answers = self._known[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]


def fetcher(names: Names | None = None) -> PublicFetcher:
    names = names or Names(shop_example=[[PUBLIC]])
    return PublicFetcher(names, lambda address: address == PUBLIC or is_allowed(address))


async def fetch(url: str, names: Names | None = None, **options: Any) -> FetchedPage:
    return await fetcher(names).fetch(url, **{**DEFAULTS, **options})


async def test_a_page_is_read_by_its_name(site: Site) -> None:
    site.add("/menu?day=1", "Grüße", kind="Text/HTML; charset=utf-8")
    page = await fetch(f"http://shop.example:{site.port}/menu?day=1#soup")
    assert (page.status, page.content_type, page.text) == (200, "text/html", "Grüße")
    assert page.url == f"http://shop.example:{site.port}/menu?day=1#soup"
    assert f"Host: shop.example:{site.port}" in site.heads[0]
    assert "Accept-Encoding: identity" in site.heads[0]


async def test_other_statuses_are_answers_too(site: Site) -> None:
    site.add("/gone", "no", status="410 Gone", kind="text/plain; charset=nonsense")
    page = await fetch(f"http://shop.example:{site.port}/gone")
    assert (page.status, page.text) == (410, "no")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "2130706433",
        "0x7f000001",
        "127.1",
        "0.0.0.0",
        "169.254.169.254",
        "10.0.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "100.64.0.1",
        "224.0.0.1",
        "[fd00::1]",
        "[fe80::1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
    ],
)
async def test_addresses_that_are_not_public_are_refused_and_nobody_is_asked(site: Site, host: str) -> None:
    site.add("/", "secret")
    with pytest.raises(FetchError) as refused:
        await fetch_public_url(f"http://{host}:{site.port}/")
    assert site.asked == []
    assert "127.0.0.1" not in str(refused.value)


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "2001:4860:4860::8888"])
def test_public_addresses(address: str) -> None:
    assert is_allowed(address)


NOT_PUBLIC = """
    0.0.0.0 10.1.2.3 100.64.0.1 100.100.100.200 127.0.0.1 168.63.129.16 169.254.169.254 172.31.0.1 192.0.0.192
    192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255
    :: ::1 ::127.0.0.1 ::ffff:8.8.8.8 ::ffff:0:8.8.8.8 64:ff9b::808:808 64:ff9b:1::808:808 100::1 2001::1 2001:db8::1
    2002:808:808:: 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1
    2606:4700::5efe:7f00:1 2606:4700::200:5efe:a00:1 shop.example 1.1.1 1.1.1.1/32
"""


@pytest.mark.parametrize("address", NOT_PUBLIC.split())
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_allowed(address)


@pytest.mark.parametrize("answer", [["10.0.0.7"], [PUBLIC, "10.0.0.7"], ["::ffff:10.0.0.7"]])
async def test_a_name_that_leads_inside_is_refused(site: Site, answer: list[str]) -> None:
    with pytest.raises(AddressRefused, match="not public"):
        await fetch(f"http://inner.example:{site.port}/", Names(inner_example=[answer]))
    assert site.asked == []


async def test_a_name_that_means_something_else_after_the_check_changes_nothing(site: Site) -> None:
    names = Names(shop_example=[[PUBLIC], ["10.0.0.7"]])
    site.add("/", "the shop")
    page = await fetch(f"http://shop.example:{site.port}/", names)
    assert (page.text, names.asked) == ("the shop", ["shop.example"])
    with pytest.raises(AddressRefused):
        await fetch(f"http://shop.example:{site.port}/", names)


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.2/secret",
        "http://169.254.169.254/latest/meta-data/",
        "//[::1]/",
        "http://inner.example/",
        "file:///etc/passwd",
        "ftp://shop.example/",
        "http://user:password@shop.example/",
    ],
)
async def test_a_redirect_to_what_is_refused_is_refused(site: Site, location: str) -> None:
    site.add("/", "", status="302 Found", extra=f"Location: {location}\r\n")
    names = Names(shop_example=[[PUBLIC]], inner_example=[["10.0.0.7"]])
    with pytest.raises(AddressRefused):
        await fetch(f"http://shop.example:{site.port}/", names)
    assert site.asked == ["/"]


async def test_redirects_are_followed_and_headers_stay_with_their_site(site: Site) -> None:
    site.add("/a", "", status="301 Moved", extra="Location: /b\r\n")
    site.add("/b", "", status="302 Found", extra=f"Location: http://other.example:{site.port}/c\r\n")
    site.add("/c", "there")
    names = Names(shop_example=[[PUBLIC]], other_example=[[PUBLIC]])
    page = await fetch(f"http://shop.example:{site.port}/a", names, headers={"X-Key": "k", "host": "evil.example"})
    assert (page.text, page.url) == ("there", f"http://other.example:{site.port}/c")
    assert ["X-Key: k" in head for head in site.heads] == [True, True, False]
    assert not any("evil.example" in head for head in site.heads)


async def test_redirects_end(site: Site) -> None:
    site.add("/", "", status="302 Found", extra="Location: /\r\n")
    with pytest.raises(FetchError, match="too often"):
        await fetch(f"http://shop.example:{site.port}/")
    assert len(site.asked) == 4


@pytest.mark.parametrize(
    "url",
    [
        *("", "shop.example", "ftp://shop.example/", "file:///etc/passwd", "http://", "http://\x00", "a b"),
        *("http://user@shop.example/", "http://user:password@shop.example/", "javascript:alert(1)"),
    ],
)
async def test_what_is_no_plain_web_address_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused) as refused:
        await fetch(url)
    assert "password@" not in str(refused.value)


async def test_a_body_beyond_the_limit_is_given_up(site: Site) -> None:
    site.add("/", "x" * 10_001)
    site.add("/fits", "x" * 10_000)
    with pytest.raises(FetchError, match="longer than 10000 bytes"):
        await fetch(f"http://shop.example:{site.port}/")
    assert len((await fetch(f"http://shop.example:{site.port}/fits")).body) == 10_000


async def test_a_compressed_body_is_not_unpacked(site: Site) -> None:
    site.add("/", "bomb", extra="Content-Encoding: gzip\r\n")
    with pytest.raises(FetchError, match="compressed"):
        await fetch(f"http://shop.example:{site.port}/")


async def test_a_silent_site_is_given_up(site: Site) -> None:
    with pytest.raises(FetchError, match="too long to answer"):
        await fetch(f"http://shop.example:{site.port}/silent", timeout_s=0.2)


async def test_a_site_that_is_not_there() -> None:
    with socket.socket() as unused:
        unused.bind((PUBLIC, 0))
        with pytest.raises(FetchError, match="cannot be reached"):
            await fetch(f"http://shop.example:{unused.getsockname()[1]}/")
    with pytest.raises(FetchError, match="no site of this name"):
        await fetch("http://nowhere.example/", Names(nowhere_example=[[]]))


async def test_the_next_address_is_tried_when_one_does_not_answer(site: Site) -> None:
    site.add("/", "second")
    names = Names(shop_example=[["127.0.0.9", PUBLIC]])
    both = PublicFetcher(names, lambda address: address in ("127.0.0.9", PUBLIC))
    assert (await both.fetch(f"http://shop.example:{site.port}/", **DEFAULTS)).text == "second"


async def test_a_proxy_of_the_environment_is_not_asked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Site().running() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        site.add("/", "direct")
        assert (await fetch(f"http://shop.example:{site.port}/")).text == "direct"
        assert proxy.asked == []


async def test_a_secure_site_is_asked_for_by_its_name_though_its_address_is_dialled() -> None:
    hello = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello.set_result(await reader.read(4096))
        writer.close()

    async with await asyncio.start_server(serve, PUBLIC, 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(FetchError):
            await fetch(f"https://shop.example:{port}/")
        assert b"shop.example" in await hello
