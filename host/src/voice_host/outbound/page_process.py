"""The process that makes text of one page: reads it from stdin, writes the text to stdout, and may be killed.

A hostile page makes parsers of HTML work for hours, or take all memory: 100 kB of `<!--` take Python's
parser some 6 s, and twice as many four times as long. A thread cannot be stopped; this process limits itself, and its
parent kills it when the visit is over.
"""

from __future__ import annotations

import codecs
import json
import os
import re
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass

MAX_MEMORY_BYTES = 512 * 1024 * 1024

NICENESS = 10
"""Calls go first."""

HTML_TYPES = ("", "text/html", "application/xhtml+xml")

_MARKUP_FACTOR = 10
"""A page's links are up to so many times longer than its words; what is beyond is not looked at."""

_UNSPOKEN = ("script", "style", "template", "title", "img")
_EMPTY_LINES = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True)
class PageTask:
    """What comes before the page, as a line of JSON.

    Attributes:
        content_type: the server's words, as is `charset`.
        max_chars: of the text.
        max_cpu_s: the process ends after so much work.
    """

    content_type: str
    charset: str | None
    max_chars: int
    max_cpu_s: int

    def line(self) -> bytes:
        """Return it for the process's standard input."""
        return json.dumps(asdict(self)).encode() + b"\n"


def main() -> None:
    """Do what the task on stdin says. Ends with exit code 0, or by a limit."""
    task = PageTask(**json.loads(sys.stdin.buffer.readline()))
    _limit(task.max_cpu_s)
    text = text_of(sys.stdin.buffer.read(), task)
    sys.stdout.buffer.write(text.encode("utf-8", "replace"))


def text_of(body: bytes, task: PageTask) -> str:
    """Return a page's text, at most `max_chars` and a mark of omission."""
    text = decoded(body, task.charset)
    if task.content_type in HTML_TYPES:
        text = _text_of_html(text, task.max_chars * _MARKUP_FACTOR)
    return _shortened(_EMPTY_LINES.sub("\n\n", text).strip(), task.max_chars)


def decoded(body: bytes, charset: str | None) -> str:
    """Return the text of a page, as UTF-8 where its charset is none; what does not fit it is replaced."""
    try:
        # Decoding Punycode takes time with the square of the length, and no page is written in it.
        usable = charset and codecs.lookup(charset).name != "punycode"
        return body.decode(charset if charset and usable else "utf-8", errors="replace")
    except (LookupError, ValueError):  # there is no such charset, it is none of text, or it replaces nothing
        return body.decode(errors="replace")


def _text_of_html(html: str, max_chars: int) -> str:
    from bs4 import BeautifulSoup
    from markdownify import MarkdownConverter

    from voice_host.text.markup import links_to_text

    soup = BeautifulSoup(html, "html.parser")
    title = soup.title.get_text(" ", strip=True) if soup.title is not None else ""
    for tag in soup(_UNSPOKEN):
        tag.decompose()
    text = MarkdownConverter(heading_style="atx").convert_soup(soup)
    return f"{title}\n\n{links_to_text(text[:max_chars])}"


def _shortened(text: str, max_chars: int) -> str:
    if len(text) <= max_chars:
        return text
    kept = text[:max_chars]
    space = kept.rfind(" ", max_chars // 2)
    return f"{kept[:space] if space > 0 else kept}…"


def _limit(max_cpu_s: int) -> None:
    with suppress(AttributeError, OSError):  # Windows
        os.nice(NICENESS)
    try:
        import resource
    except ImportError:  # Windows: the parent's time limit is the only one
        return
    limits = {"RLIMIT_CPU": max_cpu_s, "RLIMIT_AS": MAX_MEMORY_BYTES, "RLIMIT_FSIZE": 0, "RLIMIT_CORE": 0}
    for name, most in limits.items():
        with suppress(AttributeError, OSError, ValueError):  # a system without it, or with a lower one
            resource.setrlimit(getattr(resource, name), (most, most))


if __name__ == "__main__":
    main()
