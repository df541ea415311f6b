"""`visit_url` against servers on loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic_ai import Agent, Tool
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from voice_host.outbound.page_reader import PageReader
from voice_host.outbound.public_address import is_allowed
from voice_host.outbound.public_fetch import AddressRefused, PublicFetcher
from voice_host.web_tools import visit_url_tool

PAGE = """<html><head><title>Today's menu</title><script>var hidden = 1;</script></head>
<body><h1>Menu</h1><p>Soup of the <b>day</b>. <a href="/wine?id=1">Wine list</a></p></body></html>"""


@dataclass
class Site:
    """An HTTP server that answers each path with what it was told to, and remembers what was asked."""

    port: int = 0
    answers: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)

    def add(self, path: str, body: str, *, status: str = "200 OK", kind: str = "text/html", extra: str = "") -> None:
        content = body.encode()
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n{extra}"
        self.answers[path] = f"{head}Connection: close\r\n\r\n".encode() + content

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):  # a client that leaves without asking
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ")[1].decode()
            self.asked.append(path)
            self.heads.append(head.decode())
            if path in self.answers:
                writer.write(self.answers[path])
                await writer.drain()
            else:
                await reader.read()  # says nothing until the client leaves
        writer.close()

    @asynccontextmanager
    async def running(self, host: str = "127.0.0.1") -> AsyncIterator[Site]:
        server = await asyncio.start_server(self.serve, host, self.port)
        async with server:
            self.port = server.sockets[0].getsockname()[1]
            yield self


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with Site().running() as running:
        yield running


async def visit(tool: Tool[Any], url: str) -> str:
    function: Callable[[str], Awaitable[str]] = tool.function
    return await function(url)


def public_reader(**names: str) -> PageReader:
    """A reader to which 127.0.0.1 is public, and that knows some names."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        return [names.get(host.replace(".", "_"), host)]

    fetcher = PublicFetcher(resolve, lambda address: address == "127.0.0.1" or is_allowed(address))
    return PageReader(fetcher, max_chars=4000, timeout_s=60)


def test_the_model_sees_a_tool_called_visit_url_with_one_parameter() -> None:
    tool = visit_url_tool()
    assert tool.name == "visit_url"
    schema = tool.function_schema.json_schema
    assert list(schema["properties"]) == ["url"]
    assert "web page" in schema["properties"]["url"]["description"]
    assert tool.description is not None
    assert "Visit a web page" in tool.description


async def test_a_page_becomes_text(site: Site) -> None:
    site.add("/menu", PAGE)
    text = await visit(visit_url_tool(allow_private=True), f"http://127.0.0.1:{site.port}/menu")
    assert text.startswith("Today's menu")
    assert "Soup of the **day**. Wine list" in text
    assert "hidden" not in text
    assert "/wine" not in text


async def test_a_public_site_may_redirect_to_itself(site: Site) -> None:
    site.add("/old", "", status="302 Found", extra="Location: /menu\r\n")
    site.add("/menu", PAGE)
    assert "Soup" in await public_reader().read(f"http://127.0.0.1:{site.port}/old")


async def test_a_long_page_is_cut_between_words(site: Site) -> None:
    site.add("/", "lorem ipsum " * 5000, kind="text/plain")
    text = await visit(visit_url_tool(allow_private=True, max_chars=100), f"http://127.0.0.1:{site.port}/")
    assert len(text) <= 101
    assert text.endswith(("lorem…", "ipsum…"))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "2130706433",
        "0x7f000001",
        "127.1",
        "0.0.0.0",
        "169.254.169.254",
        "10.0.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "[fd00::1]",
    ],
)
async def test_private_addresses_are_refused_and_nobody_is_asked(site: Site, host: str) -> None:
    site.add("/", PAGE)
    text = await visit(visit_url_tool(), f"http://{host}:{site.port}/")
    assert text == "This address is not public. It cannot be visited."
    assert site.asked == []


async def test_a_name_that_resolves_to_a_private_address_is_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(host: str, port: int, **hints: int) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    text = await visit(visit_url_tool(), f"http://inner.example:{site.port}/")
    assert text == "This address is not public. It cannot be visited."
    assert "127.0.0.1" not in text
    assert site.asked == []


