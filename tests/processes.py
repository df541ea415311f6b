"""The processes of this machine, read from /proc. A process may end while it is read: it then counts as gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def descendants(pid: int) -> Iterator[int]:
    """Yield a process with all that it has started, and they, and so on."""
    yield pid
    for thread in threads(pid):
        for child in text(thread / "children").split():
            yield from descendants(int(child))


def threads(pid: int) -> list[Path]:
    """Return the folders of a process's threads; none if it has ended."""
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []


def read(pid: int, name: str) -> str:
    """Return the text of a file of a process, such as `cmdline`; "" if it has ended."""
    return text(Path(f"/proc/{pid}/{name}"))


def text(path: Path) -> str:
    """Return the text of a file below /proc; "" if its process has ended."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def is_running(pid: int) -> bool:
    """Whether a process has not ended. One whose parent has not collected its exit code has."""
    fields = read(pid, "stat").rpartition(")")[2].split()
    return bool(fields) and fields[0] not in ("Z", "X")


def parent_of(pid: int) -> int:
    """Return the id of the process that started a process.

    Raises:
        ProcessLookupError: it has ended.
    """
    fields = read(pid, "stat").rpartition(")")[2].split()
    if not fields:
        raise ProcessLookupError(pid)
    return int(fields[1])
