"""`duckduckgo_search` without the network, and without the extra."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from ddgs.ddgs import DDGS
from ddgs.exceptions import DDGSException

from voice_host.web_tools import duckduckgo_search_tool

HIT = {"title": "Opening hours", "href": "https://example.com", "body": "Noon to ten."}


async def test_the_tool_returns_what_the_search_found(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int | None]] = []

    def text(self: DDGS, query: str, max_results: int | None = None) -> list[dict[str, Any]]:
        asked.append((query, max_results))
        return [HIT]

    monkeypatch.setattr(DDGS, "text", text)
    tool = duckduckgo_search_tool(max_results=3)
    assert tool.name == "duckduckgo_search"
    assert list(tool.function_schema.json_schema["properties"]) == ["query"]
    assert await tool.function("opening hours") == [HIT]
    assert asked == [("opening hours", 3)]


@pytest.mark.parametrize("error", [DDGSException("No results found."), OSError("unreachable")])
async def test_a_failed_search_is_a_result(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def text(self: DDGS, query: str, max_results: int | None = None) -> list[dict[str, Any]]:
        raise error

    monkeypatch.setattr(DDGS, "text", text)
    assert await duckduckgo_search_tool().function("x") == "The search failed or found nothing."


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "ddgs"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r'pip install .*"voice-host\[search\]"'):
        duckduckgo_search_tool()
