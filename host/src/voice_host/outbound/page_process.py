"""The process that converts one page to text: it reads the page from stdin and writes the text to stdout.

A hostile page can keep an HTML parser busy for hours, or exhaust memory: 100 kB of `<!--` take Python's parser some
6 s, and twice as many four times as long. A thread cannot be stopped; this process limits itself, and its parent kills
it when the visit is over.
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
"""Markup is up to this many times longer than the text; the rest of a page is ignored."""

_UNSPOKEN = ("script", "style", "template", "title", "img")
_EMPTY_LINES = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True)
class PageTask:
    """The task, sent as a line of JSON before the page.

    Attributes:
        content_type: from the server, as is `charset`.
        max_chars: the maximum length of the text.
        max_cpu_s: CPU time after which the process is ended.
    """

    content_type: str
    charset: str | None
    max_chars: int
    max_cpu_s: int

    def line(self) -> bytes:
        """Return the line for the process's stdin."""
        return json.dumps(asdict(self)).encode() + b"\n"


def main() -> None:
    """Perform the task on stdin. Exits with code 0, or is killed by a limit."""
    task = PageTask(**json.loads(sys.stdin.buffer.readline()))
    _limit(task.max_cpu_s)
    text = text_of(sys.stdin.buffer.read(), task)
    sys.stdout.buffer.write(text.encode("utf-8", "replace"))


def text_of(body: bytes, task: PageTask) -> str:
    """Return the text of a page, at most `max_chars` characters and an ellipsis."""
    text = decoded(body, task.charset)
    if task.content_type in HTML_TYPES:
        text = _text_of_html(text, task.max_chars * _MARKUP_FACTOR)
    return _shortened(_EMPTY_LINES.sub("\n\n", text).strip(), task.max_chars)


def decoded(body: bytes, charset: str | None) -> str:
    """Decode a page; as UTF-8 if its charset is unknown. Invalid bytes are replaced."""
    try:
        # Decoding Punycode takes quadratic time, and no page is written in it.
        usable = charset and codecs.lookup(charset).name != "punycode"
        return body.decode(charset if charset and usable else "utf-8", errors="replace")
    except (LookupError, ValueError):  # unknown, not a text encoding, or without replacement
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
        with suppress(AttributeError, OSError, ValueError):  # not supported, or a lower limit exists
            resource.setrlimit(getattr(resource, name), (most, most))


if __name__ == "__main__":
    main()
