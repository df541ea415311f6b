"""Tools that reach the web: `visit_url_tool` reads a page, `duckduckgo_search_tool` searches.

Failures are returned as a sentence for the model; they never end the run.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from pydantic_ai import Tool

from voice_host.outbound.page_reader import PageReader
from voice_host.outbound.public_address import is_allowed
from voice_host.outbound.public_fetch import FetchError, PublicFetcher


def visit_url_tool(*, max_chars: int = 4000, timeout_s: float = 15.0, allow_private: bool = False) -> Tool[Any]:
    """Return the tool `visit_url`, which fetches a web page as text.

    Only http and https are allowed, and only addresses on the public Internet, also in redirects; the connection goes
    to the address that was checked. The page is converted in a process with limited time and memory.

    Args:
        max_chars: the maximum length of the text for the model.
        timeout_s: for the whole visit, including redirects and conversion.
        allow_private: whether to allow addresses of the local network. Cloud metadata services are always refused.

    Raises:
        ValueError: a limit is not positive.
    """
    if max_chars < 1 or timeout_s <= 0:
        raise ValueError("max_chars and timeout_s must be positive")
    fetcher = PublicFetcher(allowed=partial(is_allowed, private=allow_private))
    reader = PageReader(fetcher, max_chars=max_chars, timeout_s=timeout_s)

    async def visit_url(url: str) -> str:
        """Visit a web page and read its text.

        Args:
            url: The address of the web page, for example https://example.com/news.
        """
        url = url.strip()
        try:
            return await reader.read(url if "://" in url else f"https://{url}")
        except FetchError as error:
            return str(error)

    return Tool(visit_url, takes_ctx=False)


def duckduckgo_search_tool(max_results: int = 5) -> Tool[Any]:
    """Return the tool `duckduckgo_search`, which searches the web.

    Raises:
        ImportError: the extra `search` is not installed.
    """
    try:
        from ddgs.exceptions import DDGSException
        from pydantic_ai.common_tools import duckduckgo
    except ImportError as error:
        from voice_host.plugins.installing import install_command  # lazily: it loads the plugin engine

        raise ImportError(f"Searching needs an extra: {install_command('voice-host[search]')}") from error
    search: Callable[..., Any] = duckduckgo.duckduckgo_search_tool(max_results=max_results).function

    async def duckduckgo_search(query: str) -> list[dict[str, str]] | str:
        """Search the web with DuckDuckGo.

        Args:
            query: What to search for.
        """
        try:
            results: list[dict[str, str]] = await search(query)
        except (DDGSException, OSError, ValueError):
            return "The search failed or found nothing."
        return results or "Nothing was found."

    return Tool(duckduckgo_search, takes_ctx=False)
