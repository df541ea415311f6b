"""Tools that reach the web: `visit_url_tool` reads a page, `duckduckgo_search_tool` searches.

What fails comes back as a sentence the model can read and act on; no failure ends the run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from pydantic_ai import BinaryContent, ModelRetry, Tool
from pydantic_ai.common_tools.web_fetch import web_fetch_tool

from voice_host.text.markup import links_to_text

_MAX_DOWNLOAD_BYTES = 3 * 1024 * 1024
_MARKUP_FACTOR = 10  # a page's links and images are up to so many times longer than its words
_LONGEST_REASON = 200


def visit_url_tool(*, max_chars: int = 4000, timeout_s: float = 15.0, allow_private: bool = False) -> Tool[Any]:
    """Return the tool `visit_url`, which fetches a web page as text.

    Only http and https. An address that is not public, or a name that resolves to one, is refused, at every redirect
    too; the connection goes to the very address that was checked.

    Args:
        max_chars: so much of a page is given to the model.
        timeout_s: for the whole visit, redirects included.
        allow_private: whether addresses of the own network may be visited. Those of cloud metadata services never are.

    Raises:
        ValueError: a limit is not positive.
    """
    if max_chars < 1 or timeout_s <= 0:
        raise ValueError("max_chars and timeout_s must be positive")
    fetch: Callable[..., Any] = web_fetch_tool(
        max_content_length=max_chars * _MARKUP_FACTOR,
        allow_local_urls=allow_private,
        timeout=max(1, round(timeout_s)),
        max_download_bytes=_MAX_DOWNLOAD_BYTES,
    ).function

    async def visit_url(url: str) -> str:
        """Visit a web page and read its text.

        Args:
            url: The address of the web page, for example https://example.com/news.
        """
        url = url.strip()
        try:
            async with asyncio.timeout(timeout_s):
                page = await fetch(url if "://" in url else f"https://{url}")
        except TimeoutError:
            return "The page took too long to answer."
        except ModelRetry as error:
            return _reason(error)
        if isinstance(page, BinaryContent):
            return f"There is no text at this address, but {page.media_type}."
        return _shorten(f"{page['title']}\n\n{links_to_text(page['content'])}".strip(), max_chars)

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
        raise ImportError('Searching needs an extra: pip install "voice-host[search]"') from error
    search: Callable[..., Any] = duckduckgo.duckduckgo_search_tool(max_results=max_results).function

    async def duckduckgo_search(query: str) -> list[dict[str, str]] | str:
        """Search the web with DuckDuckGo.

        Args:
            query: What to search for.
        """
        try:
            results: list[dict[str, str]] = await search(query)
        except (DDGSException, OSError, ValueError):
            return "The search did not work, or found nothing."
        return results or "Nothing was found."

    return Tool(duckduckgo_search, takes_ctx=False)


def _reason(error: ModelRetry) -> str:
    """Say why a page could not be read, without telling which private address a name stands for."""
    cause = error.__cause__
    response = getattr(cause, "response", None)
    if response is not None:
        return f"The page could not be read: the site answered with status {response.status_code}."
    words = str(cause or error)
    if "blocked" in words:
        return "This address is not public. It cannot be visited."
    return f"The page could not be read: {words[:_LONGEST_REASON]}"


def _shorten(text: str, max_chars: int) -> str:
    if len(text) <= max_chars:
        return text
    kept = text[:max_chars]
    space = kept.rfind(" ", max_chars // 2)
    return f"{kept[:space] if space > 0 else kept}…"
