"""Reading the documentation: its pages, headings, tables, code blocks and links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "sdk").glob("*.md"),
        *(ROOT / "host").glob("*.md"),
        *(ROOT / "example_agent_plugin").glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
    ]
)

_FENCE = re.compile(r"^(?P<fence>`{3,})(?P<info>[^\n]*)\n(?P<code>.*?)^(?P=fence)$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block of code. `note` is the HTML comment on the line before it, if there is one."""

    page: Path
    line: int
    info: str
    note: str
    code: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def read(page: str) -> str:
    """Return the text of a page, by its path from the root."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    for match in _FENCE.finditer(text):
        before = text[: match.start()]
        note = re.search(r"<!-- (.+?) -->\n\Z", before)
        yield Block(page, before.count("\n") + 1, match["info"].strip(), note[1] if note else "", match["code"])


def section(page: str, heading: str) -> str:
    """Return what stands below a heading, up to the next one of its level or higher; code blocks are left out."""
    text = _FENCE.sub("", read(page))
    headings = [(match.start(), match.end(), len(match[1]), match[2]) for match in _HEADING.finditer(text)]
    for place, (_, end, level, title) in enumerate(headings):
        if title == heading:
            following = (start for start, _, other, _ in headings[place + 1 :] if other <= level)
            return text[end : next(following, len(text))]
    raise AssertionError(f"{page} has no heading {heading!r}")


def rows(text: str) -> list[list[str]]:
    """Return the cells of every table row, without the lines under the column heads."""
    lines = (line.strip() for line in text.splitlines())
    table = [re.split(r"(?<!\\)\|", line.strip("|")) for line in lines if line.startswith("|")]
    cells = [[cell.strip().replace("\\|", "|") for cell in row] for row in table]
    return [row for row in cells if not all(re.fullmatch(r":?-+:?", cell) for cell in row)]


def entries(text: str) -> set[str]:
    """Return what has an entry: the names in code marks in headings and in the first cell of table rows."""
    titles = [match[2] for match in _HEADING.finditer(text)]
    return {name for words in [*titles, *(row[0] for row in rows(text))] for name in _CODE.findall(words)}


def anchors(page: Path) -> set[str]:
    """Return the anchors that a page's headings get on GitHub."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    titles = (match[2].lower().replace(" ", "-") for match in _HEADING.finditer(text))
    return {re.sub(r"[^\w-]", "", title) for title in titles}


def links(page: Path) -> Iterator[str]:
    """Yield the targets of links and images."""
    text = _CODE.sub("", _FENCE.sub("", page.read_text(encoding="utf-8")))
    for match in re.finditer(r"\]\(([^)\s]+)\)", text):
        yield match[1]
