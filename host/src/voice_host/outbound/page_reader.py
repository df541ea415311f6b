"""Reads web pages as text: fetched with `PublicFetcher`, converted in a process that can be killed."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress

from voice_host.outbound.page_process import HTML_TYPES, PageTask
from voice_host.outbound.public_fetch import FetchedPage, FetchError, PublicFetcher

MAX_DOWNLOAD_BYTES = 3 * 1024 * 1024
MAX_REDIRECTS = 10

MAX_CPU_S = 5
"""CPU time for one page. A normal page of 3 MB takes 2 to 3 s."""

CONVERSIONS_AT_ONCE = 2
"""Pages that one reader converts at a time. Further ones wait."""

CONVERTER = (sys.executable, "-P", "-m", "voice_host.outbound.page_process")
"""The command that converts a page, in a process with limited time and memory."""

_TEXT_TYPES = ("text/", "application/json", "application/xml", "application/yaml", "application/x-yaml")
_ACCEPT = {"Accept": "text/html, text/plain;q=0.9, */*;q=0.8"}
_FOR_CHILDREN = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "SYSTEMROOT", "LANG", "LC_ALL")
"""Variables that a Python interpreter may need. Others may be secrets, and are not passed on."""


class PageReader:
    """Reads pages for one tool of one agent.

    Args:
        fetcher: fetches the pages, and decides which addresses may be visited.
        max_chars: the maximum length of the text.
        timeout_s: for everything: waiting, redirects and conversion.
    """

    def __init__(self, fetcher: PublicFetcher, *, max_chars: int, timeout_s: float) -> None:
        self._fetcher = fetcher
        self._max_chars = max_chars
        self._timeout_s = timeout_s
        self._free = asyncio.Semaphore(CONVERSIONS_AT_ONCE)

    async def read(self, url: str) -> str:
        """Return the text of a page, with its title first.

        Raises:
            FetchError: it cannot be read. The message is suitable for a model.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                page = await self._fetcher.fetch(
                    url,
                    headers=_ACCEPT,
                    timeout_s=self._timeout_s,
                    max_bytes=MAX_DOWNLOAD_BYTES,
                    max_redirects=MAX_REDIRECTS,
                )
                if page.status >= 400:
                    raise FetchError(f"The page could not be read: the site answered with status {page.status}.")
                if not _is_text(page.content_type):
                    raise FetchError(f"There is no text at this address, but {page.content_type}.")
                async with self._free:
                    return await _converted(page, self._max_chars)
        except TimeoutError:
            raise FetchError("The page took too long to answer.") from None


def _is_text(content_type: str) -> bool:
    if content_type in HTML_TYPES or content_type.startswith(_TEXT_TYPES):
        return True
    return content_type.endswith(("+json", "+xml"))


async def _converted(page: FetchedPage, max_chars: int) -> str:
    """Return the text of a page. The process has ended when this returns or is cancelled."""
    process = await asyncio.create_subprocess_exec(
        *CONVERTER,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={name: os.environ[name] for name in _FOR_CHILDREN if name in os.environ},
    )
    try:
        task = PageTask(page.content_type, page.charset, max_chars, MAX_CPU_S)
        output, _ = await process.communicate(task.line() + page.body)
    except (OSError, RuntimeError):  # it ended before reading everything; uvloop raises RuntimeError then
        output = b""
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if process.returncode != 0:
        raise FetchError("The page could not be read: it is too large or too complicated.")
    if not output:
        raise FetchError("There is no text at this address.")
    return output.decode(errors="replace")