@pytest.mark.parametrize("host", ["127.0.0.2", "inner.example:1", "[::1]", "169.254.169.254", "10.0.0.1", "2130706434"])
async def test_a_redirect_to_a_private_address_is_refused(site: Site, host: str) -> None:
    site.add("/", "", status="302 Found", extra=f"Location: http://{host}/secret\r\n")
    reader = public_reader(inner_example="127.0.0.2")
    with pytest.raises(AddressRefused, match="This address is not public"):
        await reader.read(f"http://127.0.0.1:{site.port}/")
    assert site.asked == ["/"]


@pytest.mark.parametrize(
    "host",
    [
        *("169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "[fd00:ec2::254]"),
        *("[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::]", "[fe80::a9fe:a9fe]"),
        *("[::a9fe:a9fe]", "2852039166", "0xa9fea9fe"),
    ],
)
async def test_metadata_services_are_refused_even_where_private_addresses_are_allowed(host: str) -> None:
    text = await visit(visit_url_tool(allow_private=True), f"http://{host}/latest/meta-data/")
    assert text == "This address is not public. It cannot be visited."


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433"])
async def test_the_own_network_may_be_visited_where_it_is_allowed(site: Site, host: str) -> None:
    site.add("/", PAGE)
    assert "Soup" in await visit(visit_url_tool(allow_private=True), f"http://{host}:{site.port}/")


NO_ADDRESS = "This is not a web address."
NO_SCHEME = "Only addresses that begin with http:// or https:// can be visited."
NO_NAME = "There is no site of this name."


@pytest.mark.parametrize(
    ("url", "words"),
    [
        *[(url, NO_SCHEME) for url in ("", "ftp://example.com/", "file:///etc/passwd", "http://", "http:///x")],
        *[(url, NO_ADDRESS) for url in ("http://\x00", "http://\ud800/", "http://[")],
        *[(f"http://example.com:{port}/", NO_ADDRESS) for port in (0, 70000, 99999999999, -1)],
        *[(url, NO_NAME) for url in ("a b", "http://xn--/", f"http://{'a' * 300}/", f"http://{'a.' * 300}/")],
        *[(url, NO_NAME) for url in ("http://.example/", "http://example../", "http://%00/", "http://\u2024/")],
        ("http://user@example.com/", "An address with a user name or password in it cannot be visited."),
        (f"http://{'a' * 70000}/", NO_NAME),
    ],
)
async def test_a_bad_address_is_a_result(url: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = socket.getaddrinfo

    def no_network(host: str, port: int, **hints: int) -> list[Any]:
        return resolve(host, port, **hints, flags=socket.AI_NUMERICHOST)

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    assert await visit(visit_url_tool(), url) == words


async def test_a_missing_page_is_a_result_with_its_status(site: Site) -> None:
    site.add("/gone", "nothing here", status="404 Not Found")
    text = await visit(visit_url_tool(allow_private=True), f"http://127.0.0.1:{site.port}/gone")
    assert text == "The page could not be read: the site answered with status 404."


async def test_a_silent_site_is_a_result(site: Site) -> None:
    tool = visit_url_tool(allow_private=True, timeout_s=0.2)
    assert await visit(tool, f"http://127.0.0.1:{site.port}/silent") == "The page took too long to answer."


async def test_a_closed_port_is_a_result() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        assert await visit(visit_url_tool(allow_private=True), url) == "The site cannot be reached."


async def test_what_is_not_text_is_a_result(site: Site) -> None:
    site.add("/cat.png", "not really", kind="image/png")
    text = await visit(visit_url_tool(allow_private=True), f"http://127.0.0.1:{site.port}/cat.png")
    assert text == "There is no text at this address, but image/png."


async def test_a_run_goes_on_after_a_refusal() -> None:
    def model(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        returns = [part for part in messages[-1].parts if isinstance(part, ToolReturnPart)]
        if returns:
            return ModelResponse(parts=[TextPart(f"I read: {returns[0].content}")])
        return ModelResponse(parts=[ToolCallPart("visit_url", {"url": "http://localhost/"})])

    result = await Agent(FunctionModel(model), tools=[visit_url_tool()]).run("read localhost")
    assert result.output == "I read: This address is not public. It cannot be visited."


def test_limits_must_be_positive() -> None:
    with pytest.raises(ValueError, match="max_chars"):
        visit_url_tool(max_chars=0)
